#include "schedule/races.h"

#include "schedule/scheduler.h"

namespace schedule::races {

namespace {

using Clock = uint32_t[kThreadsMax];

// Who touched the bytes of one 8-byte word last; mask: which of its bytes.
struct Touch {
  uint32_t clock;
  uint8_t mask;
};
struct Word {
  uintptr_t key;
  Touch writes[kThreadsMax];
  Touch reads[kThreadsMax];
};
struct Atomic {
  uintptr_t key;
  Clock clock;
};

// Zero pages until they are used: each seed has a process of its own.
template <class Entry, uint32_t kBits>
class Table {
 public:
  Entry& at(uintptr_t key) {
    // Neighbours stay neighbours: each page of the table that is touched costs a fault in each process.
    const uint64_t group = (key >> 9) * 0x9e3779b97f4a7c15u >> (64 - kBits);
    uint64_t place = (group + (key >> 3)) & ((1u << kBits) - 1);
    for (uint32_t turn = 0; turn < 1u << kBits; ++turn) {
      Entry& entry = entries_[place];
      if (entry.key == key) return entry;
      if (entry.key == 0) {
        entry.key = key;
        return entry;
      }
      place = (place + 1) & ((1u << kBits) - 1);
    }
    fail("the table of words is full");
  }

 private:
  Entry entries_[1u << kBits];
};

Table<Word, 17> g_words;
Table<Atomic, 14> g_atomics;
Table<Atomic, 14> g_tokens;
Clock g_clocks[kThreadsMax];
bool g_active = false;

void merge(Clock& into, const Clock& from) {
  for (uint32_t i = 0; i < kThreadsMax; ++i) into[i] = from[i] > into[i] ? from[i] : into[i];
}
void copy(Clock& into, const Clock& from) {
  for (uint32_t i = 0; i < kThreadsMax; ++i) into[i] = from[i];
}

bool acquires(int order) {
  return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME || order == __ATOMIC_ACQ_REL ||
         order == __ATOMIC_SEQ_CST;
}
bool releases(int order) {
  return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

void require_after(const Touch (&touches)[kThreadsMax], uint8_t mask, uint32_t me, const char* what,
                   uintptr_t address) {
  for (uint32_t i = 0; i < kThreadsMax; ++i) {
    if (i == me || (touches[i].mask & mask) == 0) continue;
    if (touches[i].clock > g_clocks[me][i]) fail(what, address);
  }
}

void note(Touch& touch, uint8_t mask, uint32_t clock) {
  touch.mask = static_cast<uint8_t>(touch.clock == clock ? touch.mask | mask : mask);
  touch.clock = clock;
}

template <class Visit>
void each_word(uintptr_t address, size_t bytes, Visit visit) {
  const uintptr_t end = address + bytes;
  while (address < end) {
    const uintptr_t word = address & ~uintptr_t{7};
    const uintptr_t stop = end < word + 8 ? end : word + 8;
    const uint32_t length = static_cast<uint32_t>(stop - address);
    visit(word, static_cast<uint8_t>(((1u << length) - 1) << (address - word)));
    address = stop;
  }
}

}  // namespace

void begin_thread(uint32_t number) {
  g_active = true;
  ++g_clocks[0][0];
  copy(g_clocks[number], g_clocks[0]);
  g_clocks[number][number] = 1;
}
void end_thread(uint32_t number) { ++g_clocks[number][number]; }
void join(uint32_t number) { merge(g_clocks[0], g_clocks[number]); }

void plain_read(uintptr_t address, size_t bytes) {
  if (!g_active) return;
  const uint32_t me = self();
  each_word(address, bytes, [me](uintptr_t at, uint8_t mask) {
    Word& word = g_words.at(at);
    require_after(word.writes, mask, me, "a read races with a write", at);
    note(word.reads[me], mask, g_clocks[me][me]);
  });
}

void plain_write(uintptr_t address, size_t bytes) {
  if (!g_active) return;
  const uint32_t me = self();
  each_word(address, bytes, [me](uintptr_t at, uint8_t mask) {
    Word& word = g_words.at(at);
    require_after(word.writes, mask, me, "a write races with a write", at);
    require_after(word.reads, mask, me, "a write races with a read", at);
    note(word.writes[me], mask, g_clocks[me][me]);
  });
}

void atomic_touch(uintptr_t address, size_t bytes) {
  if (!g_active) return;
  const uint32_t me = self();
  each_word(address, bytes, [me](uintptr_t at, uint8_t mask) {
    require_after(g_words.at(at).writes, mask, me, "an atomic races with what made it", at);
  });
}

void atomic_load(uintptr_t address, int order) {
  if (g_active && acquires(order)) merge(g_clocks[self()], g_atomics.at(address).clock);
}

// A store that does not release ends what was released there before.
void atomic_store(uintptr_t address, int order) {
  if (!g_active) return;
  const uint32_t me = self();
  Atomic& atomic = g_atomics.at(address);
  if (!releases(order)) {
    copy(atomic.clock, Clock{});
    return;
  }
  copy(atomic.clock, g_clocks[me]);
  ++g_clocks[me][me];
}

void atomic_update(uintptr_t address, int order) {
  if (!g_active) return;
  const uint32_t me = self();
  Atomic& atomic = g_atomics.at(address);
  if (acquires(order)) merge(g_clocks[me], atomic.clock);
  if (!releases(order)) return;
  merge(atomic.clock, g_clocks[me]);
  ++g_clocks[me][me];
}

void hand_over(uintptr_t token) {
  const uint32_t me = self();
  copy(g_tokens.at(token).clock, g_clocks[me]);
  ++g_clocks[me][me];
}
void receive(uintptr_t token) { merge(g_clocks[self()], g_tokens.at(token).clock); }

}  // namespace schedule::races
