// front/message.h: addresses of freed blocks on their way to the cache that owns them.
//
// Responsibility  The message node, and the inbox messages wait in.
// Contract        Addresses travel, memory is not touched. A block in a message has bit 0, so its
//                 slab cannot become EMPTY and its owner cannot end. An inbox is push by anyone,
//                 take-all by one: there is no ABA and nothing is lost.
// Observable      Inbox::has_mail(), the depth push() returns.
// Composable      meta_arena. Used by ThreadCache.
#pragma once

#include <atomic>
#include <cstdint>

#include "config/geometry.h"

namespace hakmem {

struct Message {
  static constexpr uint32_t kCapacity = 126;

  Message* next;
  uint32_t owner;
  uint32_t count;
  void* blocks[kCapacity];

  bool full() const { return count == kCapacity; }

  void append(void* block) {
    blocks[count] = block;
    // sync: fork. A child may find this message half written: the entry comes before the count.
    std::atomic_signal_fence(std::memory_order_release);
    ++count;
  }
};
static_assert(sizeof(Message) == 1024, "a power of two wastes nothing in the meta arena");

class Inbox {
 public:
  // Returns about how many messages wait now.
  uint32_t push(Message* message) {
    // sync: inbox. release publishes the message (and the sender's last use of its blocks);
    // acquire in take_all() receives it. Nothing is popped singly, so a recycled head is harmless.
    Message* head = head_.load(std::memory_order_relaxed);
    do {
      message->next = head;
    } while (!head_.compare_exchange_weak(head, message, std::memory_order_release,
                                          std::memory_order_relaxed));
    return waiting_.fetch_add(1, std::memory_order_relaxed) + 1;
  }

  Message* take_all() {
    waiting_.store(0, std::memory_order_relaxed);
    return head_.exchange(nullptr, std::memory_order_acquire);
  }

  // relaxed: a hint; whoever acts on it takes with acquire.
  bool has_mail() const { return head_.load(std::memory_order_relaxed) != nullptr; }

  // For walkers, with threads stopped.
  const Message* peek() const { return head_.load(std::memory_order_acquire); }

 private:
  std::atomic<Message*> head_{nullptr};
  // Roughly how many messages wait: relaxed, a wrong count only makes somebody drain early or late.
  std::atomic<uint32_t> waiting_{0};
};

// nullptr when the system refuses.
Message* new_message(OwnerId owner);
void recycle_message(Message* message);

}  // namespace hakmem
