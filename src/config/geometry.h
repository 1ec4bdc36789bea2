// config/geometry.h: the sizes everything is cut into.
//
// Responsibility  Slot, SuperSlab, tag layout, reserved owners.
// Contract        Constants only; relations between them are asserted here.
// Observable      Nothing.
// Composable      base/units. Used by every box above.
#pragma once

#include "base/bits.h"
#include "base/units.h"

namespace hakmem {

// A slot is what the pool hands out: large enough that a tag map of 4 bytes a slot stays in L1 for
// a 100 MB heap, small enough that a thread which touches one block of a class wastes little.
inline constexpr size_t kSlotShift = 16;
inline constexpr Bytes kSlotBytes{size_t{1} << kSlotShift};

// A SuperSlab is one page-table leaf, so purging or moving a whole one is cheap for the kernel.
inline constexpr size_t kSuperSlabShift = 21;
inline constexpr Bytes kSuperSlabBytes{size_t{1} << kSuperSlabShift};
inline constexpr uint32_t kSlotsPerSuperSlab = 1u << (kSuperSlabShift - kSlotShift);
static_assert(kSlotsPerSuperSlab == 32, "three 32-bit masks describe a SuperSlab");

// Every block is aligned to this.
inline constexpr size_t kMinAlignment = 16;

// A tag is owner << 8 | class. 0 is the tag of an unused slot.
inline constexpr uint32_t kTagClassBits = 8;
inline constexpr uint32_t kOwnerMax = 0xfffff0;  // above: reserved owners

inline constexpr OwnerId kNoOwner{0};
// Slots of a one-block slab behind its first; never anybody's.
inline constexpr OwnerId kInteriorOwner{0xfffffd};
// What the constant caches compare with: matches no tag.
inline constexpr OwnerId kConstantOwner{0xffffff};

constexpr uint32_t make_tag(OwnerId owner, ClassIndex size_class) {
  return owner.count() << kTagClassBits | size_class.count();
}
constexpr OwnerId tag_owner(uint32_t tag) { return OwnerId(tag >> kTagClassBits); }
constexpr ClassIndex tag_class(uint32_t tag) {
  return ClassIndex(tag & ((1u << kTagClassBits) - 1));
}

inline constexpr uint32_t kUnusedTag = 0;
inline constexpr uint32_t kInteriorTag = make_tag(kInteriorOwner, ClassIndex(0));

}  // namespace hakmem
