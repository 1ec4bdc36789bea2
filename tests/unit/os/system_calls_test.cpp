#include "os/system_calls.h"

#include <gtest/gtest.h>

#include "os/pages.h"
#include "os/process.h"
#include "os/thread.h"

namespace hakmem::os {
namespace {

TEST(SystemCalls, EachKindHasItsCount) {
  const auto grown = [](SystemCall kind, auto call) {
    uint64_t before[kSystemCallKinds];
    for (uint32_t i = 0; i < kSystemCallKinds; ++i) {
      before[i] = system_calls(static_cast<SystemCall>(i));
    }
    call();
    for (uint32_t i = 0; i < kSystemCallKinds; ++i) {
      const uint64_t expected = before[i] + (i == static_cast<uint32_t>(kind) ? 1 : 0);
      EXPECT_EQ(system_calls(static_cast<SystemCall>(i)), expected) << i;
    }
  };
  const Bytes page = page_size();
  const Bytes pages(2 * page.count());
  void* mapped = nullptr;
  grown(SystemCall::kMap, [&] { mapped = map(page, page); });
  ASSERT_NE(mapped, nullptr);
  grown(SystemCall::kAdvise, [&] { EXPECT_TRUE(purge(mapped, page)); });
  grown(SystemCall::kProtect, [&] { EXPECT_TRUE(make_readable(mapped, page)); });
  grown(SystemCall::kRemap, [&] { mapped = remap(mapped, page, pages); });
  ASSERT_NE(mapped, nullptr);
  grown(SystemCall::kUnmap, [&] { unmap(mapped, pages); });
  grown(SystemCall::kOther, [] { EXPECT_GT(process_id(), 0); });
  std::atomic<uint32_t> word{1};
  grown(SystemCall::kFutexWait, [&] { futex_wait(&word, 2); });  // the word differs: no wait
  grown(SystemCall::kFutexWake, [&] { futex_wake_one(&word); });
}

}  // namespace
}  // namespace hakmem::os
