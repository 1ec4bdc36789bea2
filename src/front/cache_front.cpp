#include "front/cache_front.h"

namespace hakmem {

namespace {

union StackWord {
  uintptr_t number;
  void* entry;
};

// The NULL that a pop finds and the wall that a push finds; so it is never written.
constinit const StackWord kEmptyStack[2] = {{.number = 0}, {.number = kWallWord}};

constinit const Message kNoMessage = {nullptr, make_tag(kConstantOwner, ClassIndex(0)), 0, {}};

constexpr CacheFront constant_front() {
  return CacheFront(make_tag(kConstantOwner, ClassIndex(0)),
                    const_cast<void**>(&kEmptyStack[1].entry),
                    const_cast<Message*>(&kNoMessage));
}

}  // namespace

constinit const CacheFront kEmptyFront = constant_front();
constinit const CacheFront kDepartedFront = constant_front();
constinit const CacheFront kSampledFront = constant_front();
constinit const CacheFront kBusyFront = constant_front();

Message* no_message() { return const_cast<Message*>(&kNoMessage); }

void** empty_stack() { return const_cast<void**>(&kEmptyStack[1].entry); }

__thread CacheFront* t_front = const_cast<CacheFront*>(&kEmptyFront);

}  // namespace hakmem
