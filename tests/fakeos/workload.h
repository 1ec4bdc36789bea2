// fakeos/workload.h: everything a program does with a heap, beside a map of what must be live.
//
// A refusal is an answer: nullptr with ENOMEM, which the model takes note of, and which it believes
// only if the system refused something during the call. What is live stays live, with its contents.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <semaphore>
#include <thread>

#include "unit/support.h"

namespace hakmem::fakeos {

// Used by several threads, one at a time.
class Model {
 public:
  void* malloc(size_t size);
  void* calloc(size_t size);
  void* aligned_alloc(size_t alignment, size_t size);
  // Of live blocks, chosen by `choice`; nothing happens when there are none.
  void realloc(size_t choice, size_t size);
  void free(size_t choice);
  void free_all();

  // Any of the operations, on any size.
  void any(test::Random& random);

  // Contents of every block; the walker; the number of live blocks.
  void check() const;

  size_t blocks() const { return live_.size(); }
  uint64_t refused() const { return refused_; }

 private:
  struct Block {
    size_t size;
    size_t usable;
    unsigned char seed;
  };

  void begin();
  void* note(void* pointer, size_t size, size_t alignment);
  std::map<uintptr_t, Block>::iterator chosen(size_t choice);
  static void fill(uintptr_t at, const Block& block);
  static bool intact(uintptr_t at, const Block& block, size_t size);

  std::map<uintptr_t, Block> live_;
  uint64_t refused_ = 0;
  uint64_t refusals_before_ = 0;
  unsigned char seed_ = 0;
};

// Another thread, which does what it is told and lives until it is destroyed.
class Peer {
 public:
  Peer();
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // Returns when `work` is done.
  void run(std::function<void()> work);

 private:
  std::function<void()> work_;
  std::binary_semaphore asked_{0};
  std::binary_semaphore done_{0};
  std::thread thread_;
};

// The ways in which the heap is put together differently.
enum class Shape : uint8_t {
  kDefault,
  kSmallReserve,  // the registry grows by many reservations
  kTenants,       // tiny_ss_shared=off: a cache takes whole SuperSlabs
};
inline constexpr Shape kShapes[] = {Shape::kDefault, Shape::kSmallReserve, Shape::kTenants};
const char* name_of(Shape shape);

// Before the heap's first use in this process.
void set_options(Shape shape, uint64_t decay_ms = 1000);

// Takes what the meta arena has left: then bitmaps, stacks, messages and caches are refused.
// Only while commits are refused, or it would have no end.
void use_up_meta_arena();

// A size of any range: tiny, mid, large, huge.
size_t any_size(test::Random& random);

class Workload {
 public:
  explicit Workload(uint64_t seed) : random_(seed) {}

  // All sizes, all calls, two caches and their parking, time passing, trim.
  void run();

  // The fault is over: everything is served.
  void recover();

  // Everything goes back, and nothing is left.
  void wind_up();

  // A part of run() by itself.
  void exchange_with_peer();

  Model& model() { return model_; }

 private:
  void adopt_from_parked();
  void let_time_pass();
  void move_huge_blocks();

  test::Random random_;
  Model model_;
};

}  // namespace hakmem::fakeos
