"""Mutants of what the hardened flavour checks, on each way that a block goes."""
from rows import HARDENED, Mutant

QUARANTINE, TINY, FREE, TAKE = "front/quarantine.h", "hardened/tiny.h", "hardened/deallocate.cpp", "hardened/allocate.cpp"
CANARY, CANARY_H, MAPPING = "superslab/canary.cpp", "superslab/canary.h", "large/huge_mapping.cpp"


def check(name, file, old, new):
    return Mutant(f"check: {name}", file, old, new, (HARDENED,))


WAITING = [
    check("a block leaves the quarantine at the next free", QUARANTINE, "queues_[first + (step & mask)];", "queues_[first];"),
    check("a block is lost between queue and draw", QUARANTINE, "drawn = oldest;", "drawn = nullptr;"),
    check("a block is drawn and stays", QUARANTINE, "place = nullptr;", ""),
    check("a remote block waits as an own one", QUARANTINE, "return (reinterpret_cast<uintptr_t>(waiting) & 1) != 0;",
          "return static_cast<void>(waiting), false;"),
    check("a remote block is sent on as an own one", FREE, "send_on(cache, c, own ? block : Quarantine::as_remote(block));",
          "send_on(cache, c, block);"),
]

# A tiny block of one's own, and, by the same checks, another thread's.
TINY_WAY = [
    Mutant("check: tiny: at an inside address", TINY,
           "if (index * figures.bytes(c) != within_slot(offset)) [[unlikely]] return false;", "", (),
           "the canaries, looked for from an inside address, are not there either; the long way then says what it is"),
    check("tiny: freed before", TINY, "if (!record.live_from(origin)) [[unlikely]] return false;\n  if (size", "if (size"),
    check("tiny: of another size", TINY, "if (size != kAnySize && size != record.size()) [[unlikely]] return false;", ""),
    check("tiny: written behind", TINY,
          "if (!canaries_are_sound(place.block, record.size(), place.bytes)) [[unlikely]] return false;", ""),
    check("tiny: written before", TINY, "if (!front_is_sound(place.block, offset)) [[unlikely]] return false;", ""),
    check("tiny: not recorded as freed", TINY, "store_record(place, record.with(BlockState::kFreedZeroed));\n  Pass", "Pass"),
    check("tiny: not cleared", TINY, "Pass::clear(place.block, place.bytes);\n  return true;", "return true;"),
    check("tiny: not looked at before reuse", TINY,
          "if (!Pass::reads_as_zero(place.block, place.bytes)) [[unlikely]] return false;", ""),
    check("a block's last word not looked at before reuse", TINY, "if (found != 0) return false;", ""),
    check("a remote tiny block is not looked at", FREE,
          "return try_disarm_tiny<Pass>(figures, offset, c, block, size, origin);\n}\n\n// A mid",
          "return try_disarm_tiny<Pass>(figures, offset, c, block, size, origin) || true;\n}\n\n// A mid"),
]

MID_WAY = [
    check("mid: at an inside address", FREE, "if (word == nullptr) return false;", "if (word == nullptr) return true;"),
    check("mid: freed before", FREE, "if (!record.live_from(origin) || (size != kAnySize", "if ((size != kAnySize"),
    check("mid: of another size", FREE, "|| (size != kAnySize && size != record.size())) return false;", ") return false;"),
    check("mid: written behind", FREE, "if (!canaries_are_sound(address, record.size(), bytes) || !front_is_sound",
          "if (!front_is_sound"),
    check("mid: written before", FREE, "bytes) || !front_is_sound(address, offset)) return false;", "bytes)) return false;"),
    check("mid: not recorded as freed", FREE, "store_record(place, record.with(BlockState::kFreed));", ""),
    check("mid: a zeroed one not looked at before reuse", TAKE,
          "if (before == BlockState::kLive || before == BlockState::kFreedZeroed) return false;",
          "if (before == BlockState::kLive) return false;"),
]

LONG_WAY = [
    check("any: of another kind of call", FREE, "record.origin() == Origin::kAny || !config().match_new_delete;", "true;"),
    check("any: of another size", FREE, "const bool size_fits = claim.size == have || claim.size == kAnySize;",
          "const bool size_fits = true;"),
    check("any: freed before", FREE, "if (!record.live()) report_not_live(place.block);\n    require_fit", "require_fit"),
    check("any: written behind", FREE, "if (!canaries_are_sound(place.block, record.size(), place.bytes)) {", "if (false) {"),
    check("any: written before", FREE, "if (!front_is_sound(place.block, offset)) report_underflow(place.block);", ""),
    check("huge: written behind", FREE, "if (load_unaligned(end) != canary_at(end)) {", "if (false) {"),
    check("huge: it grows beside the limit", FREE, "void* moved = heap::resize_huge(block, found.place.bytes, size + 2 * kCanaryBytes);",
          "void* moved = heap::resize_huge(block, size + 2 * kCanaryBytes, size + 2 * kCanaryBytes);"),
    check("huge: nothing guards it", MAPPING, "void* block = os::reserve_guarded(size, aligned, kGuard);\n  if (block == nullptr || os::commit(block, size)) return block;",
          "void* block = os::reserve_guarded(size + kGuard, aligned, kGuard);\n  if (block == nullptr || os::commit(block, size + kGuard)) return block;"),
    check("written after free, and given back", CANARY, "if (is_zeroed && !reads_as_zero_by_pairs(block, bytes)) report_written(", "if (false) report_written("),
    check("a canary has bytes of zero", CANARY_H, "* g_canary.multiplier) | g_canary.ones;", "* g_canary.multiplier);"),
]

HARDENED_ROWS = WAITING + TINY_WAY + MID_WAY + LONG_WAY
