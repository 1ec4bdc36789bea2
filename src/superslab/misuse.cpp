#include "superslab/misuse.h"

#include "base/probe.h"
#include "os/modules.h"
#include "os/process.h"
#include "os/thread.h"
#include "os/unwind.h"
#include "config/config.h"
#include "superslab/registry.h"

namespace hakmem {

namespace {

constexpr size_t kFramesMax = 32;

// sync: reporter. The thread that reports; the others stop for ever, and so does nothing of theirs come
// in between.
constinit std::atomic<uintptr_t> g_reporter{0};

const char* name_of(Misuse kind) {
  switch (kind) {
    case Misuse::kDoubleFree:
      return "double-free";
    case Misuse::kInteriorFree:
      return "free of an interior pointer";
    case Misuse::kReleasedFree:
      return "free of memory that was released";
    case Misuse::kForeignFree:
      return "free of a pointer that malloc did not return";
    case Misuse::kUnallocatedFree:
      return "free of a block that was not allocated";
    case Misuse::kUseAfterFree:
      return "heap-use-after-free";
    case Misuse::kOverflow:
      return "heap-buffer-overflow";
    case Misuse::kUnderflow:
      return "heap-buffer-underflow";
    case Misuse::kWriteAfterFree:
      return "write-after-free";
    case Misuse::kKindMismatch:
      return "alloc-dealloc-mismatch";
    case Misuse::kSizeMismatch:
      return "size-mismatch";
    case Misuse::kAlignmentMismatch:
      return "alignment-mismatch";
  }
  return "misuse";
}

const char* name_of(SlotState state) {
  switch (state) {
    case SlotState::kUnused:
      return "UNUSED";
    case SlotState::kActive:
      return "ACTIVE";
    case SlotState::kEmpty:
      return "EMPTY";
  }
  return "?";
}

// What the registry knows of an address, without any lock.
struct Facts {
  uintptr_t address = 0;
  bool ours = false;     // in a reservation, where something is or was
  bool in_slab = false;  // and there is a slab now
  bool has_owner = false;
  uint32_t owner = 0;
  uint32_t size_class = 0;
  size_t block_bytes = 0;
  uintptr_t slab = 0;
  uint32_t blocks = 0;
  uint32_t free_blocks = 0;
  uint32_t index = 0;
  size_t offset_in_block = 0;
  SlotState state = SlotState::kUnused;
};

Facts facts_of(uintptr_t address) {
  Facts facts;
  facts.address = address;
  const Reservation* home = registry().find(address);
  if (home == nullptr) return facts;
  const size_t offset = home->offset_of(address);
  if (offset >= home->committed.load(std::memory_order_acquire)) return facts;
  const SuperSlab& super = home->superslab_at(offset);
  const uint32_t slot = uint32_t{1} << (offset >> kSlotShift) % kSlotsPerSuperSlab;
  facts.ours = true;
  if ((super.mask(SlotState::kActive) & slot) != 0) facts.state = SlotState::kActive;
  if ((super.mask(SlotState::kEmpty) & slot) != 0) facts.state = SlotState::kEmpty;
  const uint32_t tag = registry().tag_of(address);
  if (tag == kUnusedTag) return facts;
  const Slab& slab = *home->slot_at(offset).head();
  const SizeClass& info = class_info(slab.class_index());
  facts.in_slab = true;
  facts.has_owner = tag_owner(tag).count() <= kOwnerMax;
  facts.owner = tag_owner(tag).count();
  facts.size_class = slab.size_class;
  facts.block_bytes = info.block_bytes;
  facts.slab = slab.base;
  facts.blocks = slab.blocks;
  facts.free_blocks = slab.free_count;
  facts.index = block_index(info, address - slab.base);
  facts.offset_in_block = address - slab.base - facts.index * facts.block_bytes;
  return facts;
}

void write(LineWriter& line) {
  os::write_stderr(line.data(), line.size());
  line.clear();
}

void append_build_id(LineWriter& line, const os::Module& module) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (size_t i = 0; i < module.build_id_size; ++i) {
    line.append(kDigits[module.build_id[i] >> 4]).append(kDigits[module.build_id[i] & 15]);
  }
}

// --- As text.

void write_first_line(const char* name, const Facts& facts) {
  LineWriter line;
  line.append("==").append_decimal(static_cast<uint64_t>(os::process_id()));
  line.append("==ERROR: hakmem: ").append(name).append(" on address ").append_hex(facts.address);
  if (facts.in_slab) {
    line.append(" (block size ").append_decimal(facts.block_bytes);
    line.append(", class ").append_decimal(facts.size_class);
    line.append(", slab ").append_hex(facts.slab);
    if (facts.has_owner) line.append(", owner ").append_decimal(facts.owner);
    line.append(")");
  }
  line.end_line();
  write(line);
}

void write_slab_line(const Facts& facts) {
  LineWriter line;
  line.append("    slot ").append(name_of(facts.state));
  if (facts.in_slab) {
    line.append(", block ").append_decimal(facts.index).append(" of ").append_decimal(facts.blocks);
    line.append(" at byte ").append_decimal(facts.offset_in_block);
    line.append(", ").append_decimal(facts.free_blocks).append(" at home in the slab");
  }
  line.end_line();
  write(line);
}

void write_frame(size_t number, uintptr_t code) {
  LineWriter line;
  line.append("    #").append_decimal(number).append(" ").append_hex(code);
  const os::Module module = os::module_at(code - 1);
  if (module.found) {
    line.append(" in ").append_untrusted(module.path, os::Module::kPathMax);
    line.append("+").append_hex(code - module.base);
    if (module.build_id_size != 0) {
      line.append(" (build-id ");
      append_build_id(line, module);
      line.append(")");
    }
  }
  line.end_line();
  write(line);
}

void write_trace(const Trace& trace) {
  if (trace.title != nullptr) {
    LineWriter line;
    line.append("  ").append(trace.title).end_line();
    write(line);
  }
  for (size_t i = 0; i < trace.count; ++i) write_frame(i, trace.frames[i]);
}

void write_text(const char* name, const Facts& facts, TextView detail, const Trace& here,
                const Traces& before) {
  write_first_line(name, facts);
  if (detail.size != 0) {
    LineWriter line;
    line.append("    ").append(detail).end_line();
    write(line);
  }
  if (facts.ours) write_slab_line(facts);
  write_trace(here);
  for (size_t i = 0; i < before.count; ++i) write_trace(before.first[i]);
}

// --- As JSON: one line, in pieces.

// Names and details of ours need no escapes; of a path, quotes and backslashes become '?'.
void append_quoted(LineWriter& line, const char* text) {
  LineWriter tame;
  tame.append_untrusted(text, os::Module::kPathMax);
  line.append('"');
  for (size_t i = 0; i < tame.size(); ++i) {
    const char c = tame.data()[i];
    line.append(c == '"' || c == '\\' ? '?' : c);
  }
  line.append('"');
}

void write_json_facts(const char* name, const Facts& facts, TextView detail) {
  LineWriter line;
  line.append("{\"pid\":").append_decimal(static_cast<uint64_t>(os::process_id()));
  line.append(",\"error\":\"").append(name).append("\",\"address\":\"").append_hex(facts.address);
  line.append("\",\"detail\":\"").append(detail).append("\"");
  if (facts.ours) line.append(",\"slot_state\":\"").append(name_of(facts.state)).append("\"");
  if (facts.in_slab) {
    line.append(",\"block_size\":").append_decimal(facts.block_bytes);
    line.append(",\"class\":").append_decimal(facts.size_class);
    line.append(",\"slab\":\"").append_hex(facts.slab).append("\"");
    if (facts.has_owner) line.append(",\"owner\":").append_decimal(facts.owner);
    line.append(",\"block\":").append_decimal(facts.index);
    line.append(",\"blocks\":").append_decimal(facts.blocks);
    line.append(",\"offset_in_block\":").append_decimal(facts.offset_in_block);
    line.append(",\"free_blocks\":").append_decimal(facts.free_blocks);
  }
  write(line);
}

void write_json_frame(bool first, uintptr_t code) {
  LineWriter line;
  line.append(first ? "{\"address\":\"" : ",{\"address\":\"").append_hex(code).append("\"");
  const os::Module module = os::module_at(code - 1);
  if (module.found) {
    line.append(",\"module\":");
    append_quoted(line, module.path);
    line.append(",\"offset\":\"").append_hex(code - module.base).append("\",\"build_id\":\"");
    append_build_id(line, module);
    line.append("\"");
  }
  line.append("}");
  write(line);
}

void write_json_trace(const Trace& trace) {
  LineWriter line;
  line.append(",\"").append(trace.name).append("\":[");
  write(line);
  for (size_t i = 0; i < trace.count; ++i) write_json_frame(i == 0, trace.frames[i]);
  line.append("]");
  write(line);
}

void write_json(const char* name, const Facts& facts, TextView detail, const Trace& here,
                const Traces& before) {
  write_json_facts(name, facts, detail);
  write_json_trace(here);
  for (size_t i = 0; i < before.count; ++i) write_json_trace(before.first[i]);
  constexpr char kEnd[] = "}\n";
  os::write_stderr(kEnd, sizeof kEnd - 1);
}

// True for the one that reports. A handler of SIGABRT that frees wrongly, too, ends the process.
bool claim_report() {
  uintptr_t expected = 0;
  const uintptr_t self = os::thread_identity();
  if (g_reporter.compare_exchange_strong(expected, self, std::memory_order_relaxed)) return true;
  if (expected == self) os::abort_process();
  return false;
}

}  // namespace

void report_misuse(Misuse kind, const void* address, TextView detail) {
  report_misuse(kind, address, detail, Trace{}, Traces{});
}

void report_misuse(Misuse kind, const void* address, TextView detail, Trace here, Traces before) {
  // Bounded by the end of the process, which the reporter brings.
  while (!claim_report()) os::spin_pause();
  HAKMEM_PROBE(misuse, reinterpret_cast<uintptr_t>(address), kind, reinterpret_cast<uintptr_t>(name_of(kind)));
  uintptr_t frames[kFramesMax];
  if (here.count == 0) here = Trace{nullptr, nullptr, frames, os::backtrace(frames, kFramesMax)};
  here.name = "frames";
  const Facts facts = facts_of(reinterpret_cast<uintptr_t>(address));
  const auto write_report = config().report_json ? write_json : write_text;
  write_report(name_of(kind), facts, detail, here, before);
  os::abort_process();
}

}  // namespace hakmem
