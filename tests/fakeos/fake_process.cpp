#include "fakeos/fake_process.h"

#include <atomic>
#include <cstdlib>

#include "base/check.h"
#include "base/text.h"
#include "os/process.h"
#include "os/raw_syscall.h"

namespace hakmem {

namespace {

// Constant-initialised: the heap's constructor asks before any of ours has run.
constinit std::atomic<uint64_t> g_now_us{7'000'000'000};
constinit std::atomic<size_t> g_page_size{4096};

}  // namespace

namespace fakeos {

void advance_clock(Milliseconds passed) { advance_clock_us(passed.count() * 1000); }
// relaxed: under the scheduler the clock must order nothing.
void advance_clock_us(uint64_t microseconds) { g_now_us.fetch_add(microseconds, std::memory_order_relaxed); }
void set_page_size(Bytes size) { g_page_size.store(size.count()); }

}  // namespace fakeos

namespace os {

// Whatever options the test was started with: the cases set their own.
const char* const* environment() {
  static const char* const none[] = {nullptr};
  return none;
}

bool is_secure_process() { return false; }
Bytes page_size() { return Bytes(g_page_size.load()); }
Bytes address_space_limit() { return Bytes(SIZE_MAX); }
Bytes data_limit() { return Bytes(SIZE_MAX); }
bool may_lock_memory() { return false; }
uint32_t cpu_count() { return 2; }
Milliseconds now_coarse() { return Milliseconds(now_microseconds() / 1000); }
uint64_t now_microseconds() { return g_now_us.load(std::memory_order_relaxed); }
// Chosen by nobody, and the same each time.
uint64_t random_bits() { return 4; }

bool write_all(int descriptor, const char* text, size_t length) {
  return raw_syscall(SYS_write, descriptor, reinterpret_cast<long>(text),
                     static_cast<long>(length)) == static_cast<long>(length);
}
void write_stderr(const char* text, size_t length) { write_all(2, text, length); }

int process_id() { return static_cast<int>(raw_syscall(SYS_getpid)); }
void abort_process() { std::abort(); }
void exit_process(int status) { std::_Exit(status); }

}  // namespace os

void check_failed(const char* what, const char* file, int line) {
  LineWriter text;
  text.append("hakmem: internal check failed: ").append(what).append(" at ").append(file);
  text.append(":").append_decimal(static_cast<uint64_t>(line)).end_line();
  os::write_stderr(text.data(), text.size());
  os::abort_process();
}

}  // namespace hakmem
