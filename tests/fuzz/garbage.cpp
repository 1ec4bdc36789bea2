// libFuzzer target: frees what must not be freed, among what may, and walks the metadata afterwards.
//
// A wild free that is noticed ends the program, so each input has a child of its own, and the fuzzer learns
// from it only whether it crashed: inputs are random, not guided. The report is this file's own: where the
// library would end the process, the locks it holds are let go and the walker looks. A double free on a
// stack is two equal mallocs until it is flushed; so the walker is asked for what locks protect (bitmaps,
// counts, lists, tags of listed slabs), and the pool whether every slot is in one state. A CHECK, a signal
// or a deadlock is a failure.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "superslab/misuse.h"
#include "pool/shared_pool.h"
#include "front/cache_list.h"
#include "front/hole_purge.h"
#include "front/thread_cache.h"
#include "large/huge.h"
#include "observe/invariants.h"

#include "fuzz/operations.h"
#include "hakmem/hakmem.h"
#include "unit/heap/heap_model.h"

namespace {

using namespace hakmem;

constexpr int kReported = 3;  // libFuzzer's handlers, which the child has as well, end it with 70 to 77
constexpr unsigned kSecondsMax = 20;
constexpr size_t kLiveMax = 256;

bool g_misused = false;  // something was freed that must not be

// What the children did before they were stopped or done: a page they share with their parent.
uint64_t* shared_count() {
  static void* const page =
      mmap(nullptr, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return static_cast<uint64_t*>(page);
}

void let_go(os::Lock& lock) {
  if (lock.held_by_me()) lock.unlock();
}

void let_all_locks_go() {
  cache_list().for_each([](ThreadCache& cache) { let_go(cache.lock()); });
  let_go(cache_list().lock());
  let_go(hole_purge().lock());
  for (uint32_t shard = SharedPool::kShards; shard-- > 0;) let_go(pool().shard_lock(shard));
  let_go(huge_blocks().lock());
}

void walk() {
  if (const char* wrong = check_heap(Threads::kRunning); wrong != nullptr) fuzz::violation(wrong);
  uint64_t slots = 0;
  registry().for_each_superslab([&slots](const SuperSlab& super) {
    const uint32_t unused = super.mask(SlotState::kUnused);
    const uint32_t active = super.mask(SlotState::kActive);
    const uint32_t empty = super.mask(SlotState::kEmpty);
    if ((unused ^ active ^ empty) != ~0u || (unused & active & empty) != 0) {
      fuzz::violation("slot states do not add up to 32");
    }
    slots += static_cast<uint64_t>(std::popcount(active));
    for (uint32_t slot = 0; slot < kSlotsPerSuperSlab; ++slot) {
      const uint32_t tag = registry().tag_of(super.base() + (size_t{slot} << kSlotShift));
      if (tag != kUnusedTag && (active >> slot & 1) == 0) fuzz::violation("a tag on a slot that is not ACTIVE");
    }
  });
  if (slots != pool().stats().active_slots) fuzz::violation("the pool counts other slots");
}

class Life {
 public:
  void run(fuzz::Operations& operations) {
    fuzz::Operation op;
    if (operations.next(&op)) honest_left_ = op.kind;
    while (operations.next(&op)) {
      ++*shared_count();
      act(op);
    }
    hak_thread_idle();
    hak_trim();
    walk();
  }

 private:
  struct Block {
    uintptr_t at;
    size_t bytes;
  };

  void act(const fuzz::Operation& op) {
    // Most of what is done is right, or nothing would be there to be hit.
    if (honest_left_ != 0 || op.what % 8 != 1) {
      if (honest_left_ != 0) --honest_left_;
      op.what % 2 == 0 || live_.empty() ? allocate(op) : release(op);
      return;
    }
    if (op.what % 64 == 1) {
      hak_trim();
      return walk();
    }
    free_garbage(op);
  }

  void allocate(const fuzz::Operation& op) {
    if (live_.size() == kLiveMax) return release(op);
    const uint32_t kind = op.kind % 10 == 9 && op.number % 8 != 0 ? 0 : op.kind;
    const size_t size = test::any_size(kind, op.number);
    void* block = hak_malloc(size);
    if (block == nullptr) return;
    live_.push_back(Block{test::address_of(block), hak_usable_size(block)});
  }

  void release(const fuzz::Operation& op) {
    const size_t index = op.number % live_.size();
    gone_.push_back(live_[index]);
    live_[index] = live_.back();
    live_.pop_back();
    hak_free(reinterpret_cast<void*>(gone_.back().at));
  }

  void free_garbage(const fuzz::Operation& op) {
    const uintptr_t at = garbage(op);
    if (at == 0) return;
    g_misused = true;
    void* const pointer = reinterpret_cast<void*>(at);
    switch (op.kind / 8 % 4) {
      case 0:
        return hak_free_sized(pointer, op.number % 4096);
      case 1:
        hak_usable_size(pointer);
        [[fallthrough]];
      default:
        return hak_free(pointer);
    }
  }

  // 0 when there is none of that kind.
  uintptr_t garbage(const fuzz::Operation& op) const {
    // Those that are noticed at once end the input, so they are rare.
    uint32_t kind = op.kind % 8;
    if (kind >= 3 && kind != 6 && (op.number >> 24) % 16 != 0) kind %= 3;
    switch (kind) {
      case 0: {  // inside a live block
        if (live_.empty()) return 0;
        const Block& block = live_[op.number % live_.size()];
        return block.at + 1 + (op.number >> 8) % (block.bytes + 1);  // 0 where a stack handed out garbage
      }
      case 1: {  // stale
        if (gone_.empty()) return 0;
        return gone_[op.number % gone_.size()].at;
      }
      case 2: {  // inside a stale one, aligned
        if (gone_.empty()) return 0;
        const Block& block = gone_[op.number % gone_.size()];
        return block.at + (op.number >> 8) % (block.bytes + 1) / 16 * 16;
      }
      case 3:  // the stack
        return test::address_of(&op) + op.number % 64;
      case 4:  // a static
        return test::address_of(&g_misused) + op.number % 16;
      case 5:  // anywhere in the reservation
        if (registry().reservations() == 0) return 0;
        return registry().primary().base + op.number % registry().primary().size;
      case 6: {  // a slot near what is live
        if (live_.empty()) return 0;
        return (live_[op.number % live_.size()].at & ~uintptr_t{0xffff}) + ((op.number >> 8) % 64 << 12);
      }
      default:  // any number
        return op.number * uintptr_t{0x9e3779b97f4a7c15};
    }
  }

  uint32_t honest_left_ = 0;  // operations before anything is freed wrongly
  std::vector<Block> live_;
  std::vector<Block> gone_;
};

int live(const uint8_t* bytes, size_t size) {
  const pid_t child = fork();
  if (child < 0) fuzz::violation("no process");
  if (child == 0) {
    signal(SIGALRM, SIG_DFL);
    alarm(kSecondsMax);
    fuzz::Operations operations(bytes, size);
    Life().run(operations);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

}  // namespace

namespace hakmem {

// In the place of the library's: the heap as it is when the process would end.
void report_misuse(Misuse, const void*, TextView, Trace, Traces) {
  if (!g_misused) fuzz::violation("a report, and nothing was done wrongly");
  let_all_locks_go();
  t_front = const_cast<CacheFront*>(&kEmptyFront);
  walk();
  _exit(kReported);
}
void report_misuse(Misuse kind, const void* address, TextView detail) {
  report_misuse(kind, address, detail, Trace{}, Traces{});
}

}  // namespace hakmem

// Other bytes each time: no input is known to be better than another, and one of a few bytes does nothing.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* bytes, size_t, size_t most, unsigned seed) {
  test::Random random(seed);
  const size_t least = most < fuzz::kOperationBytes ? most : fuzz::kOperationBytes;
  const size_t size = least + random.below(most - least + 1);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(random.below(256));
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static fuzz::Tally tally("fuzz_garbage");
  const uint64_t before = *shared_count();
  const int status = live(bytes, size);
  if (status != 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == kReported)) {
    fprintf(stderr, "fuzz: status %#x\n", static_cast<unsigned>(status));
    abort();
  }
  tally.add(*shared_count() - before);
  return 0;
}
