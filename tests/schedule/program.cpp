#include "schedule/program.h"

#include "schedule/races.h"
#include "schedule/scheduler.h"

namespace schedule::program {

namespace {

constexpr uint32_t kHeldMax = 4096;

struct Held {
  uintptr_t begin;
  size_t bytes;
  uint32_t kind;
  uint64_t pattern;
};

Held g_held[kHeldMax];
uint32_t g_count = 0;
uint64_t g_pattern = 0;

// The first word of each page, and the last of the block: what a purge of a page in use would zero.
template <class Visit>
void each_page(const Held& block, Visit visit) {
  for (uintptr_t at = block.begin; at < block.begin + block.bytes; at = (at | 4095) + 1) {
    visit(reinterpret_cast<uint64_t*>(at));
  }
  visit(reinterpret_cast<uint64_t*>(block.begin + block.bytes - 8));
}

}  // namespace

void hold(void* block, size_t bytes, uint32_t kind) {
  const Held held{reinterpret_cast<uintptr_t>(block), bytes, kind, ++g_pattern * 0x9e3779b97f4a7c15u};
  if (held.begin == 0) fail("refused");
  if (g_count == kHeldMax) fail("the table of held blocks is full");
  for (uint32_t i = 0; i < g_count; ++i) {
    if (held.begin < g_held[i].begin + g_held[i].bytes && g_held[i].begin < held.begin + bytes) {
      fail("a block was handed out twice", held.begin);
    }
  }
  each_page(held, [&held](uint64_t* word) {
    races::plain_write(reinterpret_cast<uintptr_t>(word), 8);
    *word = held.pattern;
  });
  g_held[g_count++] = held;
  races::hand_over(held.begin);
}

void* let_go(uint32_t choice, uint32_t kind) {
  for (uint32_t turn = 0; turn < g_count; ++turn) {
    Held& chosen = g_held[(choice + turn) % g_count];
    if (kind != kAnyKind && chosen.kind != kind) continue;
    const Held held = chosen;
    chosen = g_held[--g_count];
    races::receive(held.begin);
    each_page(held, [&held](uint64_t* word) {
      if (*word != held.pattern) fail("a block in use was changed", held.begin);
      races::plain_write(reinterpret_cast<uintptr_t>(word), 8);
    });
    return reinterpret_cast<void*>(held.begin);
  }
  return nullptr;
}

uint32_t held() { return g_count; }

}  // namespace schedule::program
