#include "observe/invariants.h"

#include <optional>

#include "base/text.h"
#include "os/pages.h"
#include "os/process.h"
#include "front/thread_cache.h"
#include "heap/inside.h"
#include "heap/lifecycle.h"
#include "observe/standstill.h"

namespace hakmem {

namespace {

constexpr uint32_t kBlocksPerSlotMax = kSlotBytes.count() / kMinAlignment;

// The text outlives the walk: whoever asked prints it.
constinit char g_violation[LineWriter::kCapacity + 1] = {};

class Walker {
 public:
  explicit Walker(Threads threads) : stopped_(threads == Threads::kStopped) {}
  ~Walker() {
    if (seen_ != nullptr) os::unmap(seen_, seen_bytes_);
  }
  Walker(const Walker&) = delete;
  Walker& operator=(const Walker&) = delete;

  // Room to remember each cached block; without it "once overall" is not checked.
  void prepare() {
    if (!stopped_) return;
    const size_t slots = registry().committed().count() >> kSlotShift;
    seen_bytes_ = Bytes(round_up(slots * kBlocksPerSlotMax / 8 + 1, os::page_size().count()));
    seen_ = static_cast<uint64_t*>(os::map(seen_bytes_, os::page_size()));
  }

  void walk() {
    // Slots change hands without any cache's lock, so their tags are judged only when nobody runs.
    if (stopped_) {
      registry().for_each_superslab([this](const SuperSlab& super) { check_superslab(super); });
    }
    cache_list().for_each([this](const ThreadCache& cache) { check_cache(cache); });
    check_sums();
  }

  bool failed() const { return failed_; }
  const HeapWalk& result() const { return result_; }

 private:
  void fail(const char* what, uintptr_t where) {
    if (failed_) return;
    failed_ = true;
    LineWriter line;
    line.append(what).append(" at ").append_hex(where);
    for (size_t i = 0; i < line.size(); ++i) g_violation[i] = line.data()[i];
    g_violation[line.size()] = '\0';
  }

  void require(bool condition, const char* what, uintptr_t where) {
    if (!condition) fail(what, where);
  }

  void check_superslab(const SuperSlab& super) {
    const uint32_t unused = super.mask(SlotState::kUnused);
    const uint32_t active = super.mask(SlotState::kActive);
    const uint32_t empty = super.mask(SlotState::kEmpty);
    if (stopped_) {
      require((unused | active | empty) == ~0u && (unused & active) == 0 && (unused & empty) == 0 &&
                  (active & empty) == 0,
              "slot states do not add up to 32", super.base());
    }
    require((super.huge_slots & ~active) == 0, "a huge block's slot is not ACTIVE", super.base());
    uint32_t slot = 0;
    while (slot < kSlotsPerSuperSlab) {
      const uintptr_t base = super.base() + (size_t{slot} << kSlotShift);
      const uint32_t tag = registry().tag_of_acquire(base);
      const bool is_active = (active >> slot & 1) != 0;
      if (tag == kUnusedTag) {
        require(!is_active, "an ACTIVE slot without a tag", base);
        ++slot;
        continue;
      }
      require(is_active, "a tag on a slot that is not ACTIVE", base);
      if ((super.huge_slots >> slot & 1) != 0) {
        require(tag == kInteriorTag, "a huge block's slot has an owner", base);
        ++slot;
        continue;
      }
      const uint32_t slots = tag_owner(tag).count() > kOwnerMax ? 0 : check_slab(super, slot, tag);
      require(slots != 0, "an interior slot without a slab before it", base);
      slot += slots == 0 ? 1 : slots;
    }
  }

  // Returns the slots the slab covers; 0 when it is not one.
  uint32_t check_slab(const SuperSlab& super, uint32_t slot, uint32_t tag) {
    const uintptr_t base = super.base() + (size_t{slot} << kSlotShift);
    const Slab& slab = super.slabs[slot];
    const ClassIndex c = tag_class(tag);
    const SizeClass& info = class_info(c);
    if (cache_list().find(tag_owner(tag)) == nullptr) fail("a tag names no cache", base);
    for (uint32_t i = 1; i < info.slots; ++i) {
      const uint32_t expected = is_large(c) ? kInteriorTag : tag;
      const uintptr_t at = base + (size_t{i} << kSlotShift);
      require(registry().tag_of_acquire(at) == expected, "tags of one slab differ", at);
    }
    ++result_.slabs;
    result_.blocks += info.blocks;
    require(slab.base == base && slab.head_distance == 0, "a slab's record is not its own", base);
    require(slab.class_index() == c && slab.slots == info.slots && slab.blocks == info.blocks,
            "a slab's record does not fit its class", base);
    if (failed_) return info.slots;
    for (uint32_t i = 1; i < info.slots; ++i) {
      require((&slab + i)->head_distance == i, "a slot does not know its head", base);
    }
    require(count_free_bits(slab) == slab.free_count, "popcount differs from free count", base);
    if (const uint32_t rest = slab.blocks % 64u; rest != 0) {
      require(slab.bitmap[slab.words() - 1] >> rest == 0, "a bit behind the last block", base);
    }
    require(purged_pages_are_free(slab), "a purged page under a block in use", base);
    if (slab.blocks > 1) {
      require(slab.listed == (slab.free_count != 0), "listed does not agree with free count", base);
    }
    result_.free_blocks += slab.free_count;
    return info.slots;
  }

  void check_cache(const ThreadCache& cache) {
    for (uint32_t i = 0; i < kClasses; ++i) {
      const Slab* before = nullptr;
      const Slab* slab = cache.slabs_with_free_blocks(ClassIndex(i)).first();
      for (; slab != nullptr && !failed_; slab = slab->next) {
        require(slab->listed && slab->free_count != 0, "a listed slab has no free block",
                slab->base);
        require(slab->previous == before, "a list's links do not match", slab->base);
        require(registry().tag_of_acquire(slab->base) == make_tag(cache.id(), ClassIndex(i)),
                "a slab on a list that is not its owner's", slab->base);
        require(count_free_bits(*slab) == slab->free_count, "popcount differs from free count",
                slab->base);
        before = slab;
      }
    }
    // What a vanished thread left behind in the child of fork may be half written until it is settled.
    if (!stopped_ || cache.is_orphan()) return;
    cache.visit_cached(this, [](void* self, const void* block, OwnerId home,
                                ThreadCache::CachedWhere where) {
      static_cast<Walker*>(self)->check_cached(block, home, where);
    });
  }

  // What is counted as it happens, beside what there is.
  void check_sums() {
    if (failed_) return;
    cache_list().for_each([this](const ThreadCache& cache) {
      for (uint32_t i = 0; i < kClasses; ++i) {
        const SlabList& listed = cache.slabs_with_free_blocks(ClassIndex(i));
        uint64_t slabs = 0;
        for (const Slab* slab = listed.first(); slab != nullptr; slab = slab->next) ++slabs;
        require(slabs == listed.count(), "a list counts other slabs than it has", cache.id().count());
      }
    });
    if (!stopped_) return;
    PoolOverview counted;
    pool().overview(&counted);
    uint64_t slabs = 0;
    for (const uint32_t of_class : counted.slabs) slabs += of_class;
    require(slabs == result_.slabs, "the pool counts other slabs than there are", 0);
  }

  void check_cached(const void* block, OwnerId home, ThreadCache::CachedWhere where) {
    if (failed_) return;
    ++result_.cached_blocks;
    const uintptr_t address = reinterpret_cast<uintptr_t>(block);
    const uint32_t tag = registry().tag_of_acquire(address);
    if (tag == kUnusedTag || tag_owner(tag).count() > kOwnerMax) {
      return fail("a cached address in no slab", address);
    }
    // An adopted slab's blocks may still be on their way to its former owner.
    require(tag_owner(tag) == home || where == ThreadCache::CachedWhere::kMessage,
            "a cached address of another cache", address);
    const Slab* slab = registry().slot_of(address)->head();
    const uint32_t index = block_starting_at(*slab, address);
    if (index == kNoBlock) return fail("a cached address inside a block", address);
    require(!block_is_free(*slab, index), "a block both cached and free", address);
    if (seen_ == nullptr) return;
    const size_t bit = bit_of(*slab, index);
    require((seen_[bit / 64] >> (bit % 64) & 1) == 0, "a block cached twice", address);
    seen_[bit / 64] |= uint64_t{1} << (bit % 64);
  }

  // Number of the block's bit: slots in order of reservation and address, kBlocksPerSlotMax each.
  size_t bit_of(const Slab& slab, uint32_t index) const {
    size_t slots_before = 0;
    for (uint32_t i = 0;; ++i) {
      const Reservation& home = registry().reservation(i);
      if (home.holds(slab.base)) {
        slots_before += home.offset_of(slab.base) >> kSlotShift;
        return slots_before * kBlocksPerSlotMax + index;
      }
      slots_before += home.committed.load(std::memory_order_relaxed) >> kSlotShift;
    }
  }

  const bool stopped_;
  bool failed_ = false;
  HeapWalk result_;
  uint64_t* seen_ = nullptr;
  Bytes seen_bytes_;
};

}  // namespace

const char* check_heap(Threads threads, HeapWalk* walk) {
  if (lifecycle::busy()) return nullptr;
  const Inside inside;
  Walker walker(threads);
  walker.prepare();
  std::optional<Rest> rest;
  if (threads == Threads::kStopped) rest.emplace();
  {
    const Standstill standstill;
    walker.walk();
  }
  if (walk != nullptr) *walk = walker.result();
  return walker.failed() ? g_violation : nullptr;
}

}  // namespace hakmem
