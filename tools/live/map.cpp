// hakmem map: every SuperSlab and slot, and which classes waste most.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "../profile/blame_command.h"
#include "commands.h"
#include "failure.h"
#include "heap_map.h"
#include "profile/profile_format.h"
#include "text.h"

namespace hakmem::tools {
namespace {

struct ClassSum {
  std::uint64_t slabs = 0;
  std::uint64_t blocks = 0;
  std::uint64_t free_blocks = 0;
  std::uint64_t pinned_slabs = 0;
  std::uint64_t pinned_bytes = 0;             // free in those
  std::array<std::uint64_t, 5> by_quarter{};  // slabs with 0-25 %, ... of their blocks taken, and full ones
  std::vector<std::uint64_t> ages_ms;
  std::uint64_t free_bytes(std::uint64_t block) const { return free_blocks * block; }
};

std::map<std::uint64_t, ClassSum> sums_of(const HeapMap& map) {
  std::map<std::uint64_t, ClassSum> sums;
  for (const SuperSlabView& super : map.superslabs) {
    for (const SlotView& slot : super.slots) {
      if (slot.kind != SlotKind::kSlab || slot.blocks == 0) continue;
      ClassSum& sum = sums[slot.block_bytes];
      const std::uint32_t taken = slot.taken();
      sum.ages_ms.push_back(map.age_ms(slot));
      ++sum.slabs;
      sum.blocks += slot.blocks;
      sum.free_blocks += slot.free_blocks;
      ++sum.by_quarter[taken * 4 / slot.blocks];
      if (is_nearly_empty(taken, slot.blocks)) {
        ++sum.pinned_slabs;
        sum.pinned_bytes += slot.free_bytes();
      }
    }
  }
  for (auto& [block, sum] : sums) std::sort(sum.ages_ms.begin(), sum.ages_ms.end());
  return sums;
}

char letter(const SlotView& slot, const SlotView* head, std::uint64_t only_class) {
  const SlotView& slab = slot.kind == SlotKind::kTail && head != nullptr ? *head : slot;
  switch (slot.kind) {
    case SlotKind::kUnused:
      return '.';
    case SlotKind::kEmpty:
      return 'e';
    case SlotKind::kMoving:
      return '?';
    case SlotKind::kHuge:
      return 'H';
    case SlotKind::kSlab:
    case SlotKind::kTail:
      break;
  }
  if (only_class != 0 && slab.block_bytes != only_class) return '-';
  if (slot.kind == SlotKind::kTail) return '>';
  if (slab.free_blocks == 0) return '#';
  return static_cast<char>('0' + (slab.blocks - slab.free_blocks) * 10 / std::max(slab.blocks, 1u));
}

std::string row_of(const SuperSlabView& super, std::uint64_t only_class) {
  std::string text;
  const SlotView* head = nullptr;
  for (const SlotView& slot : super.slots) {
    if (slot.kind == SlotKind::kSlab) head = &slot;
    text += letter(slot, head, only_class);
  }
  return text;
}

struct Options {
  int pid = 0;
  std::uint64_t only_class = 0;
  std::size_t rows = 32;
  bool json = false;
  bool blame = false;
  std::string duration;
  std::string output;
  std::uint32_t rate = 0;
};

// "-": the library does not write down when.
std::string age_text(const HeapMap& map, std::uint64_t ms) {
  return map.clock_ms == 0 ? "-" : duration_text(static_cast<double>(ms) / 1000);
}

void print_classes(const HeapMap& map) {
  const std::map<std::uint64_t, ClassSum> sums = sums_of(map);
  std::vector<std::pair<std::uint64_t, ClassSum>> list(sums.begin(), sums.end());
  std::stable_sort(list.begin(), list.end(), [](const auto& a, const auto& b) {
    return a.second.free_bytes(a.first) > b.second.free_bytes(b.first);
  });
  fmt::print("      block    slabs  taken  free in slabs   slabs taken to  <25 %  <50 %  <75 % <100 %   full      pinned"
             "  median age    oldest\n");
  for (std::size_t i = 0; i < std::min<std::size_t>(list.size(), 12); ++i) {
    const auto& [block, sum] = list[i];
    const double taken = 100.0 * static_cast<double>(sum.blocks - sum.free_blocks) / static_cast<double>(sum.blocks);
    fmt::print("{:>11} {:>8} {:>4.0f} % {:>14}  {:>22} {:>6} {:>6} {:>6} {:>6}  {:>10}  {:>10}{:>10}\n",
               bytes_text(static_cast<std::int64_t>(block)), sum.slabs, taken,
               bytes_text(static_cast<std::int64_t>(sum.free_bytes(block))), sum.by_quarter[0], sum.by_quarter[1],
               sum.by_quarter[2], sum.by_quarter[3], sum.by_quarter[4],
               sum.pinned_slabs == 0 ? "-" : bytes_text(static_cast<std::int64_t>(sum.pinned_bytes)),
               age_text(map, sum.ages_ms[sum.ages_ms.size() / 2]), age_text(map, sum.ages_ms.back()));
  }
  fmt::print("pinned: free memory of slabs of which one block in sixteen or fewer is taken; --blame says by whom\n");
}

void print_map(const HeapMap& map, const Options& options) {
  fmt::print("a row is a SuperSlab of 32 slots:  . UNUSED  e EMPTY  0-9 slab, tenths taken  # full  > its other slots"
             "  H huge block{}\n", options.only_class != 0 ? "  - other classes" : "");
  std::size_t shown = 0;
  for (const SuperSlabView& super : map.superslabs) {
    if (shown++ == options.rows) break;
    fmt::print("{:>3}/{:<6} {}\n", super.reservation, super.number, row_of(super, options.only_class));
  }
  if (map.superslabs.size() > options.rows) {
    fmt::print("... {} more (--rows)\n", map.superslabs.size() - options.rows);
  }
  if (map.never_opened != 0) fmt::print("{} committed and never used\n", counted(map.never_opened, "SuperSlab"));
}

void print_json(const HeapMap& map, const Options& options) {
  nlohmann::ordered_json out{{"schema", "hakmem.map/1"}, {"pid", options.pid}, {"never_opened", map.never_opened}};
  out["superslabs"] = nlohmann::ordered_json::array();
  for (const SuperSlabView& super : map.superslabs) {
    nlohmann::ordered_json row{{"reservation", super.reservation}, {"number", super.number},
                               {"map", row_of(super, options.only_class)}};
    row["slabs"] = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < super.slots.size(); ++i) {
      const SlotView& slot = super.slots[i];
      if (slot.kind != SlotKind::kSlab) continue;
      if (options.only_class != 0 && slot.block_bytes != options.only_class) continue;
      row["slabs"].push_back({{"slot", i}, {"slots", slot.slots}, {"block_bytes", slot.block_bytes},
                              {"blocks", slot.blocks}, {"free_blocks", slot.free_blocks}, {"owner", slot.owner}, {"purged_bytes", slot.purged_bytes}});
      if (map.clock_ms != 0) row["slabs"].back()["age_ms"] = map.age_ms(slot);
    }
    out["superslabs"].push_back(row);
  }
  fmt::print("{}\n", out.dump());
}

int map(const Options& options) {
  const StatsPage page = ask_page(options.pid, Request::kRefresh, 250);
  if (options.only_class != 0) {
    const Table& classes = page.table("classes");
    bool known = false;
    for (std::size_t row = 0; row < classes.rows; ++row) known |= classes.at(row, "block_bytes") == options.only_class;
    if (!known) {
      throw Failure(kExitUsage, "--class {}: no size class has blocks of that size; hakmem map {} lists those in use",
                    options.only_class, options.pid);
    }
  }
  if (options.blame) {
    return blame_command(
        {options.pid, options.only_class, options.rows, options.json, options.duration, options.output, options.rate});
  }
  const HeapMap heap = read_heap_map(options.pid, page);
  if (options.json) {
    print_json(heap, options);
  } else {
    print_classes(heap);
    print_map(heap, options);
  }
  return kExitFine;
}

}  // namespace

void declare_map(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("map", "Every SuperSlab and slot of a process, and which classes waste most");
  const auto options = std::make_shared<Options>();
  command->add_option("PID", options->pid, "the process")->required()->check(CLI::PositiveNumber);
  command->add_option("--class", options->only_class, "only slabs with blocks of this many BYTES");
  command->add_option("--rows", options->rows, "SuperSlabs, or call sites, to show (32)");
  command->add_flag("--json", options->json, "as JSON, schema hakmem.map/1, all SuperSlabs; with --blame hakmem.blame/1");
  CLI::Option* blame = command->add_flag(
      "--blame", options->blame, "which call sites pin nearly empty slabs, by a profile (see hakmem profile)");
  command->add_option("-d,--duration", options->duration,
                      "how long to profile, as 30s (default); of a process that is profiled already: 0, what there is")
      ->needs(blame);
  command->add_option("--rate", options->rate, "bytes between two samples, in the mean (default: 524288)")
      ->check(CLI::Range(static_cast<unsigned>(kProfileRateMin), 1u << 30))
      ->needs(blame);
  command->add_option("-o,--output", options->output, "a pprof profile of what is pinned, - for stdout")->needs(blame);
  command->footer("Example:\n  hakmem map 4121 --blame -d 60s -o waste.pb.gz && go tool pprof -top waste.pb.gz\n\n"
                  "The slab records are copied out of the running process (process_vm_readv), which is neither stopped nor\n"
                  "traced; kernel.yama.ptrace_scope may forbid it. What thread caches hold counts as taken.");
  command->callback([options, action] { *action = [options] { return map(*options); }; });
}

}  // namespace hakmem::tools
