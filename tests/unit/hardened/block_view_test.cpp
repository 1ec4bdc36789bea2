#include "hardened/block_view.h"
#include "hardened/zero.h"

#include <gtest/gtest.h>

#include <cstring>

namespace hakmem::hardened {
namespace {

// Room around the block, to see that nothing of it is touched.
struct alignas(64) Room {
  unsigned char before[64];
  unsigned char block[1024];
  unsigned char behind[64];
};

uintptr_t address_of(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

// The blocks that other tests have got were given out under the process's own secret.
class BlockView : public testing::Test {
 protected:
  ~BlockView() override { g_canary = own_; }

 private:
  const CanarySecret own_ = g_canary;
};

TEST_F(BlockView, EveryByteOfACanaryIsNeverZero) {
  for (uint32_t seed = 0; seed < 100; ++seed) {
    g_canary.mask = seed * 0x123456789abcdefu;
    g_canary.multiplier = seed * 0x9e3779b97f4a7c15u | 1;
    for (uintptr_t word = 0; word < 4096; word += 8) {
      const uint64_t canary = canary_at(word);
      for (int byte = 0; byte < 8; ++byte) ASSERT_NE(canary >> byte * 8 & 0xff, 0u);
    }
  }
}

TEST_F(BlockView, EveryDamagedByteBehindTheSizeIsSeenUnlessItIsInTheGap) {
  g_canary.mask = 0x1234567812345678u;
  g_canary.multiplier = 0x9e3779b97f4a7c15u;
  static Room room;
  const uintptr_t block = address_of(room.block);
  for (size_t bytes = 16; bytes <= 1024; bytes += 16) {
    for (size_t size = 0; size + kCanaryBytes <= bytes; size += size / 8 + 1) {
      write_canaries_of(block, size, bytes);
      ASSERT_TRUE(canaries_are_sound(block, size, bytes));
      for (size_t at = size; at < bytes; ++at) {
        // Between the canary behind the size and the last word a linear overflow cannot begin.
        const bool in_gap = at >= size + kCanaryBytes && at < bytes - kCanaryBytes;
        room.block[at] ^= 0x40;
        ASSERT_EQ(canaries_are_sound(block, size, bytes), in_gap) << bytes << " " << size << " " << at;
        room.block[at] ^= 0x40;
      }
      if (size != 0) {
        room.block[size - 1] ^= 0xff;
        ASSERT_TRUE(canaries_are_sound(block, size, bytes));
      }
    }
  }
}

// Block sizes are multiples of 32 above 256.
size_t next_size(size_t bytes) { return bytes + (bytes < 256 ? 16 : 32); }

// The narrow and the wide way must agree with what a byte says.
struct Way {
  const char* name;
  bool (*reads_as_zero)(uintptr_t block, size_t bytes);
  void (*clear)(uintptr_t block, size_t bytes);
  size_t least;
  size_t most;
};

class Zero : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    if (GetParam().reads_as_zero == os::reads_as_zero_wide && !os::has_avx2()) GTEST_SKIP() << "no AVX2";
  }
};

TEST_P(Zero, ClearsAllButTheLastWordAndNothingElse) {
  static Room room;
  for (size_t bytes = GetParam().least; bytes <= GetParam().most; bytes = next_size(bytes)) {
    memset(&room, 0xee, sizeof room);
    GetParam().clear(address_of(room.block), bytes);
    ASSERT_TRUE(GetParam().reads_as_zero(address_of(room.block), bytes));
    for (const unsigned char byte : room.before) ASSERT_EQ(byte, 0xee);
    for (size_t at = 0; at < bytes - kCanaryBytes; ++at) ASSERT_EQ(room.block[at], 0) << bytes;
    for (size_t at = bytes - kCanaryBytes; at < sizeof room.block; ++at) ASSERT_EQ(room.block[at], 0xee);
  }
}

TEST_P(Zero, SeesEveryByteThatIsNotZero) {
  static Room room;
  memset(&room, 0, sizeof room);
  for (size_t bytes = GetParam().least; bytes <= GetParam().most; bytes = next_size(bytes)) {
    for (size_t at = 0; at < bytes; ++at) {
      room.block[at] = 1;
      ASSERT_EQ(GetParam().reads_as_zero(address_of(room.block), bytes), at >= bytes - kCanaryBytes)
          << bytes << " " << at;
      room.block[at] = 0;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Ways, Zero,
    testing::Values(Way{"small", Small::reads_as_zero, Small::clear, 16, kSmallMax},
                    Way{"pairs", reads_as_zero_by_pairs, clear_by_pairs, 16, 1024},
                    Way{"wide", os::reads_as_zero_wide, os::clear_wide, kSmallMax + 16, 1024},
                    Way{"chosen", AboveSmall::reads_as_zero, AboveSmall::clear, kSmallMax + 16, 1024}),
    [](const testing::TestParamInfo<Way>& way) { return std::string(way.param.name); });

TEST(BlockRecord, KeepsWhatItWasMadeOf) {
  for (const Origin origin : {Origin::kMalloc, Origin::kNew, Origin::kNewArray, Origin::kNewAligned,
                              Origin::kNewArrayAligned, Origin::kAny}) {
    for (size_t size = 0; size <= kLargeMax; size += size / 2 + 1) {
      for (uint32_t shift = 0; shift < 32; ++shift) {
        const BlockRecord record(size, origin, shift);
        ASSERT_TRUE(record.live());
        ASSERT_TRUE(record.live_from(origin));
        ASSERT_FALSE(record.live_from(origin == Origin::kNew ? Origin::kMalloc : Origin::kNew));
        ASSERT_EQ(record.size(), size);
        ASSERT_EQ(record.origin(), origin);
        ASSERT_EQ(record.alignment_shift(), shift);
        const BlockRecord freed = record.with(BlockState::kFreedZeroed);
        ASSERT_FALSE(freed.live());
        ASSERT_FALSE(freed.live_from(origin));
        ASSERT_EQ(freed.size(), size);
      }
    }
  }
}

}  // namespace
}  // namespace hakmem::hardened
