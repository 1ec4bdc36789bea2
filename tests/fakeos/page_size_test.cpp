// Kernels with larger pages: the whole workload, every address and size a multiple (which the fake
// os/ requires), and the same answers to refusals.
#include <gtest/gtest.h>

#include <string>

#include "hakmem/hakmem.h"

#include "fakeos/child.h"
#include "fakeos/fake_pages.h"
#include "fakeos/fake_process.h"
#include "fakeos/workload.h"

namespace hakmem::fakeos {
namespace {

class PageSize : public testing::TestWithParam<size_t> {};
std::string name_of_case(const testing::TestParamInfo<size_t>& info) {
  return std::to_string(info.param) + "KiB";
}
INSTANTIATE_TEST_SUITE_P(EachPage, PageSize, testing::Values(4, 16, 64), name_of_case);

void run_with(size_t page_kib, Shape shape, const Script& script, const std::string& what) {
  in_child(what, [&] {
    set_page_size(kib(page_kib));
    set_options(shape);
    arm(script);
    Workload workload(5);
    workload.run();
    disarm();
    workload.recover();
    workload.wind_up();
  });
}

TEST_P(PageSize, TheWorkloadRuns) {
  for (const Shape shape : kShapes) run_with(GetParam(), shape, Script{}, name_of(shape));
}

TEST_P(PageSize, AndMeetsRefusals) {
  for (const Shape shape : kShapes) {
    // One thread at a time: ThreadSanitizer, ten times as slow, would see the same thrice.
    if (test::kThreadSanitizer && shape != Shape::kDefault) continue;
    for (const Call call : kAllCalls) {
      run_with(GetParam(), shape, every(call, 3),
               std::string("every third ") + name_of(call) + ", " + name_of(shape));
    }
    for (const uint64_t n : {0u, 5u, 9u, 12u, 20u, 60u}) {
      run_with(GetParam(), shape, everything_from(n),
               "everything from call " + std::to_string(n) + ", " + name_of(shape));
    }
  }
}

TEST_P(PageSize, AHugeBlockIsWholePages) {
  in_child("usable size", [] {
    const size_t page = kib(GetParam()).count();
    set_page_size(Bytes(page));
    void* block = hak_malloc(kLargeMax + 1);
    EXPECT_EQ(hak_usable_size(block), kLargeMax + page);
    block = hak_realloc(block, kLargeMax + page + 1);
    EXPECT_EQ(hak_usable_size(block), kLargeMax + 2 * page);
    EXPECT_EQ(test::address_of(block) % page, 0U);
    hak_free(block);
  });
}

}  // namespace
}  // namespace hakmem::fakeos
