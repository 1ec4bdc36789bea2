#include "blame_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "../exit_code.h"
#include "../live/heap_map.h"
#include "../live/text.h"
#include "blame.h"
#include "pprof.h"
#include "samples.h"
#include "session.h"
#include "text_formats.h"

namespace hakmem::tools {
namespace {

std::string size(std::uint64_t bytes) { return bytes_text(static_cast<std::int64_t>(bytes)); }

std::string to_text(const Blame& blame, std::size_t rows) {
  std::string out =
      fmt::format("{} {}, of which one block in sixteen or fewer is taken, {} {} of free memory to\n"
                  "{}; {} of that went back to the system page by page\n",
                  count_text(blame.slabs), form_of(blame.slabs, "nearly empty slab"), form_of(blame.slabs, "keeps", "keep"),
                  size(blame.pinned_bytes), form_of(blame.slabs, "itself", "themselves"), size(blame.purged_bytes));
  out += to_table(blame.waste, rows);
  out += fmt::format("{} are attributed, by {} of {} {}; {} are not: no sampled block is in those slabs, their\n"
                     "blocks lie in thread caches, or were allocated before the profile began",
                     size(blame.attributed_bytes), count_text(blame.pinning), count_text(blame.samples),
                     form_of(blame.samples, "live sample"), size(blame.not_attributed()));
  if (blame.older_bytes != 0) {
    out += fmt::format(" ({} are in slabs older than that)", size(blame.older_bytes));
  }
  return out + "\n";
}

nlohmann::ordered_json site_json(const Profile& waste, const ProfileSample& sample) {
  return {{"pinned_bytes", sample.values[1]}, {"pinning_blocks", sample.values[0]}, {"stack", stack_json(waste, sample)}};
}

std::string to_json(const Blame& blame, const BlameOptions& options) {
  nlohmann::ordered_json out{{"schema", "hakmem.blame/1"},
                             {"pid", options.pid},
                             {"rate", blame.waste.rate},
                             {"nearly_empty_slabs", blame.slabs},
                             {"pinned_bytes", blame.pinned_bytes},
                             {"purged_bytes", blame.purged_bytes},
                             {"attributed_bytes", blame.attributed_bytes},
                             {"not_attributed_bytes", blame.not_attributed()},
                             {"older_than_profile_bytes", blame.older_bytes},
                             {"live_samples", blame.samples},
                             {"pinning_samples", blame.pinning},
                             {"sites", nlohmann::ordered_json::array()}};
  std::vector<const ProfileSample*> sites;
  for (const ProfileSample& sample : blame.waste.samples) sites.push_back(&sample);
  std::stable_sort(sites.begin(), sites.end(), [](const auto* a, const auto* b) { return a->values[1] > b->values[1]; });
  for (const ProfileSample* site : sites) out["sites"].push_back(site_json(blame.waste, *site));
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Blame look(const BlameOptions& options) {
  // What may not be read, or is another library's, shows before the profile and not after it.
  const StatsPage before = read_page(options.pid);
  read_heap_map(options.pid, before);
  read_samples(options.pid, before);
  Session session(options.pid, options.rate, options.duration);
  session.wait();
  const StatsPage page = ask_page(options.pid, Request::kRefresh, 250);
  // The three one after another, as close as can be: a block that comes or goes between them counts for nothing.
  const HeapMap map = read_heap_map(options.pid, page);
  const std::vector<SampledBlock> samples = read_samples(options.pid, page);
  Profile profile = session.read();
  name_and_date(&profile, options.pid);
  return blame_of(map, samples, profile, options.only_class);
}

}  // namespace

int blame_command(const BlameOptions& options) {
  const Blame blame = look(options);
  if (options.json) {
    write_output(options.output, to_json(blame, options));
  } else if (!options.output.empty()) {
    write_output(options.output, to_pprof(whole_waste(blame)));
    if (options.output != "-") {
      fmt::print(stderr, "hakmem: {} pinned, {} of it attributed, in {}; go tool pprof -http=: {}\n", size(blame.pinned_bytes),
                 size(blame.attributed_bytes), options.output, options.output);
    }
  } else {
    write_output("", to_text(blame, options.rows));
  }
  return kExitFine;
}

}  // namespace hakmem::tools
