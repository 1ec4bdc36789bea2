"""Mutants of huge blocks: what is retained, for how long, and what the table knows."""
from rows import LARGE, edge, step

HUGE_CPP, RETAINED, RANGES = "large/huge.cpp", "large/huge_retained.cpp", "large/retained_ranges.cpp"
BOUND, TABLE = "large/retain_bound.h", "large/huge_table.cpp"

DENSE, DENSITY = "large/huge_dense.cpp", "large/huge_density.h"

DENSE_STEPS = [
    step("a sparse huge block is taken for a dense one", DENSE, "found.looked - found.present <= found.looked / kSparseShare ?",
         "true ?", LARGE),
    step("a huge block whose pages were there already is looked at", HUGE_CPP,
         "density_.forget(reinterpret_cast<uintptr_t>(block));\n    density_.forget_asked", "density_.forget_asked", LARGE),
    step("huge pages for whatever size", DENSITY, "size.count() <= 2 * largest_ && ", "", LARGE),
    step("huge pages for however many blocks", DENSITY, " && fresh.count() <= credit_", "", LARGE),
    step("a block is looked at before each next one", DENSITY, "    last_ = 0;\n", "", LARGE),
    step("a block that was freed is looked at", DENSITY, "last != 0 && watches(last) ? last : 0", "last", LARGE),
    step("a block that is not full yet is taken for dense", DENSE, "if (look_at(block, size) != Looks::kDense) return;",
         "if (look_at(block, size) == Looks::kUnknown) return;", LARGE),
    step("a sparse block changes nothing", DENSITY, "largest_ = credit_ = 0;", "", LARGE),
    step("no block is looked at any more", DENSITY, "return turn_ != 0;", "return true;", LARGE),
    step("each block is looked at although all are sparse", DENSITY, "unwatched_ = kUnwatchedAfterSparse;", "", LARGE),
    step("what is watched stays so for ever", DENSITY, "if (overwritten_ % kLookEvery != 0) return;", "return;", LARGE),
    step("huge pages for zeroes", DENSE, "if (learns() && contents == Contents::kAny) {", "if (learns()) {", LARGE),
    step("huge pages for the zeroes that a range grows by", RETAINED, "contents == Contents::kAny ? mapped : Bytes(0)", "mapped", LARGE),
    step("huge pages for whatever block grows", HUGE_CPP, "may_be_dense ? missing : Bytes(0)", "missing", LARGE),
    step("a block that has huge pages grows without", HUGE_CPP, "is_dense || was_asked;", "is_dense;", LARGE),
    step("a range that grows has small pages", DENSE, "!is_step && learns() && advise_growth(block, size, next, fresh)",
         "false", LARGE),
    step("a block of parts with different advice does not grow by a page", DENSE,
         "if (moved == nullptr && is_step && learns() && has_asked()) {", "if (false) {", LARGE),
    step("a block that grows tells nothing", HUGE_CPP, "const bool is_dense = learn_from(block, mapped);", "const bool is_dense = false;", LARGE),
    step("a block that grew by what was retained is looked at", HUGE_CPP, "if (taken != 0) density_.forget(entry.address);", "", LARGE),
    step("a block is looked at for each page that it grows", DENSE,
         "  if (next_size != Bytes(0) && next_size < size + kSuperSlabBytes) return false;\n", "", LARGE),
]

HUGE_STEPS = [
    step("a freed huge block stays in the table", HUGE_CPP, "size = table_.remove(*entry).size;", "size = entry->size;", LARGE),
    step("retained pages are taken for zeroes", HUGE_CPP, "if (contents == Contents::kZero) memset(block, 0, mapped.count());",
         "", LARGE),
    step("a grown block's first pages are taken for zeroes", HUGE_CPP,
         "if (contents == Contents::kZero) memset(block, 0, mapped.count() - fresh.count());", "", LARGE),
    step("a resized block keeps its size", HUGE_CPP, "table_.set_size(entry, size < old ? size : old + taken);", "static_cast<void>(taken);",
         LARGE),
    step("a tail that is not retained is forgotten", HUGE_CPP, "table_.set_size(entry, old);\n  note_mapped();\n  return false;",
         "return false;", LARGE),
    step("a huge block is mapped beside all that is retained", HUGE_CPP, "make_way(mapped.count(), mapped.count());\n    if (mapped", "if (mapped",
         LARGE),
    step("who frees for ticks leaves what was retained", HUGE_CPP, "if (watch == Watch::kTicks) shrink_unwatched();\n  return true;",
         "return true;", LARGE),
    step("a huge block's key is as if never used", TABLE, "entry.address = kTombstone;", "entry.address = kNeverUsed;", LARGE),
    step("a table forgets blocks as it grows", TABLE,
         "if (entry.address > kTombstone) insert(entry.address, entry.size).record = entry.record;",
         "if (entry.address > kTombstone && i != 0) continue;", LARGE),
]

RETAINED_EDGES = [
    edge("everything is retained", RETAINED, "if (kept > bound_.beside(Bytes(table_.live()))) return false;", "", LARGE),
    edge("ticks retain what nobody missed", RETAINED, "if (kept > most) {", "if (false) {", LARGE),
    edge("ticks may sleep on all that was missed", BOUND, "return learned < most ? learned : most;", "return most < most ? most : learned;",
         LARGE),
    edge("what no lesson would help is learned", RETAINED, "if (can_be_more) bound_.note_unmapped", "bound_.note_unmapped", LARGE),
    edge("a heap that became smaller sleeps on what it had", BOUND,
         "return Bytes(most < kMostMin ? kMostMin : most);", "return Bytes(most < kMostMin ? 99 * kMostMin : most);", LARGE),
    edge("what would not grow is tried again", RANGES, "|| ranges_[i].is_stuck) continue;", ") continue;", LARGE),
    edge("something is retained without a decay time", RETAINED, "if (config().decay_ms == 0) return false;", "", LARGE),
    edge("a limit on memory does not bound what is retained", RETAINED,
         "if (kept.count() > memory_limit().limit().count() / kLimitShare) return false;", "", LARGE),
    edge("what is retained fills a limit on memory", RETAINED,
         "if (Bytes(size) > memory_limit().spare(pool().used())) return false;", "", LARGE),
    edge("nothing is ever missed", RETAINED, "bound_.note_mapped(size, os::now_coarse(), Milliseconds(config().decay_ms));",
         "static_cast<void>(size);", LARGE),
    edge("what lay unused may be retained again", RETAINED, "bound_.note_unused(Bytes(gone.size));", "", LARGE),
    edge("a purge forgets nothing", RETAINED, "bound_.forget();", "", LARGE),
    edge("what is retained decays at once", RETAINED, "now - Milliseconds(keep_ms);", "now;", LARGE),
    edge("neighbours are not joined", RANGES, "if (touch(ranges_[i], whole)) {", "if (false) {", LARGE),
    edge("a joined range is as old as its newer part", RANGES, "range.size < neighbour.size ? neighbour.since : range.since",
         "range.since", LARGE),
    edge("a crumb is left", RANGES, "if (range.size < size + crumb_of(size)) return remove(index);",
         "if (range.size <= size) return remove(index);", LARGE),
    edge("a range of another alignment serves", RANGES, "|| (ranges_[i].address & (alignment - 1)) != 0) continue;",
         "|| alignment == 0) continue;", LARGE),
    edge("the largest range serves", RANGES, "ranges_[i].size < ranges_[best].size) best", "ranges_[i].size > ranges_[best].size) best",
         LARGE),
    edge("more ranges than there is room for", RANGES, "if (count_ == kMax) return false;", "if (count_ == kMax) --count_;", LARGE),
    edge("a range that gives its end keeps its bytes", RANGES, "range.size -= size;\n  bytes_ -= size;\n  return Range{",
         "range.size -= size;\n  return Range{", LARGE),
    edge("what was missed long after counts", BOUND,
         "if (now - unmapped_at_ > decay_time) unmapped_ = 0;\n    const size_t missed", "const size_t missed", LARGE),
]

LARGE_ROWS = DENSE_STEPS + HUGE_STEPS + RETAINED_EDGES
