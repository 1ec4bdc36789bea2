#include "front/message.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "superslab/meta_arena.h"

namespace hakmem {
namespace {

TEST(Message, HoldsItsCapacityInOrder) {
  Message* message = new_message(OwnerId(9));
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(message->owner(), OwnerId(9));
  EXPECT_EQ(message->count, 0U);
  EXPECT_EQ(message->next, nullptr);
  for (uint32_t i = 0; i < Message::kCapacity; ++i) {
    EXPECT_FALSE(message->full());
    message->append(reinterpret_cast<void*>(uintptr_t{i} * 16));
  }
  EXPECT_TRUE(message->full());
  for (uint32_t i = 0; i < Message::kCapacity; ++i) {
    EXPECT_EQ(message->blocks[i], reinterpret_cast<void*>(uintptr_t{i} * 16));
  }
  recycle_message(message);
}

TEST(Message, ARecycledNodeIsFreshAgain) {
  const Bytes before = meta_arena().stats().in_use;
  Message* message = new_message(OwnerId(9));
  message->append(&message);
  message->next = message;
  recycle_message(message);
  Message* again = new_message(OwnerId(10));
  EXPECT_EQ(again, message);
  EXPECT_EQ(again->count, 0U);
  EXPECT_EQ(again->owner(), OwnerId(10));
  EXPECT_EQ(again->next, nullptr);
  recycle_message(again);
  EXPECT_EQ(meta_arena().stats().in_use, before);
}

TEST(Inbox, TakesAllOfWhatWasPushed) {
  EXPECT_TRUE(rc::check("pushes and takes", [](std::vector<bool> pushes) {
    std::vector<Message> nodes(pushes.size());
    Inbox inbox;
    std::vector<Message*> model;
    uint32_t kibibytes = 0;
    for (size_t i = 0; i < pushes.size(); ++i) {
      if (pushes[i]) {
        model.push_back(&nodes[i]);
        const uint32_t more = static_cast<uint32_t>(i % 5);
        kibibytes += more;
        const Inbox::Load load = inbox.push(&nodes[i], kib(more));
        RC_ASSERT(load.messages == model.size());
        RC_ASSERT(load.kibibytes == kibibytes);
      } else {
        std::vector<Message*> taken;
        for (Message* m = inbox.take_all(); m != nullptr; m = m->next) taken.push_back(m);
        std::reverse(taken.begin(), taken.end());
        RC_ASSERT((taken == model));
        model.clear();
        kibibytes = 0;
      }
      RC_ASSERT(inbox.has_mail() == !model.empty());
      RC_ASSERT((inbox.peek() == (model.empty() ? nullptr : model.back())));
    }
  }));
}

TEST(Inbox, ManySendersOneReceiverLoseNothing) {
  constexpr uint32_t kSenders = 3;
  constexpr uint32_t kEach = 2000;
  std::vector<Message> nodes(kSenders * kEach);
  Inbox inbox;
  std::atomic<uint32_t> sending{kSenders};
  std::vector<std::thread> senders;
  for (uint32_t s = 0; s < kSenders; ++s) {
    senders.emplace_back([&, s] {
      for (uint32_t i = 0; i < kEach; ++i) {
        nodes[s * kEach + i].count = s * kEach + i;  // published by the push
        inbox.push(&nodes[s * kEach + i], Bytes(1));
      }
      --sending;
    });
  }
  std::set<uint32_t> received;
  for (bool more = true; more;) {
    more = sending != 0;
    for (Message* m = inbox.take_all(); m != nullptr; m = m->next) {
      EXPECT_TRUE(received.insert(m->count).second);
    }
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(received.size(), nodes.size());
}

}  // namespace
}  // namespace hakmem
