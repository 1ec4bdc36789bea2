// What -fsanitize=thread makes of each access, as calls of this instead of TSan's runtime.
#include <atomic>
#include <cstdint>
#include <cstring>

#include "schedule/races.h"
#include "schedule/scheduler.h"

namespace {

using schedule::point;
namespace races = schedule::races;

uintptr_t address_of(const volatile void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

schedule::Random g_spurious(4711);

// One thread runs at a time, so the operations themselves need no care; the point comes before, because
// what happened before it is what others may see.
template <class T>
T load(const volatile T* at, int order) {
  point();
  races::atomic_touch(address_of(at), sizeof(T));
  races::atomic_load(address_of(at), order);
  return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}
template <class T>
void store(volatile T* at, T value, int order) {
  point();
  races::atomic_touch(address_of(at), sizeof(T));
  races::atomic_store(address_of(at), order);
  __atomic_store_n(at, value, __ATOMIC_SEQ_CST);
}
template <class T, class Change>
T update(volatile T* at, int order, Change change) {
  point();
  races::atomic_touch(address_of(at), sizeof(T));
  races::atomic_update(address_of(at), order);
  const T old = *at;
  *at = static_cast<T>(change(old));
  return old;
}
template <class T>
int compare_exchange(volatile T* at, T* expected, T value, int order, int failure, bool weak) {
  point();
  races::atomic_touch(address_of(at), sizeof(T));
  const T old = *at;
  const bool spurious = weak && schedule::self() != 0 && g_spurious.one_in(16);
  if (old == *expected && !spurious) {
    races::atomic_update(address_of(at), order);
    *at = value;
    return 1;
  }
  races::atomic_load(address_of(at), failure);
  *expected = old;
  return 0;
}

}  // namespace

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_read(void**) {}
void __tsan_vptr_update(void**, void*) {}

#define HAKMEM_PLAIN(bytes)                                                                        \
  void __tsan_read##bytes(void* at) { races::plain_read(address_of(at), bytes); }                  \
  void __tsan_write##bytes(void* at) { races::plain_write(address_of(at), bytes); }                \
  void __tsan_unaligned_read##bytes(void* at) { races::plain_read(address_of(at), bytes); }        \
  void __tsan_unaligned_write##bytes(void* at) { races::plain_write(address_of(at), bytes); }
HAKMEM_PLAIN(1)
HAKMEM_PLAIN(2)
HAKMEM_PLAIN(4)
HAKMEM_PLAIN(8)
HAKMEM_PLAIN(16)

void __tsan_read_range(void* at, size_t bytes) { races::plain_read(address_of(at), bytes); }
void __tsan_write_range(void* at, size_t bytes) { races::plain_write(address_of(at), bytes); }

void* __tsan_memcpy(void* to, const void* from, size_t bytes) {
  races::plain_read(address_of(from), bytes);
  races::plain_write(address_of(to), bytes);
  return memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, size_t bytes) {
  races::plain_read(address_of(from), bytes);
  races::plain_write(address_of(to), bytes);
  return memmove(to, from, bytes);
}
void* __tsan_memset(void* to, int value, size_t bytes) {
  races::plain_write(address_of(to), bytes);
  return memset(to, value, bytes);
}

#define HAKMEM_UPDATE(bits, name, expression)                                                      \
  uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t* at, uint##bits##_t value,   \
                                              int order) {                                         \
    return update(at, order, [value](uint##bits##_t old) { return expression; });                  \
  }
#define HAKMEM_ATOMIC(bits)                                                                        \
  uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t* at, int order) {        \
    return load(at, order);                                                                        \
  }                                                                                                \
  void __tsan_atomic##bits##_store(volatile uint##bits##_t* at, uint##bits##_t value, int order) { \
    store(at, value, order);                                                                       \
  }                                                                                                \
  HAKMEM_UPDATE(bits, exchange, (static_cast<void>(old), value))                                   \
  HAKMEM_UPDATE(bits, fetch_add, old + value)                                                      \
  HAKMEM_UPDATE(bits, fetch_sub, old - value)                                                      \
  HAKMEM_UPDATE(bits, fetch_and, old & value)                                                      \
  HAKMEM_UPDATE(bits, fetch_or, old | value)                                                       \
  HAKMEM_UPDATE(bits, fetch_xor, old ^ value)                                                      \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile uint##bits##_t* at,                   \
                                                    uint##bits##_t* expected, uint##bits##_t value, \
                                                    int order, int failure) {                      \
    return compare_exchange(at, expected, value, order, failure, false);                           \
  }                                                                                                \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile uint##bits##_t* at,                     \
                                                  uint##bits##_t* expected, uint##bits##_t value,  \
                                                  int order, int failure) {                        \
    return compare_exchange(at, expected, value, order, failure, true);                            \
  }                                                                                                \
  uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(volatile uint##bits##_t* at,           \
                                                            uint##bits##_t expected,               \
                                                            uint##bits##_t value, int order,       \
                                                            int failure) {                         \
    compare_exchange(at, &expected, value, order, failure, false);                                 \
    return expected;                                                                               \
  }
HAKMEM_ATOMIC(8)
HAKMEM_ATOMIC(16)
HAKMEM_ATOMIC(32)
HAKMEM_ATOMIC(64)

void __tsan_atomic_thread_fence(int) { point(); }
void __tsan_atomic_signal_fence(int) {}

}  // extern "C"
