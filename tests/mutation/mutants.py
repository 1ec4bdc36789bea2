"""The mutants: state edges, bitmap steps, steps and memory orders of the protocols, broken in turn.

A row is what to replace in which file of src/, and the tests of which one must fail. A row without tests names a
mutant no test of the code can kill, and what checks that line instead; run.py counts those and prints why.
"""
from dataclasses import dataclass

POOL, FRONT, SLAB, SCHEDULE = "test_pool", "test_front", "test_superslab", "test_schedule"


@dataclass(frozen=True)
class Mutant:
    name: str
    file: str
    old: str
    new: str
    tests: tuple
    reason: str = ""    # of a mutant without tests
    quick: bool = False  # in the form that CI runs


def edge(name, file, old, new, *tests, **more):
    return Mutant(f"edge: {name}", file, old, new, tests, **more)


def bit(name, file, old, new, *tests, **more):
    return Mutant(f"bit: {name}", file, old, new, tests, **more)


def step(name, file, old, new, *tests, **more):
    return Mutant(f"step: {name}", file, old, new, tests, **more)


def order(name, file, old, new, *tests, **more):
    return Mutant(f"order: {name}", file, old, new, tests, **more)


PURGE, SHARED = "pool/purge.cpp", "pool/shared_pool.cpp"
SLAB_H, SLAB_CPP, PAGES = "superslab/slab.h", "superslab/slab.cpp", "superslab/slab_pages.cpp"
OWN, LIST, REMOTE = "front/slab_ownership.cpp", "front/cache_list.cpp", "front/remote.cpp"
MESSAGE, LOCK, LOCK_CPP = "front/message.h", "os/lock.h", "os/lock.cpp"

EDGES = [
    edge("a release goes to UNUSED", SHARED, "super->move(PoolKey(), mask, SlotState::kActive, SlotState::kEmpty);",
         "super->move(PoolKey(), mask, SlotState::kActive, SlotState::kUnused);", POOL, quick=True),
    edge("a purge does not claim", PURGE, "super->move(PoolKey(), claimed, SlotState::kEmpty, SlotState::kActive);", "",
         POOL),
    edge("what was purged is EMPTY", PURGE, "purged, SlotState::kActive, SlotState::kUnused",
         "purged, SlotState::kActive, SlotState::kEmpty", POOL),
    edge("a released slab keeps its tags", SHARED,
         "registry().set_tags(PoolKey(), slab->base, slab->slot_count(), kUnusedTag);", "static_cast<void>(slab);",
         POOL, FRONT),
    edge("an index that does not follow", SHARED, "super->tenant = kNoOwner;\n  reindex(super);",
         "super->tenant = kNoOwner;", POOL),
    edge("a resized slab keeps its tail", SHARED, "give_back(super, tail.mask());", "", POOL),
]

PROGRAMS = "no unit test dies of it; under the library do misuse/"
BITS = [
    bit("a free block is put again", SLAB_H, "if ((word & bit) != 0) return false;", "", SLAB),
    bit("put sets no bit", SLAB_H, "word |= bit;", "", SLAB),
    bit("take clears no bit", SLAB_CPP, "slab.bitmap[word] = bits;", "", SLAB),
    bit("take does not count", SLAB_CPP, "slab.free_count -= taken;", "", SLAB, quick=True),
    bit("take does not turn round", SLAB_CPP, "if (++word == words) word = 0;", "++word;", SLAB),
    bit("take forgets that pages are back", SLAB_CPP, "if (slab.has_purged_pages) [[unlikely]]", "if (false)", SLAB, FRONT),
    bit("a claim leaves the bits", PAGES, "slab.bitmap[word] &= ~mask;", "", SLAB),
    bit("a claim does not count", PAGES, "slab.free_count -= static_cast<uint32_t>(std::popcount(mask));", "", SLAB),
    bit("a claim is not given back", PAGES, "slab.bitmap[word] |= mask;", "", SLAB, quick=True),
    bit("what is given back does not count", PAGES, "slab.free_count += static_cast<uint32_t>(std::popcount(mask));", "",
        SLAB),
    bit("one free block makes a hole", PAGES, "(slab.bitmap[word] & mask) == mask;\n  });",
        "(slab.bitmap[word] & mask) != 0;\n  });", SLAB),
    bit("a hole ends a block early", PAGES, "block_index(info, last) + 1", "block_index(info, last)", SLAB),
    bit("purged pages are not noted", PAGES, "(&slab)[bit.slot].purged_pages |= bit.mask;", "static_cast<void>(bit);",
        SLAB),
    bit("a flush checks no boundary", OWN, "if (index == kNoBlock) report_misuse(Misuse::kInteriorFree, *blocks);", "",
        reason=PROGRAMS + "interior_free_tiny.c and interior_free_mid.c"),
    bit("a flush checks no bit", OWN, "if (!putter.put(index)) report_misuse(Misuse::kDoubleFree, *blocks);",
        "putter.put(index);", reason=PROGRAMS + "double_free_by_flush.c"),
]

STEPS = [
    step("a block comes home to its old owner", OWN, "if (tag_owner(block_tag) != id_) return false;", "", SCHEDULE),
    step("a drain keeps what was adopted", REMOTE, "if ((block_tag ^ tag) >= kClasses) {", "if (false) {", SCHEDULE),
    step("an owner keeps what was adopted", REMOTE, "if (c >= kClasses) [[unlikely]] {", "if (false) {", SCHEDULE),
    step("nobody drains for a parked owner", REMOTE, "|| owner->parked();", ";", SCHEDULE),
    step("a retired cache is linked twice", LIST, "*link = cache->parked_next;\n    note_unlinked(cache);",
         "note_unlinked(cache);", SCHEDULE),
    step("an adopter without its own lock", LIST, "os::LockGuard own(adopter->lock());\n  for", "for", SCHEDULE),
    step("a take-over without the cache's lock", LIST, "os::LockGuard own(cache->lock());\n  cache->set_parked(false);",
         "cache->set_parked(false);", SCHEDULE),
    step("a waiter does not say that it waits", LOCK_CPP, "my_mark() | kContended, std::memory_order_acquire",
         "my_mark(), std::memory_order_acquire", SCHEDULE),
    step("nobody tells the list of mail", REMOTE, "if (owner->parked() && owner->inbox_.has_mail()) cache_list().note_mail();",
         "", FRONT, SCHEDULE),
    step("a parker does not look for mail again", LIST,
         "ThreadCache::return_strays(cache->drain_inbox(true));\n  os::LockGuard", "os::LockGuard",
         reason="mail only waits longer: the parker tells the list of what is left, and the next drain finds it"),
    step("a parker tells nobody of mail", LIST, "stats_.parked.add(1);\n  note_left_mail(*cache);", "stats_.parked.add(1);",
         reason="park_adopt.pml has it as mutant 19; of 1 500 seeds none meets it"),
    step("a retirer tells nobody of mail", LIST, "link_parked(cache);\n    note_left_mail(*cache);", "link_parked(cache);",
         SCHEDULE),
    step("mail that could not be drained is forgotten", LIST,
         "note_left_mail(*cache);  // somebody else had its lock", "", FRONT, quick=True),
]

SEQ_CST = ("SC for free on x86, and happens-before does not see it: the Dekker pair `push, then look at parked` is "
           "message.pml's and park_adopt.pml's (mutant 4)")
ORDERS = [
    order("lock: taken after sleep", LOCK_CPP, "my_mark() | kContended, std::memory_order_acquire",
          "my_mark() | kContended, std::memory_order_relaxed", SCHEDULE),
    order("lock: given back", LOCK, "state_.exchange(kFree, std::memory_order_release)",
          "state_.exchange(kFree, std::memory_order_relaxed)", SCHEDULE),
    order("inbox: push", MESSAGE, "compare_exchange_weak(head, message, std::memory_order_seq_cst",
          "compare_exchange_weak(head, message, std::memory_order_relaxed", SCHEDULE),
    order("inbox: push without the total order", MESSAGE, "message, std::memory_order_seq_cst",
          "message, std::memory_order_release", reason=SEQ_CST),
    order("inbox: looked at without the total order", MESSAGE, "head_.load(std::memory_order_seq_cst)",
          "head_.load(std::memory_order_acquire)", reason=SEQ_CST),
    order("parked: written without the total order", OWN, "parked_.store(parked, std::memory_order_seq_cst)",
          "parked_.store(parked, std::memory_order_release)", reason=SEQ_CST),
    order("parked: read without the total order", "front/thread_cache.h", "parked_.load(std::memory_order_seq_cst)",
          "parked_.load(std::memory_order_acquire)", reason=SEQ_CST),
]

MUTANTS = EDGES + BITS + STEPS + ORDERS
