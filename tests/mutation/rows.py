"""What a row of the mutation table is, and short names for what many rows say.

A row is what to replace in which file of src/, and the tests of which one must fail. A row without tests names a
mutant no test of the code can kill, and what checks that line instead; run.py counts those and prints why.
"""
from dataclasses import dataclass

POOL, FRONT, SLAB, SCHEDULE = "test_pool", "test_front", "test_superslab", "test_schedule"
HEAP, PROFILE = "test_heap", "test_profile"
LARGE, HARDENED, SCAVENGER = "test_large", "test_hardened", "test_scavenger"


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


def relaxed(name, file, old, *tests, **more):
    """The one order in `old` that is stronger than relaxed, made relaxed."""
    for strong in ("acquire", "release", "seq_cst"):
        if old.count(f"memory_order_{strong}") == 1:
            return order(name, file, old, old.replace(f"memory_order_{strong}", "memory_order_relaxed"), *tests, **more)
    raise ValueError(old)


SUPER, SHARD, SHARED, HUGE, PURGE = ("superslab/superslab.h", "pool/pool_shard.cpp", "pool/shared_pool.cpp", "pool/huge_slots.cpp",
                                     "pool/purge.cpp")
DENSE, HUGE_PAGE = "pool/dense_growth.cpp", "superslab/huge_page.cpp"
SLAB_H, SLAB_CPP, PAGES = "superslab/slab.h", "superslab/slab.cpp", "superslab/slab_pages.cpp"
REGISTRY, REGISTRY_H = "superslab/registry.cpp", "superslab/registry.h"
OWN, HOLES, CACHE, LINKS = ("front/slab_ownership.cpp", "front/slab_holes.cpp", "front/thread_cache.cpp",
                            "front/slab_list.h")
LIST, LIST_H, REMOTE, MESSAGE = "front/cache_list.cpp", "front/cache_list.h", "front/remote.cpp", "front/message.h"
LOCK, LOCK_CPP = "os/lock.h", "os/lock.cpp"
