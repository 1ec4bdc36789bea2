// front/message.h: addresses of freed blocks on their way to the cache that owns them.
//
// Responsibility  The message node, and the inbox messages wait in.
// Contract        Addresses travel, memory is not touched. A block in a message has bit 0, so its
//                 slab cannot become EMPTY and its owner cannot end. An inbox is push by anyone,
//                 take-all by one: there is no ABA and nothing is lost.
// Observable      Inbox::has_mail(), the load push() returns.
// Composable      meta_arena. Used by ThreadCache.
#pragma once

#include <atomic>
#include <cstdint>

#include "config/geometry.h"

namespace hakmem {

struct Message {
  static constexpr uint32_t kCapacity = 126;

  Message* next;
  uint32_t owner_tag;  // make_tag(owner, class 0): a block's tag XOR this is its class, if it fits
  uint32_t count;
  void* blocks[kCapacity];

  bool full() const { return count == kCapacity; }

  OwnerId owner() const { return tag_owner(owner_tag); }

  void open_for(OwnerId owner) {
    next = nullptr;
    count = 0;
    owner_tag = make_tag(owner, ClassIndex(0));
  }

  void append(void* block) {
    const uint32_t place = count;
    blocks[place] = block;
    // sync: fork. A child may find this message half written: the entry comes before the count.
    std::atomic_signal_fence(std::memory_order_release);
    count = place + 1;
  }
};
static_assert(sizeof(Message) == 1024, "a power of two wastes nothing in the meta arena");

class Inbox {
 public:
  // Messages and bytes of blocks that wait, roughly: a wrong count only makes somebody drain early or
  // late.
  struct Load {
    uint32_t messages;
    uint32_t kibibytes;
    uint32_t atomics;  // that the push took
  };

  // `bytes` of blocks are in the message. Returns the load with it.
  Load push(Message* message, Bytes bytes) {
    // sync: inbox. Publishes the message (and the sender's last use of its blocks); acquire in
    // take_all() receives it. Nothing is popped singly, so a recycled head is harmless. seq_cst
    // because the sender then asks whether the owner is parked: see ThreadCache::parked().
    Message* head = head_.load(std::memory_order_relaxed);
    uint32_t atomics = 1;  // the addition below
    do {
      message->next = head;
      ++atomics;
    } while (!head_.compare_exchange_weak(head, message, std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
    const uint64_t added = uint64_t{1} << 32 | (bytes.count() + 1023) >> 10;
    const uint64_t load = load_.fetch_add(added, std::memory_order_relaxed) + added;
    return Load{static_cast<uint32_t>(load >> 32), static_cast<uint32_t>(load), atomics};
  }

  Message* take_all() {
    load_.store(0, std::memory_order_relaxed);
    return head_.exchange(nullptr, std::memory_order_acquire);
  }

  // A hint; whoever acts on it takes with acquire. seq_cst for the parker: see ThreadCache::parked().
  bool has_mail() const { return head_.load(std::memory_order_seq_cst) != nullptr; }

  // Which message came last, to compare and not to read. relaxed: a hint.
  const void* newest() const { return head_.load(std::memory_order_relaxed); }

  // For walkers, with threads stopped.
  const Message* peek() const { return head_.load(std::memory_order_acquire); }

 private:
  std::atomic<Message*> head_{nullptr};
  std::atomic<uint64_t> load_{0};  // messages << 32 | KiB; relaxed, a hint
};

// nullptr when the system refuses.
Message* new_message(OwnerId owner);
void recycle_message(Message* message);

}  // namespace hakmem
