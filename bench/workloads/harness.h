// bench/workloads/harness.h: what every workload shares.
//
// Responsibility  Random numbers, arguments, time, memory figures, threads and the result line.
// Contract        A workload reaches the allocator only through malloc, calloc, realloc and free,
//                 so that LD_PRELOAD decides which allocator is measured. The harness itself never
//                 allocates: its arrays are mapped and its text lives on the stack, so no figure
//                 contains it. A failed call ends the program with a message and status 1, bad
//                 arguments with 2.
// Observable      report(): one JSON line on stdout with name, args, ops, seconds, mops,
//                 peak_rss_kib, end_rss_kib, threads, malloc_from (base name of the object that
//                 holds `malloc`), malloc_path, and what the workload adds. `ops` is defined at
//                 each workload's head.
// Composable      Needs libc and pthreads. Included once by each program of this folder.
#pragma once

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bench {

constexpr std::size_t kCacheLineBytes = 64;
// The distance at which every page is touched. A larger page is then touched several times:
// harmless.
constexpr std::size_t kTouchStrideBytes = 4096;

[[noreturn, gnu::cold, gnu::noinline]] inline void die(int status, const char* what) {
  std::fprintf(stderr, "bench: %s\n", what);
  std::exit(status);
}

// Marsaglia's xorshift32 (Journal of Statistical Software 8/14, 2003). Zero is its fixed point.
class Xorshift32 {
 public:
  explicit Xorshift32(std::uint32_t seed) : state_(seed != 0 ? seed : 1) {}

  std::uint32_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_;
  }

  // Both ends included. Every range is below 4 GiB, and a 32-bit division is the cheaper one.
  std::size_t between(std::size_t min, std::size_t max) {
    return min + next() % (static_cast<std::uint32_t>(max - min) + 1);
  }

 private:
  std::uint32_t state_;
};

class Arguments {
 public:
  Arguments(int count, char** values, const char* usage)
      : count_(count), values_(values), usage_(usage) {}

  // The number at `index`, or `fallback` where the command line is shorter.
  std::uint64_t number(int index, std::uint64_t fallback, std::uint64_t min,
                       std::uint64_t max) const {
    if (index >= count_) return fallback;
    const char* text = values_[index];
    char* end = nullptr;
    const unsigned long long value = std::strtoull(text, &end, 10);
    const bool is_number = *text >= '0' && *text <= '9' && *end == '\0';
    if (!is_number || value < min || value > max) die(2, usage_);
    return value;
  }

  // Which of the words on offer stands at `index`; a missing one is the first.
  template <std::size_t kWords>
  std::size_t choice(int index, const char* const (&words)[kWords]) const {
    if (index >= count_) return 0;
    for (std::size_t i = 0; i < kWords; ++i) {
      if (std::strcmp(values_[index], words[i]) == 0) return i;
    }
    die(2, usage_);
  }

  bool chooses_second(int index, const char* first, const char* second) const {
    return choice(index, {first, second}) == 1;
  }

  // Ends the program when there are more arguments than the workload knows.
  void at_most(int count) const {
    if (count_ > count + 1) die(2, usage_);
  }

  // The arguments as given, separated by spaces. `text` always ends with a zero byte.
  void join(char* text, std::size_t text_bytes) const {
    std::size_t used = 0;
    text[0] = '\0';
    for (int i = 1; i < count_ && used < text_bytes; ++i) {
      const int written =
          std::snprintf(text + used, text_bytes - used, "%s%s", i > 1 ? " " : "", values_[i]);
      used += static_cast<std::size_t>(written);
    }
  }

 private:
  int count_;
  char** values_;
  const char* usage_;
};

// Zeroed memory straight from the system, for slots and pointers: not a load on the allocator.
template <class T>
class MappedArray {
 public:
  explicit MappedArray(std::size_t count) : bytes_(count * sizeof(T)) {
    void* memory =
        mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) die(1, "mmap failed");
    data_ = static_cast<T*>(memory);
  }
  ~MappedArray() { munmap(data_, bytes_); }
  MappedArray(const MappedArray&) = delete;
  MappedArray& operator=(const MappedArray&) = delete;

  T* data() { return data_; }
  T& operator[](std::size_t index) { return data_[index]; }

 private:
  T* data_;
  std::size_t bytes_;
};

// The volatile store is both the workload's first write and what keeps the optimiser from dropping
// the pair.
inline void* allocate(std::size_t bytes) {
  void* block = std::malloc(bytes);
  if (block == nullptr) [[unlikely]]
    die(1, "malloc returned NULL");
  *static_cast<volatile char*>(block) = 1;
  return block;
}

// Writes one byte to each page of [from, to) of the block, and its last byte.
inline void touch_pages(void* block, std::size_t from, std::size_t to) {
  volatile char* bytes = static_cast<volatile char*>(block);
  for (std::size_t at = from; at < to; at += kTouchStrideBytes) bytes[at] = 1;
  if (to > from) bytes[to - 1] = 1;
}

inline double now_seconds() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// One thread's timed part. The span of several threads is from the first start to the last stop.
struct alignas(kCacheLineBytes) Span {
  double start = 0;
  double stop = 0;
};

inline double seconds_of(Span* spans, unsigned count) {
  Span whole = spans[0];
  for (unsigned i = 1; i < count; ++i) {
    if (spans[i].start < whole.start) whole.start = spans[i].start;
    if (spans[i].stop > whole.stop) whole.stop = spans[i].stop;
  }
  return whole.stop - whole.start;
}

class Barrier {
 public:
  explicit Barrier(unsigned count) { pthread_barrier_init(&barrier_, nullptr, count); }
  ~Barrier() { pthread_barrier_destroy(&barrier_); }
  Barrier(const Barrier&) = delete;
  Barrier& operator=(const Barrier&) = delete;

  void wait() { pthread_barrier_wait(&barrier_); }

 private:
  pthread_barrier_t barrier_;
};

// Threads on plain pthreads: std::thread would allocate in one thread and free in another.
template <class Body>
class Threads {
 public:
  // Starts `count` threads that each call body(index). `body` must outlive them.
  Threads(unsigned count, Body& body) : starts_(count), count_(count) {
    for (unsigned i = 0; i < count; ++i) {
      starts_[i].body = &body;
      starts_[i].index = i;
      if (pthread_create(&starts_[i].thread, nullptr, &Threads::run, &starts_[i]) != 0) {
        die(1, "pthread_create failed");
      }
    }
  }
  ~Threads() {
    for (unsigned i = 0; i < count_; ++i) pthread_join(starts_[i].thread, nullptr);
  }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  struct Start {
    Body* body;
    unsigned index;
    pthread_t thread;
  };

  static void* run(void* argument) {
    Start* start = static_cast<Start*>(argument);
    (*start->body)(start->index);
    return nullptr;
  }

  MappedArray<Start> starts_;
  unsigned count_;
};

// The seconds that `threads` threads take together for work(index, start_line), which waits at the start line when
// it is ready, and returns its timed part. One thread is the main thread: a process that never made a second one is
// a case of its own (glibc leaves out its atomics).
template <class Work>
double seconds_together(unsigned threads, Work work) {
  MappedArray<Span> spans(threads);
  Barrier start_line(threads);
  auto body = [&](unsigned index) { spans[index] = work(index, start_line); };
  if (threads == 1) {
    body(0);
  } else {
    Threads started(threads, body);
  }
  return seconds_of(spans.data(), threads);
}

// Sleeps without touching the allocator; `until` is moved on, so that a row of naps does not drift.
inline void nap(timespec& until, std::uint64_t milliseconds) {
  until.tv_sec += static_cast<time_t>(milliseconds / 1000);
  until.tv_nsec += static_cast<long>(milliseconds % 1000) * 1'000'000;
  if (until.tv_nsec >= 1'000'000'000) {
    until.tv_nsec -= 1'000'000'000;
    ++until.tv_sec;
  }
  // EINTR: nobody sends this program signals that it handles.
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

inline timespec now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time;
}

// The number after "\n<name>" in a /proc file, or -1. One buffer is enough: the fields are early.
inline long proc_field_kib(const char* path, const char* name) {
  char text[4096];
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return -1;
  text[length] = '\0';
  const char* field = std::strstr(text, name);
  return field == nullptr ? -1 : std::strtol(field + std::strlen(name), nullptr, 10);
}

// Resident KiB now. smaps_rollup walks the page tables; statm, its substitute, sums per-CPU
// counters that lag by up to some hundred KiB.
inline long rss_kib() {
  const long exact = proc_field_kib("/proc/self/smaps_rollup", "\nRss:");
  if (exact >= 0) return exact;
  char text[128];
  const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  const ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
  if (file >= 0) close(file);
  if (length <= 0) die(1, "neither smaps_rollup nor statm can be read");
  text[length] = '\0';
  const char* resident = std::strchr(text, ' ');
  if (resident == nullptr) die(1, "statm has no second field");
  return std::strtol(resident, nullptr, 10) * (sysconf(_SC_PAGESIZE) / 1024);
}

// Highest resident KiB so far. Not getrusage: its ru_maxrss survives execve, so that a small child
// of a large Python would report the Python.
inline long peak_rss_kib() {
  const long peak = proc_field_kib("/proc/self/status", "\nVmHWM:");
  if (peak < 0) die(1, "VmHWM is missing from /proc/self/status");
  return peak;
}

// Path of the object file that holds `symbol` as this program sees it.
inline const char* path_of_symbol(const char* symbol) {
  Dl_info info;
  void* address = dlsym(RTLD_DEFAULT, symbol);
  if (address == nullptr || dladdr(address, &info) == 0) return "unknown";
  return info.dli_fname;
}

inline const char* base_name(const char* path) {
  const char* slash = std::strrchr(path, '/');
  return slash == nullptr ? path : slash + 1;
}

struct Result {
  const char* name;
  std::uint64_t ops;
  double seconds;
  unsigned threads;
};

// Prints the result line. `extra` is a printf format for further members and starts with a comma,
// or is empty.
[[gnu::format(printf, 3, 4)]] inline void report(const Arguments& arguments, const Result& result,
                                                 const char* extra, ...) {
  const long end_kib = rss_kib();
  long peak_kib = peak_rss_kib();
  // The kernel's high-water mark comes from the counters that lag: see rss_kib().
  if (peak_kib < end_kib) peak_kib = end_kib;
  char joined[256];
  arguments.join(joined, sizeof joined);
  char members[10 * 1024];
  std::va_list list;
  va_start(list, extra);
  const int members_length = std::vsnprintf(members, sizeof members, extra, list);
  va_end(list);
  if (members_length < 0 || members_length >= static_cast<int>(sizeof members)) {
    die(1, "too many members for the result line");
  }

  const char* path = path_of_symbol("malloc");
  char line[12 * 1024];
  const double mops =
      result.seconds > 0 ? static_cast<double>(result.ops) / result.seconds * 1e-6 : 0;
  const int length = std::snprintf(
      line, sizeof line,
      "{\"name\": \"%s\", \"args\": \"%s\", \"ops\": %llu, \"seconds\": %.6f, \"mops\": %.3f, "
      "\"peak_rss_kib\": %ld, \"end_rss_kib\": %ld, \"threads\": %u, \"malloc_from\": \"%s\", "
      "\"malloc_path\": \"%s\"%s}\n",
      result.name, joined, static_cast<unsigned long long>(result.ops), result.seconds, mops,
      peak_kib, end_kib, result.threads, base_name(path), path, members);
  if (length < 0 || length >= static_cast<int>(sizeof line)) die(1, "result line too long");
  if (write(STDOUT_FILENO, line, static_cast<std::size_t>(length)) != length) {
    die(1, "result line could not be written");
  }
}

}  // namespace bench
