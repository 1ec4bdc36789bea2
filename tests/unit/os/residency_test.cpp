#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>

#include "os/pages.h"
#include "os/process.h"
#include "os/residency.h"

#include "unit/support.h"

namespace hakmem {
namespace {

// Small pages, or a byte would bring 2 MiB.
class Residency : public testing::Test {
 protected:
  static constexpr size_t kPages = 4096;

  void SetUp() override {
    os::advise_huge_pages(pages_, size_, false);
    // An emulator shows the file of the machine it runs on, whose pages lie elsewhere.
    if (getenv("TEST_EMULATOR") != nullptr) GTEST_SKIP() << "its pages are another's";
    if (access("/proc/self/pagemap", R_OK) != 0) GTEST_SKIP() << "the system does not say which pages there are";
  }
  ~Residency() override { os::unmap(pages_, size_); }

  os::Residency sampled() const { return os::sample_residency(pages_, size_); }
  void touch(size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) pages_[i * page_] = 1;
  }

  const size_t page_ = os::page_size().count();
  const Bytes size_{kPages * page_};
  char* const pages_ = static_cast<char*>(os::map(size_, os::page_size()));
};

TEST_F(Residency, OfAnUntouchedRangeIsNothing) {
  EXPECT_EQ(sampled().looked, 256U);
  EXPECT_EQ(sampled().present, 0U);
}

TEST_F(Residency, OfAWrittenRangeIsAll) {
  touch(0, kPages);
  EXPECT_EQ(sampled().looked, 256U);
  EXPECT_EQ(sampled().present, 256U);
}

TEST_F(Residency, IsLookedForFromTheFirstPageToTheLast) {
  touch(0, 1);
  touch(kPages - 1, kPages);
  EXPECT_EQ(sampled().present, 2U);
  touch(0, kPages / 2);
  EXPECT_EQ(sampled().present, 129U);
}

TEST_F(Residency, OfAFewPagesIsNotSampled) {
  const os::Residency few = os::sample_residency(pages_, Bytes(63 * page_));
  EXPECT_EQ(few.looked, 0U);
  touch(1, 65);
  const os::Residency one = os::sample_residency(pages_ + page_, Bytes(64 * page_));
  EXPECT_EQ(one.looked, 64U);
  EXPECT_EQ(one.present, 64U);
}

TEST_F(Residency, IsUnknownWithoutADescriptor) {
  EXPECT_EXIT(
      {
        const rlimit none{};
        _exit(setrlimit(RLIMIT_NOFILE, &none) == 0 && sampled().looked == 0 ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace hakmem
