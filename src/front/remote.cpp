// ThreadCache: messages out, messages in.
#include "os/latency.h"
#include "superslab/misuse.h"
#include "front/cache_list.h"
#include "front/thread_cache.h"

namespace hakmem {

namespace {

// A fuller inbox belongs to a thread that sleeps or frees elsewhere; its senders do its work. What
// counts is the memory in flight: the blocks', and the messages' own.
constexpr uint32_t kInboxMessagesMax = 256;
constexpr uint32_t kInboxKibibytesMax = 4096;

// A thread that frees for many sends as many messages as it receives, with few blocks in each.
constexpr uint32_t kSpareMessagesMax = 64;

// Blocks that found their stack full are put into bitmaps this many at a time: one lock each.
constexpr uint32_t kOverflowBatch = 64;

}  // namespace

void ThreadCache::deallocate_remote(uint32_t block_tag, void* block) {
  count_slow_path();
  // Who frees for many is sent as much: the nodes of that mail serve again.
  if (spare_messages_ == nullptr && inbox_.has_mail()) receive();
  forward(block_tag, block);
  watch_counted();
}

void ThreadCache::forward(uint32_t block_tag, void* block) {
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
    stats_.large_taken.add(1);
    put_on_stack(c, block);
    return;
  }
  Message*& message = open[owner.count() % kOpenMessages];
  if (message->owner() != owner) {
    close(message);
    message = take_message(owner);
    if (message == nullptr) {
      message = no_message();
      return_home(block);
      return;
    }
  }
  message->append(block);
  if (message->full()) close(message);
}

// Forgotten before it is sent: in the child of fork an open message is nobody else's.
void ThreadCache::close(Message*& message) {
  Message* closed = message;
  if (closed == no_message()) return;
  message = no_message();
  std::atomic_signal_fence(std::memory_order_release);
  if (closed->count == 0) {
    keep_message(closed);
  } else {
    send(closed);
  }
}

// In the child of fork the list is sound, whatever its owner was about to do; the count may be one off.
Message* ThreadCache::take_message(OwnerId owner) {
  Message* message = spare_messages_;
  if (message == nullptr) return new_message(owner);
  spare_messages_ = message->next;
  std::atomic_signal_fence(std::memory_order_release);
  if (spare_message_count_ != 0) --spare_message_count_;
  message->open_for(owner);
  return message;
}

void ThreadCache::keep_message(Message* message) {
  if (spare_message_count_ >= kSpareMessagesMax) return recycle_message(message);
  message->next = spare_messages_;
  std::atomic_signal_fence(std::memory_order_release);
  spare_messages_ = message;
  ++spare_message_count_;
}

void ThreadCache::drop_spare_messages() {
  while (Message* message = spare_messages_) {
    spare_messages_ = message->next;
    std::atomic_signal_fence(std::memory_order_release);
    recycle_message(message);
  }
  spare_message_count_ = 0;
}

void ThreadCache::send(Message* message) {
  ThreadCache* owner = cache_list().find(message->owner());
  stats_.messages_sent.add(1);
  stats_.blocks_sent.add(message->count);
  // Blocks of one message tend to be of one size.
  const uint32_t first_tag = registry().tag_of(reinterpret_cast<uintptr_t>(message->blocks[0]));
  const Bytes bytes{message->count * block_bytes(tag_class(first_tag)).count()};
  const Inbox::Load load = owner->inbox_.push(message, bytes);
  stats_.inbox_atomics.add(load.atomics);
  const bool crowded =
      load.messages > kInboxMessagesMax || load.kibibytes > kInboxKibibytesMax || owner->parked();
  if (!crowded) return;
  return_strays(owner->drain_inbox(false));
  if (!owner->parked() || !owner->inbox_.has_mail()) return;
  stats_.parked_atomics.add(1);
  cache_list().note_mail();
}

void ThreadCache::send_all() {
  for (Message*& message : open) close(message);
}

// The owner takes its mail: onto the stacks, and what finds no room there into the bitmaps.
void ThreadCache::receive() {
  const os::Stopwatch stopwatch(os::Cause::mail);
  void* overflow[kOverflowBatch];
  uint32_t overflowed = 0;
  Message* message = inbox_.take_all();
  stats_.inbox_atomics.add(1);
  while (message != nullptr) {
    for (uint32_t i = 0; i < message->count; ++i) {
      void* block = message->blocks[i];
      const uintptr_t address = reinterpret_cast<uintptr_t>(block);
      const uint32_t block_tag = registry().tag_of_acquire(address);
      const uint32_t c = block_tag ^ tag;
      if (c >= kClasses) [[unlikely]] {
        forward(block_tag, block);  // its slab was adopted while it travelled
        continue;
      }
      const Slab* slab = registry().slot_of(address)->head();
      if (block_starting_at(*slab, address) == kNoBlock) [[unlikely]] {
        report_misuse(Misuse::kInteriorFree, block);
      }
      if (push(ClassIndex(c), block)) continue;
      if (make_room_for_mail(ClassIndex(c)) && push(ClassIndex(c), block)) continue;
      overflow[overflowed++] = block;
      if (overflowed == kOverflowBatch) {
        put_blocks(overflow, overflowed);
        overflowed = 0;
      }
    }
    Message* next = message->next;
    keep_message(message);
    stats_.messages_received.add(1);
    message = next;
  }
  if (overflowed != 0) put_blocks(overflow, overflowed);
}

// Mail comes in bursts: the stack it goes to may grow at once, not only after a flush.
bool ThreadCache::make_room_for_mail(ClassIndex c) {
  if (state_of(c).bottom == nullptr) materialise(c);
  mend(c);
  if (depth(c) >= state_of(c).capacity) grow(c);
  lift_tripwire(c);
  return depth(c) < state_of(c).capacity;
}

Message* ThreadCache::drain_stale_inbox() {
  const void* newest = inbox_.newest();
  // A message that was taken, and came again as the newest, is taken too early: no harm.
  const bool stale = newest != nullptr && newest == newest_seen_;
  newest_seen_ = newest;
  return stale ? drain_inbox(false) : nullptr;
}

Message* ThreadCache::drain_inbox(bool wait) {
  if (!inbox_.has_mail()) return nullptr;
  if (wait) {
    lock_.lock();
  } else if (!lock_.try_lock()) {
    return nullptr;
  }
  Slab* released = nullptr;
  Message* waiting = inbox_.take_all();
  stats_.drains.add(1);
  for (Message* message = waiting; message != nullptr; message = message->next) {
    keep_strays(message, &released);
  }
  lock_.unlock();
  release_chain(released);
  Message* strays = nullptr;
  while (waiting != nullptr) {
    Message* next = waiting->next;
    if (waiting->count == 0) {
      recycle_message(waiting);
    } else {
      waiting->next = strays;
      strays = waiting;
    }
    waiting = next;
  }
  return strays;
}

void ThreadCache::return_strays(Message* strays) {
  while (strays != nullptr) {
    for (uint32_t i = 0; i < strays->count; ++i) return_home(strays->blocks[i]);
    Message* next = strays->next;
    recycle_message(strays);
    strays = next;
  }
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
    put_blocks_locked(&block, 1, released);
  }
  message->count = strays;
}

}  // namespace hakmem
