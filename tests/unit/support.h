// unit/support.h: what the unit tests share.
//
// Unit tests run on process-wide boxes (one registry, one pool, one list of caches), so a test
// compares with what it found, and gives back what it took.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "os/pages.h"
#include "config/config.h"
#include "config/size_class.h"

namespace hakmem::test {

// Stands for any passkey. In src/ the compiler lets only the pool change a slot's state or tag; a
// test that asks what happens on a forbidden edge has to forge the key.
struct ForgedKey {
  template <class Key>
  operator Key() const {
    return std::bit_cast<Key>(std::byte{0});
  }
};

// Options are sealed when the program is loaded. While this lives, they are what `change` makes of
// them; no other thread may run.
class ScopedConfig {
 public:
  template <class Change>
  explicit ScopedConfig(Change change) : saved_(config()) {
    unseal();
    change(detail::sealed_config.config);
  }
  // One that lived within this one has sealed it.
  ~ScopedConfig() {
    unseal();
    detail::sealed_config.config = saved_;
    const SealedPage page = sealed_page();
    os::make_readable(page.address, Bytes(page.size_bytes));
  }
  ScopedConfig(const ScopedConfig&) = delete;
  ScopedConfig& operator=(const ScopedConfig&) = delete;

 private:
  static void unseal() {
    const SealedPage page = sealed_page();
    os::commit(page.address, Bytes(page.size_bytes));
  }

  Config saved_;
};

// xorshift64*: the same numbers in every run.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1du;
  }
  // 0 .. limit - 1
  size_t below(size_t limit) { return static_cast<size_t>((next() >> 16) % limit); }

 private:
  uint64_t state_;
};

inline uintptr_t address_of(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

inline bool all_zero(const void* begin, size_t bytes) {
  const char* text = static_cast<const char*>(begin);
  return bytes == 0 || (text[0] == 0 && std::memcmp(text, text + 1, bytes - 1) == 0);
}

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAKMEM_UNDER_TSAN 1
#endif
#if __has_feature(address_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define HAKMEM_UNDER_SANITIZER 1
#endif
#endif
#if defined(HAKMEM_UNDER_TSAN) || defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif
// Of any kind.
#if defined(HAKMEM_UNDER_SANITIZER)
inline constexpr bool kSanitizer = true;
#else
inline constexpr bool kSanitizer = kThreadSanitizer;
#endif

}  // namespace hakmem::test
