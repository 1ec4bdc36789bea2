"""Mutants of the memory orders stronger than relaxed."""
from rows import LIST, LOCK, LOCK_CPP, MESSAGE, OWN, REGISTRY, REGISTRY_H, SCHEDULE, SUPER, order, relaxed

SEQ_CST = ("SC for free on x86, and happens-before does not see it: the Dekker pair `push, then look at parked` is "
           "message.pml's and park_adopt.pml's (mutant 4)")
DEFERRED, GUARDED, PAGE = "heap/deferred.h", "large/guarded.cpp", "observe/stats_page.cpp"

ORDERS = [
    order("lock: taken", LOCK,
          "// sync: lock word. acquire pairs with the release in unlock().\n"
          "    if (!state_.compare_exchange_strong(expected, my_mark(), std::memory_order_acquire,",
          "if (!state_.compare_exchange_strong(expected, my_mark(), std::memory_order_relaxed,", SCHEDULE),
    relaxed("lock: tried", LOCK,
            "bool try_lock() {\n    uint32_t expected = kFree;\n"
            "    if (!state_.compare_exchange_strong(expected, my_mark(), std::memory_order_acquire,", SCHEDULE),
    relaxed("lock: taken while spinning", LOCK_CPP, "compare_exchange_weak(expected, my_mark(), std::memory_order_acquire",
            SCHEDULE),
    relaxed("lock: taken after sleep", LOCK_CPP, "my_mark() | kContended, std::memory_order_acquire", SCHEDULE),
    relaxed("lock: given back", LOCK, "state_.exchange(kFree, std::memory_order_release)", SCHEDULE),
    relaxed("inbox: push", MESSAGE, "compare_exchange_weak(head, message, std::memory_order_seq_cst", SCHEDULE),
    relaxed("inbox: taken", MESSAGE, "head_.exchange(nullptr, std::memory_order_acquire)", SCHEDULE),
    relaxed("cache table: entry", LIST, "store(cache, std::memory_order_release)", SCHEDULE),
    relaxed("cache table: entry read", LIST, "kLeafEntries].load(std::memory_order_acquire)", SCHEDULE),
    relaxed("cache table: leaf", LIST, "store(leaf, std::memory_order_release)", SCHEDULE),
    relaxed("cache table: leaf read", LIST, "root_[root].load(std::memory_order_acquire)", SCHEDULE),
    relaxed("open: written", SUPER, "base_.store(base, std::memory_order_release)", SCHEDULE),
    relaxed("open: read", SUPER, "base_.load(std::memory_order_acquire)", SCHEDULE),
    relaxed("adoption: tag written", REGISTRY_H, "first[i].store(tag, std::memory_order_release)", SCHEDULE),
    relaxed("adoption: tag read", REGISTRY_H, "home.tag_word(home.offset_of(address)).load(std::memory_order_acquire)",
            SCHEDULE),
    relaxed("registry: entry", REGISTRY, "kLeafEntries].store(entry, std::memory_order_release)", SCHEDULE),
    relaxed("registry: entry read", REGISTRY, "kLeafEntries].load(std::memory_order_acquire)", SCHEDULE),
    relaxed("deferred: put", DEFERRED, "compare_exchange_strong(expected, block, std::memory_order_release", SCHEDULE),
    relaxed("deferred: taken", DEFERRED, "place.exchange(nullptr, std::memory_order_acquire)", SCHEDULE),
    order("deferred: nobody is told", DEFERRED, "        waiting_.exchange(true, std::memory_order_release);\n", "", SCHEDULE),
    relaxed("frames: taken", GUARDED, "g_walking.exchange(true, std::memory_order_acquire)", SCHEDULE),
    relaxed("frames: given back", GUARDED, "g_walking.store(false, std::memory_order_release)", SCHEDULE),
    relaxed("page turn: taken", PAGE, "process, std::memory_order_acquire", SCHEDULE),
    relaxed("page turn: given back", PAGE, "turn_.store(0, std::memory_order_release)", SCHEDULE),
    relaxed("page: made", PAGE, "header_.store(header, std::memory_order_release)", SCHEDULE),
    relaxed("page: seen", PAGE, "header_.load(std::memory_order_acquire) == nullptr", SCHEDULE),
    order("inbox: push without the total order", MESSAGE, "message, std::memory_order_seq_cst",
          "message, std::memory_order_release", reason=SEQ_CST),
    order("inbox: looked at without the total order", MESSAGE, "head_.load(std::memory_order_seq_cst)",
          "head_.load(std::memory_order_acquire)", reason=SEQ_CST),
    order("parked: written without the total order", OWN, "parked_.store(parked, std::memory_order_seq_cst)",
          "parked_.store(parked, std::memory_order_release)", reason=SEQ_CST),
    order("parked: read without the total order", "front/thread_cache.h", "parked_.load(std::memory_order_seq_cst)",
          "parked_.load(std::memory_order_acquire)", reason=SEQ_CST),
]
