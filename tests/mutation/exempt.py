"""Sites of src/ that have no row in mutants.py, and why.

Said as it is: where nothing looks at a line, the entry says that nothing does.
"""
from dataclasses import dataclass


@dataclass(frozen=True)
class Exempt:
    file: str
    text: str    # there exactly once
    reason: str


@dataclass(frozen=True)
class Rule:
    pattern: str  # of a line
    reason: str


RULES = (
    Rule(r"atomic_signal_fence", "no instruction: it keeps the compiler from reordering, and no test can make it reorder"),
)

COMMITTED = ("nothing plain is read behind it: the system made the pages accessible, by a call before the store, and a SuperSlab "
             "there has its own pair in base()")
ONE_THREAD = "done while there is one thread, and starting a second orders it"
OTHER_PROCESS = ("read by another process, where the scheduler is not; x86 keeps stores in order, and the text of the code "
                 "is all there is for others")
COUNT = "only with `committed` relaxed as well could a walker see a reservation before what is written in it"
LEAF = ("survives: what it orders are the zeroes of a memset, which gcc's instrumentation does not show to the scheduler, "
        "and an entry has its own pair")
CACHES = "for_each() passes over an id whose entry it does not see yet, and the entry has its own pair"
HINT = ("a hint that comes too early or goes too late is no race that happens-before would see, and x86's read-modify-writes "
        "are whole fences; the text at the hint has the argument")
MAKING = "what is made is handed over under lock_, or found through the table of caches, which has its own pair"

EXEMPT = (
    Exempt("front/cache_list.cpp", "count_.store(id, std::memory_order_release)", CACHES),
    Exempt("front/cache_list.h", "return count_.load(std::memory_order_acquire)", CACHES),
    Exempt("superslab/registry.h", "return count_.load(std::memory_order_acquire)", COUNT),
    Exempt("superslab/registry.cpp", "count_.store(index + 1, std::memory_order_release)", COUNT),
    Exempt("superslab/registry.cpp", "place.store(leaf, std::memory_order_release)", LEAF),
    Exempt("superslab/registry.cpp", "kLeafShift].load(std::memory_order_acquire)", LEAF),
    Exempt("front/hole_purge.cpp", "home.committed.load(std::memory_order_acquire)", COMMITTED),
    Exempt("superslab/registry.h", "home.committed.load(std::memory_order_acquire)", COMMITTED),
    Exempt("superslab/misuse.cpp", "home->committed.load(std::memory_order_acquire)", COMMITTED),
    Exempt("superslab/registry.cpp", "home.committed.store(begin + step, std::memory_order_release)", COMMITTED),
    Exempt("superslab/registry.cpp", "count_.store(1, std::memory_order_release)", ONE_THREAD),
    Exempt("superslab/superslab.h", "masks_[1] = 0;\n    masks_[2] = 0;", "the memory is zero already: only the contract needs it said"),
    Exempt("front/message.h", "const Message* peek() const { return head_.load(std::memory_order_acquire); }",
           "for walkers, whose stopping of the threads orders all of it"),
    Exempt("heap/deferred.h", "waiting_.exchange(false, std::memory_order_acquire)", HINT),
    Exempt("front/cache_list.h", "mail_waits_.exchange(true, std::memory_order_release)", HINT),
    Exempt("front/cache_list.cpp", "mail_waits_.exchange(false, std::memory_order_acquire)", HINT),
    Exempt("heap/lifecycle.cpp", "if (g_options_sealed.load(std::memory_order_acquire)) return;", ONE_THREAD),
    Exempt("heap/lifecycle.cpp", "g_options_sealed.store(true, std::memory_order_release)", ONE_THREAD),
    Exempt("heap/lifecycle.cpp", "g_hooks_claimed.exchange(true, std::memory_order_acq_rel)", ONE_THREAD),
    Exempt("heap/lifecycle.cpp", "g_key_state.store(made ? KeyState::kMade : KeyState::kRefused, std::memory_order_release)",
           ONE_THREAD),
    Exempt("heap/lifecycle.cpp", "if (g_key_state.load(std::memory_order_acquire) == KeyState::kRefused)", ONE_THREAD),
    Exempt("heap/lifecycle.cpp", "if (g_key_state.load(std::memory_order_acquire) == KeyState::kMade)", ONE_THREAD),
    Exempt("heap/lifecycle.cpp", "const bool key_has_it = g_key_state.load(std::memory_order_acquire)", ONE_THREAD),
    Exempt("observe/stats_page.cpp", "const PageHeader* header = header_.load(std::memory_order_acquire)",
           "the words it then reads are atomics of their own"),
    Exempt("observe/stats_page.cpp", "header_.store(nullptr, std::memory_order_release)", "in a child of fork, of one thread"),
    Exempt("observe/stats_page.cpp", "std::atomic_thread_fence(std::memory_order_release)", OTHER_PROCESS),
    Exempt("observe/stats_page.cpp", "header->sequence.store(sequence + 2, std::memory_order_release)", OTHER_PROCESS),
    Exempt("observe/stats_page.cpp", "header->request.load(std::memory_order_acquire)", OTHER_PROCESS),
    Exempt("observe/stats_page.cpp", "header->answered.store(request, std::memory_order_release)", OTHER_PROCESS),
    Exempt("profile/profile_file.cpp", "header_->used.store(offset + bytes, std::memory_order_release)", OTHER_PROCESS),
    Exempt("profile/profiler.cpp", "making_.exchange(true, std::memory_order_acquire)) return false", MAKING),
    Exempt("profile/profiler.cpp", "if (wanted == 0) {\n    making_.store(false, std::memory_order_release)", MAKING),
    Exempt("profile/profiler.cpp", "making_.store(false, std::memory_order_release);\n  return is_there", MAKING),
    Exempt("profile/profiler.cpp", "making_.exchange(true, std::memory_order_acquire)) return nullptr", MAKING),
    Exempt("profile/profiler.cpp", "making_.store(false, std::memory_order_release);\n  return cache", MAKING),
)
