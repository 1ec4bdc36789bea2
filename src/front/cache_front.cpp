#include "front/cache_front.h"

namespace hakmem {

namespace {

// [0] is the NULL that a pop finds; never written, because limit == top.
constinit void* const kEmptyStack[2] = {nullptr, nullptr};

constinit const Message kNoMessage = {nullptr, make_tag(kConstantOwner, ClassIndex(0)), 0, {}};

constexpr CacheFront constant_front() {
  return CacheFront(make_tag(kConstantOwner, ClassIndex(0)), const_cast<void**>(&kEmptyStack[1]),
                    const_cast<Message*>(&kNoMessage));
}

}  // namespace

constinit const CacheFront kEmptyFront = constant_front();
constinit const CacheFront kDepartedFront = constant_front();
constinit const CacheFront kBusyFront = constant_front();

Message* no_message() { return const_cast<Message*>(&kNoMessage); }

void** empty_stack() { return const_cast<void**>(&kEmptyStack[1]); }

__thread CacheFront* t_front = const_cast<CacheFront*>(&kEmptyFront);

}  // namespace hakmem
