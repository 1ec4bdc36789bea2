// front/cache_front.h: the part of a thread's cache that malloc and free touch.
//
// Responsibility  One stack of free block addresses for each size class.
// Contract        Only the owning thread pushes and pops. A stack has a NULL under its lowest entry
//                 and a wall above its highest, so a miss is one compare with what is there. Entries
//                 are written before the top, and popped entries stay: what a child of fork finds
//                 below top is valid. Blocks are never touched. A gated front's pops of up to kTinyMax
//                 miss, so that each is counted (ThreadCache sees to the larger ones); its pushes hit.
// Observable      depth is top - bottom (thread_cache knows the bottoms).
// Composable      config/size_class, registry. Used by heap's fast paths and by ThreadCache.
#pragma once

#include <atomic>

#include "config/size_class.h"
#include "front/message.h"
#include "superslab/registry.h"

namespace hakmem {

// More owners at a time than a thread usually frees for; a conflict only sends a message early.
inline constexpr uint32_t kOpenMessages = 8;

// What a push does not overwrite, as a number: a cast to a pointer is no constant expression.
inline constexpr uintptr_t kWallWord = 1;

inline void* wall() { return reinterpret_cast<void*>(kWallWord); }
inline bool is_wall(const void* entry) { return reinterpret_cast<uintptr_t>(entry) == kWallWord; }
// Neither the NULL below a stack nor a wall.
inline bool is_block(const void* entry) { return reinterpret_cast<uintptr_t>(entry) > kWallWord; }

// Of fronts that are not gated: one compare tells both that nothing is counted here, and that a sample is due.
inline constexpr int64_t kNoAllowance = INT64_MIN / 2;

struct CacheFront {
  // First, so that the class alone addresses an entry. The one behind the classes' is always empty.
  void** tops[kClasses + 1];
  // The primary reservation, which never changes once there is a cache: here, beside what else a free
  // reads, it costs no cache line of its own. Size 0 in the constant caches.
  uintptr_t base = 0;
  size_t size = 0;
  const TagWord* tags = nullptr;
  // make_tag(owner, class 0): a slot's tag XOR this is the class, if the slot is this cache's.
  uint32_t tag;

  // A copy of the constant: with the front at hand, an address less to be formed. In a gated front it names
  // the empty stack for all sizes, which is how a front is known to be gated.
  std::array<uint8_t, kTinyMax / 16 + 1> tiny_classes = kTinyClassTable;

  // Of a gated front: bytes until the next sample.
  int64_t allowance = kNoAllowance;

  // Messages being written, by owner; kNoMessage where there is none.
  Message* open[kOpenMessages];

  constexpr CacheFront(uint32_t my_tag, void** empty_stack, Message* no_message)
      : tops{}, tag(my_tag), open{} {
    for (void**& top : tops) top = empty_stack;
    for (Message*& message : open) message = no_message;
  }

  // The stack to pop from, which in a gated front is no class's.
  ClassIndex tiny_class_of(size_t bytes) const {
    return ClassIndex(tiny_classes[(bytes + 15) / 16]);
  }

  bool is_gated() const { return tiny_classes[0] == kClasses; }

  // True when the next sample lies within these bytes.
  bool takes(size_t bytes) {
    allowance -= static_cast<int64_t>(bytes);
    return allowance < 0;
  }
  bool would_take(size_t bytes) const { return allowance < static_cast<int64_t>(bytes); }

  // Past the gate, for up to kTinyMax bytes: nullptr when the next sample lies within them, there is no block, or no
  // gate.
  void* pop_counted(size_t bytes) {
    const int64_t left = allowance - static_cast<int64_t>(bytes);
    if (left < 0) return nullptr;
    void* block = pop(hakmem::tiny_class_of(bytes));
    if (block != nullptr) allowance = left;
    return block;
  }

  // Tag of the slot, kUnusedTag outside the primary reservation.
  uint32_t tag_in_primary(const void* block) const {
    const size_t offset = reinterpret_cast<uintptr_t>(block) - base;
    // relaxed: constant while the block lives, see Registry::set_tags().
    return offset < size ? tags[offset >> kSlotShift].load(std::memory_order_relaxed) : kUnusedTag;
  }

  // Class of the block's slot, if the slot is this cache's; else kClasses or more.
  uint32_t own_class_of(const void* block) const {
    const size_t offset = reinterpret_cast<uintptr_t>(block) - base;
    if (offset >= size) [[unlikely]] return kClasses;
    // relaxed: constant while the block lives, see Registry::set_tags().
    return tags[offset >> kSlotShift].load(std::memory_order_relaxed) ^ tag;
  }

  // The open message that a block with this tag can be appended to, with room for one more after it;
  // nullptr when there is none. Large blocks do not travel.
  Message* message_for(uint32_t block_tag) const {
    Message* message = open[(block_tag >> kTagClassBits) % kOpenMessages];
    if ((block_tag ^ message->owner_tag) >= kFirstLargeClass) return nullptr;
    return message->count < Message::kCapacity - 1 ? message : nullptr;
  }

  // nullptr when the stack is empty.
  void* pop(ClassIndex size_class) {
    void** top = tops[size_class.count()];
    void* block = top[-1];
    if (!is_block(block)) [[unlikely]]
      return nullptr;
    tops[size_class.count()] = top - 1;
    return block;
  }

  // False when the stack is full.
  bool push(ClassIndex size_class, void* block) {
    void** top = tops[size_class.count()];
    if (is_wall(*top)) [[unlikely]]
      return false;
    *top = block;
    // sync: fork. The child may see this thread stopped between any two stores.
    std::atomic_signal_fence(std::memory_order_release);
    tops[size_class.count()] = top + 1;
    return true;
  }
};

// Read-only caches whose every stack is empty and whose tag matches nothing, so that neither
// "is this thread known?" nor "has it left?" nor "is this a handler?" costs the fast path a branch.
extern const CacheFront kEmptyFront;     // before the first allocation of a thread
extern const CacheFront kDepartedFront;  // after its exit handler ran
extern const CacheFront kSampledFront;   // of a thread whose every allocation is counted (guarded blocks)
extern const CacheFront kBusyFront;      // while it is inside a slow path: only signal handlers see it

// Fits no block; never written.
Message* no_message();

// Where the tops of classes that have no stack yet point.
void** empty_stack();

// The library's one thread-local word.
extern __thread CacheFront* t_front [[gnu::tls_model("initial-exec")]];

inline bool is_constant(const CacheFront* front) {
  return front->tag == make_tag(kConstantOwner, ClassIndex(0));
}
// The others are.
inline bool is_cache(const CacheFront* front) { return !is_constant(front); }

}  // namespace hakmem
