// The walker must find damage: each test does one, reads the verdict, and undoes it.
#include "observe/invariants.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "superslab/registry.h"
#include "front/cache_list.h"
#include "front/thread_cache.h"

#include "hakmem/hakmem.h"

#include "unit/support.h"

namespace hakmem {
namespace {

using test::address_of;
using test::ForgedKey;

void* get(ThreadCache& cache, ClassIndex c) {
  if (void* block = cache.pop(c); block != nullptr) return block;
  bool zero = false;
  return cache.allocate(c, &zero);
}

void put(ThreadCache& cache, void* block) {
  const uint32_t tag = registry().tag_of(address_of(block));
  if ((tag ^ cache.tag) >= kClasses) return cache.deallocate_remote(tag, block);
  const ClassIndex c(tag ^ cache.tag);
  if (!cache.push(c, block)) cache.deallocate(c, block);
}

std::string verdict(Threads threads = Threads::kStopped) {
  const char* violation = check_heap(threads);
  return violation == nullptr ? "" : violation;
}

std::string at(const char* what, uintptr_t where) {
  char text[200];
  snprintf(text, sizeof(text), "%s at 0x%llx", what, static_cast<unsigned long long>(where));
  return text;
}

// Two caches, and a partly used slab of the first.
class Damage : public testing::Test {
 protected:
  Damage() {
    if (registry().reservations() == 0) registry().open();
    cache_ = cache_list().take_over();
    other_ = cache_list().take_over();
    use(class_of(48));
  }
  ~Damage() override {
    EXPECT_EQ(verdict(), "") << "the damage was undone";
    for (void* block : blocks_) ThreadCache::return_home(block);
    for (ThreadCache* cache : {cache_, other_}) {
      cache->retire();
      cache_list().park(cache);
    }
    EXPECT_EQ(verdict(), "");
  }

  void SetUp() override { ASSERT_EQ(verdict(), ""); }

  // slab_ becomes one of class c with one block live and some on the stack.
  void use(ClassIndex c) {
    class_ = c;
    blocks_.push_back(get(*cache_, c));
    slab_ = registry().slot_of(address_of(blocks_.back()))->head();
    super_ = registry().superslab_of(slab_->base);
  }

  void set_tag(uintptr_t slot, uint32_t tag, uint32_t slots = 1) {
    registry().set_tags(ForgedKey(), slot, SlotCount(slots), tag);
  }
  uint32_t tag() const { return make_tag(cache_->id(), class_); }
  void** top() { return cache_->tops[class_.count()]; }

  ThreadCache* cache_;
  ThreadCache* other_;
  ClassIndex class_;
  Slab* slab_;
  SuperSlab* super_;
  std::vector<void*> blocks_;
};

TEST_F(Damage, ABitmapBit) {
  const uint32_t last = slab_->blocks - 1u;
  slab_->bitmap[last / 64] ^= uint64_t{1} << last % 64;
  EXPECT_EQ(verdict(), at("popcount differs from free count", slab_->base));
  EXPECT_EQ(verdict(Threads::kRunning), at("popcount differs from free count", slab_->base));
  slab_->bitmap[last / 64] ^= uint64_t{1} << last % 64;
}

TEST_F(Damage, AFreeCount) {
  ++slab_->free_count;
  EXPECT_EQ(verdict(), at("popcount differs from free count", slab_->base));
  slab_->free_count -= 2;
  EXPECT_EQ(verdict(), at("popcount differs from free count", slab_->base));
  ++slab_->free_count;
}

TEST_F(Damage, ABitBehindTheLastBlock) {
  ASSERT_NE(slab_->blocks % 64u, 0U);
  slab_->bitmap[slab_->words() - 1] |= uint64_t{1} << 63;
  ++slab_->free_count;
  EXPECT_EQ(verdict(), at("a bit behind the last block", slab_->base));
  slab_->bitmap[slab_->words() - 1] &= ~(uint64_t{1} << 63);
  --slab_->free_count;
}

TEST_F(Damage, AStateThatIsTwoStates) {
  // base, then the masks of UNUSED, ACTIVE and EMPTY.
  uint32_t* masks =
      reinterpret_cast<uint32_t*>(reinterpret_cast<char*>(super_) + sizeof(uintptr_t));
  const uint32_t slot = 1u << ((slab_->base - super_->base()) >> kSlotShift);
  ASSERT_EQ(super_->mask(SlotState::kActive), masks[1]);
  masks[2] |= slot;
  EXPECT_EQ(verdict(), at("slot states do not add up to 32", super_->base()));
  masks[2] &= ~slot;
  masks[1] &= ~slot;
  EXPECT_EQ(verdict(), at("slot states do not add up to 32", super_->base()));
  masks[0] |= slot;
  EXPECT_EQ(verdict(), at("a tag on a slot that is not ACTIVE", slab_->base));
  masks[0] &= ~slot;
  masks[1] |= slot;
}

TEST_F(Damage, ALostTag) {
  set_tag(slab_->base, kUnusedTag);
  EXPECT_EQ(verdict(), at("an ACTIVE slot without a tag", slab_->base));
  set_tag(slab_->base, tag());
}

TEST_F(Damage, AnInteriorTagWithoutASlab) {
  set_tag(slab_->base, kInteriorTag);
  EXPECT_EQ(verdict(), at("an interior slot without a slab before it", slab_->base));
  EXPECT_EQ(verdict(Threads::kRunning),
            at("a slab on a list that is not its owner's", slab_->base));
  set_tag(slab_->base, tag());
}

TEST_F(Damage, ATagOfNobody) {
  set_tag(slab_->base, make_tag(OwnerId(kOwnerMax), class_));
  EXPECT_EQ(verdict(), at("a tag names no cache", slab_->base));
  set_tag(slab_->base, tag());
}

TEST_F(Damage, ATagOfAnotherClass) {
  set_tag(slab_->base, make_tag(cache_->id(), class_of(64)));
  EXPECT_EQ(verdict(), at("a slab's record does not fit its class", slab_->base));
  set_tag(slab_->base, tag());
}

TEST_F(Damage, ATagOfAnotherOwner) {
  set_tag(slab_->base, make_tag(other_->id(), class_));
  EXPECT_EQ(verdict(), at("a slab on a list that is not its owner's", slab_->base));
  set_tag(slab_->base, tag());
}

TEST_F(Damage, TagsAndHeadsOfAMultiSlotSlab) {
  use(class_of(20 << 10));
  ASSERT_GT(slab_->slots, 1);
  const uintptr_t second = slab_->base + kSlotBytes.count();
  set_tag(second, make_tag(other_->id(), class_));
  EXPECT_EQ(verdict(), at("tags of one slab differ", second));
  set_tag(second, tag());
  slab_[1].head_distance = 0;
  EXPECT_EQ(verdict(), at("a slot does not know its head", slab_->base));
  slab_[1].head_distance = 1;
}

TEST_F(Damage, TheTailOfALargeSlab) {
  use(class_of(300 << 10));
  const uintptr_t third = slab_->base + 2 * kSlotBytes.count();
  set_tag(third, kUnusedTag);
  EXPECT_EQ(verdict(), at("tags of one slab differ", third));
  set_tag(third, kInteriorTag);
}

TEST_F(Damage, ARecord) {
  slab_->base += 64;
  EXPECT_EQ(verdict(), at("a slab's record is not its own", slab_->base - 64));
  slab_->base -= 64;
  ++slab_->blocks;
  EXPECT_EQ(verdict(), at("a slab's record does not fit its class", slab_->base));
  --slab_->blocks;
}

TEST_F(Damage, AForgottenListing) {
  ASSERT_TRUE(slab_->listed);
  slab_->listed = false;
  EXPECT_EQ(verdict(), at("listed does not agree with free count", slab_->base));
  slab_->listed = true;
}

TEST_F(Damage, AListLink) {
  Slab* previous = slab_->previous;
  slab_->previous = slab_;
  EXPECT_EQ(verdict(), at("a list's links do not match", slab_->base));
  EXPECT_EQ(verdict(Threads::kRunning), at("a list's links do not match", slab_->base));
  slab_->previous = previous;
}

TEST_F(Damage, AListedSlabWithoutAFreeBlock) {
  use(class_of(8192));
  const uint64_t bits = slab_->bitmap[0];
  const uint32_t count = slab_->free_count;
  ASSERT_NE(count, 0U);
  slab_->bitmap[0] = 0;
  slab_->free_count = 0;
  EXPECT_EQ(verdict(Threads::kRunning), at("a listed slab has no free block", slab_->base));
  slab_->bitmap[0] = bits;
  slab_->free_count = count;
}

TEST_F(Damage, ACachedAddressOfNobody) {
  int local;
  void* entry = top()[-1];
  top()[-1] = &local;
  EXPECT_EQ(verdict(), at("a cached address in no slab", address_of(&local)));
  top()[-1] = entry;
}

TEST_F(Damage, ACachedAddressInsideABlock) {
  top()[-1] = static_cast<char*>(top()[-1]) + 16;
  EXPECT_EQ(verdict(), at("a cached address inside a block", address_of(top()[-1])));
  top()[-1] = static_cast<char*>(top()[-1]) - 16;
}

TEST_F(Damage, AnAddressTwiceOnAStack) {
  void* entry = top()[-1];
  top()[-1] = top()[-2];
  EXPECT_EQ(verdict(), at("a block cached twice", address_of(top()[-2])));
  top()[-1] = entry;
}

TEST_F(Damage, AnAddressOnAStackAndInAMessage) {
  void* twice = top()[-1];
  put(*other_, twice);
  EXPECT_EQ(verdict(), at("a block cached twice", address_of(twice)));
  ASSERT_EQ(cache_->pop(class_), twice);
}

TEST_F(Damage, ABlockBothCachedAndFree) {
  const uintptr_t cached = address_of(top()[-1]);
  const uint32_t index = block_starting_at(*slab_, cached);
  ASSERT_TRUE(put_block(*slab_, index));
  EXPECT_EQ(verdict(), at("a block both cached and free", cached));
  slab_->bitmap[index / 64] &= ~(uint64_t{1} << index % 64);
  --slab_->free_count;
}

TEST_F(Damage, AnotherCachesBlockOnAStack) {
  void* theirs = get(*other_, class_);
  blocks_.push_back(theirs);
  void* entry = top()[-1];
  top()[-1] = theirs;
  EXPECT_EQ(verdict(), at("a cached address of another cache", address_of(theirs)));
  top()[-1] = entry;
}

TEST_F(Damage, WithThreadsRunningStacksAreNotLookedAt) {
  void* entry = top()[-1];
  top()[-1] = top()[-2];
  EXPECT_EQ(verdict(Threads::kRunning), "");
  EXPECT_EQ(hak_check(), nullptr);
  EXPECT_STREQ(hak_check_stopped(), at("a block cached twice", address_of(top()[-2])).c_str());
  top()[-1] = entry;
}

TEST_F(Damage, TheWalkCountsWhatIsThere) {
  HeapWalk before;
  ASSERT_EQ(check_heap(Threads::kStopped, &before), nullptr);
  std::vector<void*> more;
  for (uint32_t i = 0; i < 1000; ++i) more.push_back(get(*cache_, class_));
  HeapWalk full;
  ASSERT_EQ(check_heap(Threads::kStopped, &full), nullptr);
  EXPECT_EQ(full.live_blocks(), before.live_blocks() + 1000);
  for (void* block : more) put(address_of(block) % 96 == 0 ? *cache_ : *other_, block);
  HeapWalk after;
  ASSERT_EQ(check_heap(Threads::kStopped, &after), nullptr);
  EXPECT_EQ(after.live_blocks(), before.live_blocks());
  EXPECT_GT(after.cached_blocks, 0U);
}

}  // namespace
}  // namespace hakmem
