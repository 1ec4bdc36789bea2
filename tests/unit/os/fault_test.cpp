#include "os/fault.h"

#include <gtest/gtest.h>
#include <setjmp.h>
#include <signal.h>

#include "os/pages.h"
#include "os/process.h"

namespace hakmem::os {
namespace {

struct Seen {
  uintptr_t address = 0;
  Fault::Access access = Fault::Access::kUnknown;
  size_t frames = 0;
  uintptr_t code = 0;
  int before = 0;
};
Seen g_seen;
sigjmp_buf g_back;

void look(const Fault& fault) {
  g_seen.address = fault.address;
  g_seen.access = fault.access;
  uintptr_t frames[16];
  g_seen.frames = backtrace_of(fault, frames, 16);
  g_seen.code = frames[0];
}

void handle_before(int) {
  ++g_seen.before;
  siglongjmp(g_back, 1);
}

[[gnu::noinline]] void touch(char* at, bool write) {
  volatile char* const byte = at;
  if (write) {
    *byte = 1;
  } else {
    (void)*byte;
  }
}

TEST(Fault, IsShownFirstAndThenGoesToTheHandlerBefore) {
  struct sigaction before = {};
  struct sigaction restored = {};
  before.sa_handler = handle_before;
  ASSERT_EQ(sigaction(SIGSEGV, &before, &restored), 0);
  ASSERT_TRUE(watch_faults(look));
  const Bytes page = page_size();
  char* range = static_cast<char*>(reserve(page, page));
  ASSERT_NE(range, nullptr);
  for (const bool write : {false, true}) {
    g_seen = Seen{};
    if (sigsetjmp(g_back, 1) == 0) touch(range + 24, write);
    EXPECT_EQ(g_seen.address, reinterpret_cast<uintptr_t>(range + 24));
    EXPECT_EQ(g_seen.before, 1);
#if defined(__x86_64__)
    EXPECT_EQ(g_seen.access, write ? Fault::Access::kWrite : Fault::Access::kRead);
#endif
    const uintptr_t code = reinterpret_cast<uintptr_t>(&touch);
    EXPECT_GE(g_seen.code, code);
    EXPECT_LT(g_seen.code, code + 200);
    EXPECT_GT(g_seen.frames, 3u);
  }
  ASSERT_EQ(sigaction(SIGSEGV, &restored, nullptr), 0);
  unmap(range, page);
}

// Not a death test: sanitizers end the process in their own way.
bool reading_faults(char* at) {
  struct sigaction action = {};
  struct sigaction restored = {};
  action.sa_handler = handle_before;
  EXPECT_EQ(sigaction(SIGSEGV, &action, &restored), 0);
  g_seen = Seen{};
  if (sigsetjmp(g_back, 1) == 0) touch(at, false);
  EXPECT_EQ(sigaction(SIGSEGV, &restored, nullptr), 0);
  return g_seen.before == 1;
}

// Committed pages go back, and come again as zero.
TEST(Pages, WithdrawnPagesCannotBeReadUntilTheyAreCommittedAgain) {
  const Bytes page = page_size();
  char* range = static_cast<char*>(reserve(page, page));
  ASSERT_NE(range, nullptr);
  ASSERT_TRUE(commit(range, page));
  range[5] = 7;
  EXPECT_FALSE(reading_faults(range + 5));
  ASSERT_TRUE(withdraw(range, page));
  EXPECT_TRUE(reading_faults(range + 5));
  ASSERT_TRUE(commit(range, page));
  EXPECT_EQ(range[5], 0);
  unmap(range, page);
}

}  // namespace
}  // namespace hakmem::os
