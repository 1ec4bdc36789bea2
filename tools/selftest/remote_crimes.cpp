#include <pthread.h>

#include <cstring>
#include <new>

#include "deeds.h"

namespace hakmem::selftest {
namespace {

using Deed = void (*)(char* block);

// Of a thread whose first call is a free the allocator knows nothing yet: its frees go another way.
enum class Thread { kKnown, kNew };

struct Task {
  Deed deed;
  char* block;
  Thread thread;
};

void* do_task(void* argument) {
  const Task* task = static_cast<const Task*>(argument);
  if (task->thread == Thread::kKnown) release(get(1));
  task->deed(task->block);
  return nullptr;
}

// And it ends: what waits in its quarantine and in its messages comes home.
void in_another_thread(char* block, Deed deed, Thread kind = Thread::kKnown) {
  Task task{deed, block, kind};
  pthread_t thread;
  if (pthread_create(&thread, nullptr, do_task, &task) != 0) std::abort();
  pthread_join(thread, nullptr);
}

void free_it(char* block) { release(block); }

template <std::size_t kSize>
Aftermath owner_frees_then_another() {
  char* block = get(kSize);
  release(block);
  in_another_thread(block, free_it);
  return look_now();
}

template <std::size_t kSize>
Aftermath another_frees_then_owner() {
  char* block = get(kSize);
  in_another_thread(block, free_it);
  release(block);
  return look_now();
}

template <std::size_t kSize>
Aftermath another_frees_twice() {
  in_another_thread(get(kSize), [](char* block) {
    release(block);
    release(block);
  });
  return look_now();
}

template <std::size_t kSize>
Aftermath two_others_free() {
  char* block = get(kSize);
  in_another_thread(block, free_it);
  in_another_thread(block, free_it, Thread::kNew);
  return look_now();
}

template <std::size_t kSize, std::size_t kOffset>
Aftermath another_frees_inside() {
  in_another_thread(get(kSize) + kOffset, free_it);
  return look_now();
}

template <std::size_t kSize, std::size_t kLength>
Aftermath overflow_and_another_frees() {
  char* neighbour = get(kSize);
  char* block = get(kSize);
  std::memset(hidden(block) + kSize, 0, kLength);
  in_another_thread(block, free_it);
  release(neighbour);
  return look_now();
}

template <std::size_t kSize>
Aftermath underflow_and_another_frees() {
  char* neighbour = get(kSize);
  char* block = get(kSize);
  hidden(block)[-1] = 'x';
  in_another_thread(block, free_it);
  release(neighbour);
  return look_now();
}

template <std::size_t kSize>
Aftermath write_after_another_freed() {
  char* block = get(kSize);
  in_another_thread(block, free_it);
  hidden(block)[kSize / 2] = 'x';
  use_many(kSize);
  return look_now();
}

template <std::size_t kSize>
Aftermath read_after_another_freed() {
  char* block = get(kSize);
  std::memset(block, 's', kSize);
  in_another_thread(block, free_it);
  return is_still_there(block, 's', kSize) ? Aftermath::kUnnoticed : Aftermath::kHarmless;
}

template <std::size_t kSize>
Aftermath another_frees_with_wrong_size() {
  in_another_thread(get(kSize), [](char* block) { release_sized(block, kSize - 1); });
  return look_now();
}

template <std::size_t kSize>
Aftermath another_frees_what_is_new() {
  in_another_thread(static_cast<char*>(::operator new(kSize)), free_it);
  return look_now();
}

constexpr Crime kCrimes[] = {
    {"double-free-threads", "free in two threads", reported(kDouble), reported(kDouble), owner_frees_then_another<100>},
    {"double-free-threads-mid", "free in two threads, 5000 B", reported(kDouble), reported(kDouble),
     owner_frees_then_another<5000>},
    {"remote-then-own", "another thread frees, then the owner", reported(kDouble), reported(kDouble),
     another_frees_then_owner<100>},
    {"remote-then-own-mid", "another thread, then the owner, 5000 B", reported(kDouble), reported(kDouble), another_frees_then_owner<5000>},
    {"remote-twice", "another thread frees twice", reported(kDouble), reported(kDouble), another_frees_twice<100>},
    {"remote-twice-mid", "another thread frees twice, 5000 B", reported(kDouble), reported(kDouble),
     another_frees_twice<5000>},
    {"remote-twice-30000", "another thread frees twice, 30 kB", reported(kDouble), reported(kDouble),
     another_frees_twice<30000>},
    {"two-others", "two other threads free", reported(kDouble), reported(kDouble), two_others_free<100>},
    {"two-others-mid", "two other threads free, 5000 B", reported(kDouble), reported(kDouble), two_others_free<5000>},
    {"remote-interior", "another thread frees inside, 100 B", reported(kInterior), reported(kInterior),
     another_frees_inside<100, 16>},
    {"remote-interior-mid", "another thread frees inside, 5000 B", reported(kInterior), reported(kInterior),
     another_frees_inside<5000, 2048>},
    {"remote-overflow", "write 1 byte behind 24 B, another frees", kNothing, reported(kOver),
     overflow_and_another_frees<24, 1>},
    {"remote-overflow-1000", "write 1 byte behind 1000 B, another frees", kNothing, reported(kOver),
     overflow_and_another_frees<1000, 1>},
    {"remote-overflow-5000", "write 1 byte behind 5000 B, another frees", kNothing, reported(kOver),
     overflow_and_another_frees<5000, 1>},
    {"remote-overflow-30000", "write 4 KiB behind 30 kB, another frees", kNothing, reported(kOver),
     overflow_and_another_frees<30000, 4 * kKib>},
    {"remote-underflow", "write 1 byte before 24 B, another frees", kNothing, reported(kUnder),
     underflow_and_another_frees<24>},
    {"remote-underflow-5000", "write 1 byte before 5000 B, another frees", kNothing, reported(kUnder),
     underflow_and_another_frees<5000>},
    {"remote-write-after-free", "write after another freed, 24 B", kNothing, reported(kWritten),
     write_after_another_freed<24>},
    {"remote-write-after-free-1000", "write after another freed, 1000 B", kNothing, reported(kWritten),
     write_after_another_freed<1000>},
    {"remote-write-after-free-5000", "write after another freed, 5000 B", kNothing, kNothing,
     write_after_another_freed<5000>},
    {"remote-read-after-free", "read after another freed, 1000 B: zero", kNothing, kIsHarmless,
     read_after_another_freed<1000>},
    {"remote-sized-free", "another frees with another size, 100 B", kNothing, reported(kSizes),
     another_frees_with_wrong_size<100>},
    {"remote-sized-free-mid", "another frees with another size, 5000 B", kNothing, reported(kSizes),
     another_frees_with_wrong_size<5000>},
    {"remote-new-free", "new, then another frees, 100 B", kNothing, reported(kKind), another_frees_what_is_new<100>},
    {"remote-new-free-mid", "new, then another frees, 5000 B", kNothing, reported(kKind),
     another_frees_what_is_new<5000>},
};

}  // namespace

std::span<const Crime> crimes_of_two_threads() { return kCrimes; }

}  // namespace hakmem::selftest
