#include "front/cache_front.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <thread>
#include <vector>

namespace hakmem {
namespace {

constexpr uint32_t kMyTag = make_tag(OwnerId(5), ClassIndex(0));

// A front whose class 3 has a stack of `capacity`, as ThreadCache lays it out.
struct OneStack {
  static constexpr ClassIndex kClass{3};

  explicit OneStack(uint32_t capacity)
      : array(capacity + 2, nullptr), front(kMyTag, empty_stack(), no_message()) {
    front.tops[3] = array.data() + 1;
    array.back() = wall();
  }

  std::vector<void*> array;
  CacheFront front;
};

TEST(CacheFront, IsAStackBetweenItsEnds) {
  EXPECT_TRUE(rc::check("pushes and pops", [](std::vector<bool> pushes) {
    const auto capacity = *rc::gen::inRange<uint32_t>(0, 12);
    OneStack stack(capacity);
    std::vector<void*> model;
    uintptr_t number = 16;
    for (const bool push : pushes) {
      if (push) {
        void* block = reinterpret_cast<void*>(number += 16);
        const bool fits = model.size() < capacity;
        RC_ASSERT(stack.front.push(OneStack::kClass, block) == fits);
        if (fits) model.push_back(block);
      } else {
        void* expected = model.empty() ? nullptr : model.back();
        RC_ASSERT((stack.front.pop(OneStack::kClass) == expected));
        if (!model.empty()) model.pop_back();
      }
      RC_ASSERT((stack.array.front() == nullptr));
      RC_ASSERT(is_wall(stack.array.back()));
    }
  }));
}

TEST(CacheFront, PoppedEntriesStayForTheChildOfAFork) {
  OneStack stack(4);
  int block;
  ASSERT_TRUE(stack.front.push(OneStack::kClass, &block));
  ASSERT_EQ(stack.front.pop(OneStack::kClass), &block);
  EXPECT_EQ(stack.array[1], &block);
}

TEST(CacheFront, ANullEntryIsAMissAndChangesNothing) {
  OneStack stack(4);
  int block;
  stack.front.push(OneStack::kClass, &block);
  stack.array[1] = nullptr;  // a fence
  void** top = stack.front.tops[3];
  EXPECT_EQ(stack.front.pop(OneStack::kClass), nullptr);
  EXPECT_EQ(stack.front.tops[3], top);
}

TEST(CacheFront, AGatedOnePushesAndPopsOnlyWhatIsCounted) {
  OneStack stack(4);
  CacheFront& front = stack.front;
  const size_t bytes = block_bytes(OneStack::kClass).count();
  int blocks[2];
  EXPECT_FALSE(front.is_gated());
  front.tiny_classes.fill(kClasses);
  EXPECT_TRUE(front.is_gated());
  for (int& block : blocks) ASSERT_TRUE(front.push(OneStack::kClass, &block));
  for (size_t size = 0; size <= kTinyMax; ++size) EXPECT_EQ(front.pop(front.tiny_class_of(size)), nullptr);
  EXPECT_FALSE(front.push(front.tiny_class_of(bytes), &blocks[0]));
  front.allowance = static_cast<int64_t>(2 * bytes);
  EXPECT_EQ(front.pop_counted(bytes), &blocks[1]);
  EXPECT_EQ(front.allowance, static_cast<int64_t>(bytes));
  // The sample lies in the next byte: this request is not for the stack, and not counted yet.
  EXPECT_EQ(front.pop_counted(bytes), &blocks[0]);
  EXPECT_EQ(front.pop_counted(1), nullptr);
  EXPECT_EQ(front.allowance, 0);
  EXPECT_FALSE(front.would_take(0));
  EXPECT_TRUE(front.would_take(1));
  EXPECT_TRUE(front.takes(1));
  // Nor one that the stack has nothing for.
  front.allowance = 1000;
  EXPECT_EQ(front.pop_counted(bytes), nullptr);
  EXPECT_EQ(front.allowance, 1000);
}

TEST(CacheFront, ConstantFrontsMissAndRefuseInEveryClass) {
  for (const CacheFront* constant : {&kEmptyFront, &kDepartedFront, &kBusyFront}) {
    EXPECT_TRUE(is_constant(constant));
    EXPECT_FALSE(constant->is_gated());
    CacheFront* front = const_cast<CacheFront*>(constant);
    for (uint32_t c = 0; c < kClasses; ++c) {
      EXPECT_EQ(front->pop(ClassIndex(c)), nullptr);
      EXPECT_FALSE(front->push(ClassIndex(c), front));
      EXPECT_EQ(front->pop(ClassIndex(c)), nullptr);
    }
    for (const uint32_t tag :
         {kUnusedTag, kInteriorTag, kMyTag, make_tag(OwnerId(kOwnerMax), ClassIndex(0))}) {
      EXPECT_GE(tag ^ front->tag, kClasses);
      EXPECT_EQ(front->message_for(tag), nullptr);
    }
  }
  EXPECT_NE(&kEmptyFront, &kDepartedFront);
  EXPECT_TRUE(is_wall(*empty_stack()));
  EXPECT_EQ(empty_stack()[-1], nullptr);
}

TEST(CacheFront, AnOpenMessageTakesBlocksOfItsOwnerWhileItHasRoom) {
  CacheFront front(kMyTag, empty_stack(), no_message());
  const OwnerId owner(13);
  Message message{nullptr, make_tag(owner, ClassIndex(0)), 0, {}};
  EXPECT_EQ(front.message_for(make_tag(owner, ClassIndex(4))), nullptr);
  front.open[owner.count() % kOpenMessages] = &message;
  for (uint32_t c = 0; c < kClasses; ++c) {
    // Large blocks change hands instead.
    EXPECT_EQ(front.message_for(make_tag(owner, ClassIndex(c))),
              is_large(ClassIndex(c)) ? nullptr : &message);
  }
  EXPECT_EQ(front.message_for(make_tag(OwnerId(13 + kOpenMessages), ClassIndex(4))), nullptr);
  EXPECT_EQ(front.message_for(kUnusedTag), nullptr);
  EXPECT_EQ(front.message_for(kInteriorTag), nullptr);
  // The last place is left to the slow path, which sends the message.
  message.count = Message::kCapacity - 2;
  EXPECT_EQ(front.message_for(make_tag(owner, ClassIndex(4))), &message);
  message.count = Message::kCapacity - 1;
  EXPECT_EQ(front.message_for(make_tag(owner, ClassIndex(4))), nullptr);
}

TEST(CacheFront, AThreadStartsWithTheEmptyFront) {
  const CacheFront* seen = nullptr;
  std::thread([&seen] { seen = t_front; }).join();
  EXPECT_EQ(seen, &kEmptyFront);
  static_assert(sizeof(t_front) == 8);
}

}  // namespace
}  // namespace hakmem
