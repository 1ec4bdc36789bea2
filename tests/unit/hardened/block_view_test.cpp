#include "hardened/block_view.h"

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

TEST(BlockView, EveryByteOfACanaryIsNeverZero) {
  for (uint32_t seed = 0; seed < 100; ++seed) {
    g_canary_secret = seed * 0x123456789abcdefu;
    for (uintptr_t word = 0; word < 4096; word += 8) {
      const uint64_t canary = canary_at(word);
      for (int byte = 0; byte < 8; ++byte) ASSERT_NE(canary >> byte * 8 & 0xff, 0u);
    }
  }
}

TEST(BlockView, EveryDamagedByteBehindTheSizeIsSeenUnlessItIsInTheGap) {
  g_canary_secret = 0x1234567812345678u;
  static Room room;
  const uintptr_t block = address_of(room.block);
  for (size_t bytes = 16; bytes <= 1024; bytes += 16) {
    for (size_t size = 0; size + kCanaryBytes <= bytes; size += size / 8 + 1) {
      write_canaries(block, size, bytes);
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

TEST(BlockView, ClearsAllButTheLastWordAndNothingElse) {
  static Room room;
  for (size_t bytes = 16; bytes <= 1024; bytes += 16) {
    memset(&room, 0xee, sizeof room);
    clear(address_of(room.block), bytes);
    ASSERT_TRUE(reads_as_zero(address_of(room.block), bytes));
    for (const unsigned char byte : room.before) ASSERT_EQ(byte, 0xee);
    for (size_t at = bytes - kCanaryBytes; at < sizeof room.block; ++at) ASSERT_EQ(room.block[at], 0xee);
  }
}

TEST(BlockView, SeesEveryByteThatIsNotZero) {
  static Room room;
  memset(&room, 0, sizeof room);
  for (size_t bytes = 16; bytes <= 1024; bytes += 16) {
    for (size_t at = 0; at < bytes; ++at) {
      room.block[at] = 1;
      ASSERT_EQ(reads_as_zero(address_of(room.block), bytes), at >= bytes - kCanaryBytes) << at;
      room.block[at] = 0;
    }
  }
}

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
