// ThreadCache: messages out, messages in.
#include "superslab/misuse.h"
#include "front/cache_list.h"
#include "front/thread_cache.h"

namespace hakmem {

namespace {

// A deeper inbox belongs to a thread that sleeps or frees elsewhere; its senders do its work.
constexpr uint32_t kInboxDepthMax = 16;

// Blocks that found their stack full are put into bitmaps this many at a time: one lock each.
constexpr uint32_t kOverflowBatch = 64;

}  // namespace

void ThreadCache::deallocate_remote(uint32_t block_tag, void* block) {
  const OwnerId owner = tag_owner(block_tag);
  if (owner == kNoOwner) report_misuse(Misuse::kReleasedFree, block);
  if (owner.count() > kOwnerMax) report_misuse(Misuse::kInteriorFree, block);
  const ClassIndex c = tag_class(block_tag);
  if (is_large(c)) {
    // The block is all there is of its slab: it changes hands instead of travelling.
    Slab* slab = registry().slot_of(reinterpret_cast<uintptr_t>(block));
    if (slab->base != reinterpret_cast<uintptr_t>(block)) {
      report_misuse(Misuse::kInteriorFree, block);
    }
    pool().change_owner(slab, id_);
    if (!push(c, block)) deallocate(c, block);
    return;
  }
  Message*& open = open_[owner.count() % kOpenMessages];
  if (open == nullptr || open->owner != owner.count()) [[unlikely]] {
    count_slow_path();
    if (open != nullptr) send(open);
    open = new_message(owner);
    if (open == nullptr) {
      return_home(block);
      return;
    }
  }
  open->append(block);
  if (open->full()) {
    send(open);
    open = nullptr;
  }
}

void ThreadCache::send(Message* message) {
  ThreadCache* owner = cache_list().find(OwnerId(message->owner));
  stats_.messages_sent.add(1);
  if (owner->inbox_.push(message) > kInboxDepthMax) owner->drain_inbox(false);
}

void ThreadCache::send_all() {
  for (Message*& message : open_) {
    if (message == nullptr) continue;
    if (message->count == 0) {
      recycle_message(message);
    } else {
      send(message);
    }
    message = nullptr;
  }
}

// The owner takes its mail: onto the stacks, and what finds no room there into the bitmaps.
void ThreadCache::receive() {
  void* overflow[kOverflowBatch];
  uint32_t overflowed = 0;
  Message* message = inbox_.take_all();
  while (message != nullptr) {
    for (uint32_t i = 0; i < message->count; ++i) {
      void* block = message->blocks[i];
      const uintptr_t address = reinterpret_cast<uintptr_t>(block);
      const uint32_t block_tag = registry().tag_of_acquire(address);
      const uint32_t c = block_tag ^ tag;
      if (c >= kClasses) [[unlikely]] {
        deallocate_remote(block_tag, block);  // its slab was adopted while it travelled
        continue;
      }
      const Slab* slab = registry().slot_of(address)->head();
      if (block_starting_at(*slab, address) == kNoBlock) [[unlikely]] {
        report_misuse(Misuse::kInteriorFree, block);
      }
      if (push(ClassIndex(c), block)) continue;
      classes_[c].flushed = true;  // a larger stack would have kept it
      overflow[overflowed++] = block;
      if (overflowed == kOverflowBatch) {
        put_blocks(overflow, overflowed);
        overflowed = 0;
      }
    }
    Message* next = message->next;
    recycle_message(message);
    stats_.messages_received.add(1);
    message = next;
  }
  if (overflowed != 0) put_blocks(overflow, overflowed);
}

bool ThreadCache::drain_inbox(bool wait) {
  if (!inbox_.has_mail()) return false;
  if (wait) {
    lock_.lock();
  } else if (!lock_.try_lock()) {
    return false;
  }
  Slab* released = nullptr;
  Message* first = inbox_.take_all();
  for (Message* message = first; message != nullptr; message = message->next) {
    keep_strays(message, &released);
  }
  lock_.unlock();
  release_chain(released);
  while (first != nullptr) {
    for (uint32_t i = 0; i < first->count; ++i) return_home(first->blocks[i]);
    Message* next = first->next;
    recycle_message(first);
    first = next;
  }
  return true;
}

// Under lock(). Puts what is this cache's into the bitmaps; what was adopted by another cache stays
// in the message.
void ThreadCache::keep_strays(Message* message, Slab** released) {
  uint32_t strays = 0;
  for (uint32_t i = 0; i < message->count; ++i) {
    void* block = message->blocks[i];
    const uint32_t block_tag = registry().tag_of_acquire(reinterpret_cast<uintptr_t>(block));
    if ((block_tag ^ tag) >= kClasses) {
      message->blocks[strays++] = block;
      continue;
    }
    if (Slab* done = put_one(block); done != nullptr) {
      done->next = *released;
      *released = done;
    }
  }
  message->count = strays;
}

}  // namespace hakmem
