#include "front/message.h"

#include "superslab/meta_arena.h"

namespace hakmem {

Message* new_message(OwnerId owner) {
  Message* message = static_cast<Message*>(meta_arena().allocate(Bytes(sizeof(Message))));
  if (message == nullptr) return nullptr;
  message->open_for(owner);
  return message;
}

void recycle_message(Message* message) { meta_arena().release(message, Bytes(sizeof(Message))); }

}  // namespace hakmem
