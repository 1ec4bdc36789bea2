#include <gtest/gtest.h>
#include <sys/mman.h>
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

  os::PageSample sampled() const { return os::sample_residency(pages_, size_); }
  os::PageSample contents() const { return os::sample_contents(pages_, size_); }
  void touch(size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) pages_[i * page_] = 1;
  }

  const size_t page_ = os::page_size().count();
  const Bytes size_{kPages * page_};
  char* const pages_ = static_cast<char*>(os::map(size_, os::page_size()));
};

TEST_F(Residency, OfAnUntouchedRangeIsNothing) {
  EXPECT_EQ(sampled().looked, 256U);
  EXPECT_EQ(sampled().found, 0U);
}

TEST_F(Residency, OfAWrittenRangeIsAll) {
  touch(0, kPages);
  EXPECT_EQ(sampled().looked, 256U);
  EXPECT_EQ(sampled().found, 256U);
}

TEST_F(Residency, IsLookedForFromTheFirstPageToTheLast) {
  touch(0, 1);
  touch(kPages - 1, kPages);
  EXPECT_EQ(sampled().found, 2U);
  touch(0, kPages / 2);
  EXPECT_EQ(sampled().found, 129U);
}

TEST_F(Residency, OfAFewPagesIsNotSampled) {
  const os::PageSample few = os::sample_residency(pages_, Bytes(63 * page_));
  EXPECT_EQ(few.looked, 0U);
  touch(1, 65);
  const os::PageSample one = os::sample_residency(pages_ + page_, Bytes(64 * page_));
  EXPECT_EQ(one.looked, 64U);
  EXPECT_EQ(one.found, 64U);
}

TEST_F(Residency, ContentsAreReadAllOverTheRange) {
  EXPECT_EQ(contents().looked, 16U);
  EXPECT_EQ(contents().found, 0U);
  touch(0, kPages / 2);
  EXPECT_GE(contents().found, 7U);
  EXPECT_LE(contents().found, 9U);
  os::purge(pages_, size_);
  // Whatever has something in each 2 MiB of it is not full.
  for (size_t i = 0; i < kPages; i += 512) touch(i, i + 1);
  EXPECT_LE(contents().found, 1U);
  touch(0, kPages);
  EXPECT_EQ(contents().found, 16U);
  EXPECT_EQ(os::sample_contents(pages_, Bytes(15 * page_)).looked, 0U);
}

// A program may free what it has no access to.
TEST_F(Residency, ContentsAreReadWithoutAnAccess) {
  touch(0, kPages);
  ASSERT_EQ(mprotect(pages_, page_, PROT_NONE), 0);
  EXPECT_TRUE(contents().looked == 0 || contents().found == 16U) << "the kernel may be told to forbid it";
  ASSERT_EQ(munmap(pages_, page_), 0);
  EXPECT_EQ(contents().looked, 0U);
}

// A fork waits for who looks, and who looks does not wait.
TEST_F(Residency, ContentsAreUnknownWhileAnotherLooks) {
  touch(0, kPages);
  os::look_lock().lock();
  EXPECT_EQ(contents().looked, 0U);
  EXPECT_EQ(sampled().found, 256U);
  os::look_lock().unlock();
  EXPECT_EQ(contents().found, 16U);
}

TEST_F(Residency, IsUnknownWithoutADescriptor) {
  EXPECT_EXIT(
      {
        const rlimit none{};
        _exit(setrlimit(RLIMIT_NOFILE, &none) == 0 && sampled().looked == 0 && contents().looked == 0 ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace hakmem
