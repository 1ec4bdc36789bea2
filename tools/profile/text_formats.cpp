#include "text_formats.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "../exit_code.h"
#include "../live/failure.h"
#include "../live/text.h"
#include "flame_page.h"

namespace hakmem::tools {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

struct Row {
  std::vector<std::string> frames;  // the innermost first
  std::int64_t blocks = 0;
  std::int64_t bytes = 0;
  const ProfileSample* sample = nullptr;  // one of them
};

std::string place_text(const Location& location) {
  if (location.file.empty()) return {};
  const std::size_t slash = location.file.rfind('/');
  return fmt::format("  {}:{}", location.file.substr(slash == std::string::npos ? 0 : slash + 1), location.line);
}

// How libc came to main() tells nobody where to look.
bool is_before_main(const std::string& frame) {
  return frame.rfind("__libc_start", 0) == 0 || frame == "_start";
}

// Stacks of one text are one row, largest first.
std::vector<Row> rows_of(const Profile& profile, bool with_places) {
  std::map<std::vector<std::string>, Row> sums;
  for (const ProfileSample& sample : profile.samples) {
    std::vector<std::string> frames;
    for (const std::size_t index : sample.locations) {
      const Location& location = profile.locations[index];
      frames.push_back(location_text(profile, location) + (with_places ? place_text(location) : ""));
    }
    if (frames.empty()) frames.emplace_back("(call site unknown)");
    Row& row = sums[frames];
    row.bytes += sample.values[profile.chosen];
    if (profile.chosen > 0) row.blocks += sample.values[profile.chosen - 1];
    row.frames = std::move(frames);
    row.sample = &sample;
  }
  std::vector<Row> rows;
  for (auto& [frames, row] : sums) rows.push_back(std::move(row));
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return std::abs(a.bytes) > std::abs(b.bytes);
  });
  return rows;
}

std::vector<Row> positive(std::vector<Row> rows) {
  rows.erase(std::remove_if(rows.begin(), rows.end(), [](const Row& row) { return row.bytes <= 0; }), rows.end());
  return rows;
}

void add_to(Profile* sum, const Profile& profile, std::size_t column, std::int64_t sign) {
  std::map<std::string, std::size_t> index;
  for (std::size_t i = 0; i < sum->locations.size(); ++i) index[sum->locations[i].function] = i;
  for (const ProfileSample& sample : profile.samples) {
    ProfileSample named;
    for (const std::size_t number : sample.locations) {
      Location location = profile.locations[number];
      location.function = location_text(profile, location);
      location.module = SIZE_MAX;
      location.address = 0;
      const auto [place, is_new] = index.try_emplace(location.function, sum->locations.size());
      if (is_new) sum->locations.push_back(location);
      named.locations.push_back(place->second);
    }
    const std::int64_t blocks = column == 0 ? 0 : sample.values[column - 1];
    named.values = {sign * blocks, sign * sample.values[column]};
    sum->samples.push_back(std::move(named));
  }
}

}  // namespace

std::string to_table(const Profile& profile, std::size_t rows_max) {
  const std::vector<Row> rows = rows_of(profile, true);
  std::int64_t total = 0;
  std::int64_t all = 0;
  for (const Row& row : rows) {
    total += row.bytes;
    all += std::abs(row.bytes);
  }
  std::string out = fmt::format("{} of {}", profile.columns[profile.chosen].name, bytes_text(total));
  // A difference of two files has no samples of its own.
  if (profile.taken != 0) out += fmt::format(", sampled every {} in the mean ({})", bytes_text(profile.rate), counted(profile.taken, "sample"));
  out += '\n';
  if (profile.lost != 0) {
    out += fmt::format("{} not be followed to the end: live and peak lack that\n", counted(profile.lost, "sample could", "samples could"));
  }
  if (profile.stacks_lost != 0) {
    out += fmt::format("{} no call site: the file of the profile is full\n", counted(profile.stacks_lost, "sample has", "samples have"));
  }
  out += "       bytes             blocks  call site\n";
  for (std::size_t i = 0; i < rows.size() && i < rows_max; ++i) {
    const Row& row = rows[i];
    if (row.bytes == 0) break;
    out += fmt::format("{:>12} {:5.1f} % {:>10}  {}\n", bytes_text(row.bytes),
                       100.0 * static_cast<double>(row.bytes) / static_cast<double>(std::max<std::int64_t>(all, 1)),
                       row.blocks, row.frames.front());
    for (std::size_t frame = 1; frame < row.frames.size() && frame < 4; ++frame) {
      if (is_before_main(row.frames[frame])) break;
      out += fmt::format("{:>34}{}\n", "from ", row.frames[frame]);
    }
  }
  if (rows.size() > rows_max) out += fmt::format("... {} (--rows)\n", counted(rows.size() - rows_max, "more call stack"));
  return out;
}

Json stack_json(const Profile& profile, const ProfileSample& sample) {
  Json stack = Json::array();
  for (const std::size_t index : sample.locations) {
    const Location& location = profile.locations[index];
    Json frame{{"function", location_text(profile, location)}};
    if (!location.file.empty()) {
      frame["file"] = location.file;
      frame["line"] = location.line;
    }
    stack.push_back(frame);
  }
  return stack;
}

std::string to_json(const Profile& profile, const std::string& name) {
  Json sites = Json::array();
  for (const Row& row : rows_of(profile, true)) {
    if (row.bytes == 0) break;
    sites.push_back({{"bytes", row.bytes}, {"blocks", row.blocks}, {"stack", stack_json(profile, *row.sample)}});
  }
  return dump({{"schema", "hakmem.profile/1"},
               {"name", name},
               {"figure", profile.columns[profile.chosen].name},
               {"rate", profile.rate},
               {"samples", profile.taken},
               {"samples_lost", profile.lost},
               {"samples_without_site", profile.stacks_lost},
               {"sites", sites}}) + "\n";
}

std::string to_folded(const Profile& profile) {
  std::string out;
  for (const Row& row : positive(rows_of(profile, false))) {
    std::string line;
    for (auto frame = row.frames.rbegin(); frame != row.frames.rend(); ++frame) {
      std::string name = *frame;
      std::replace(name.begin(), name.end(), ';', ':');
      line += (line.empty() ? "" : ";") + name;
    }
    out += fmt::format("{} {}\n", line, row.bytes);
  }
  return out;
}

std::string to_speedscope(const Profile& profile, const std::string& name) {
  Json frames = Json::array();
  Json samples = Json::array();
  Json weights = Json::array();
  std::map<std::string, std::size_t> index;
  std::int64_t end = 0;
  for (const Row& row : positive(rows_of(profile, false))) {
    Json stack = Json::array();
    for (auto frame = row.frames.rbegin(); frame != row.frames.rend(); ++frame) {
      const auto [place, is_new] = index.try_emplace(*frame, frames.size());
      if (is_new) frames.push_back({{"name", *frame}});
      stack.push_back(place->second);
    }
    samples.push_back(stack);
    weights.push_back(row.bytes);
    end += row.bytes;
  }
  return dump({{"$schema", "https://www.speedscope.app/file-format-schema.json"},
               {"name", name},
               {"exporter", "hakmem"},
               {"activeProfileIndex", 0},
               {"shared", {{"frames", frames}}},
               {"profiles", Json::array({{{"type", "sampled"},
                                          {"name", profile.columns[profile.chosen].name},
                                          {"unit", "bytes"},
                                          {"startValue", 0},
                                          {"endValue", end},
                                          {"samples", samples},
                                          {"weights", weights}}})}}) + "\n";
}

std::string to_html(const Profile& profile, const std::string& name) {
  Json stacks = Json::array();
  for (const Row& row : positive(rows_of(profile, true))) {
    stacks.push_back({{"f", row.frames}, {"b", row.bytes}, {"n", row.blocks}});
  }
  std::string data = dump({{"name", name},
                           {"column", profile.columns[profile.chosen].name},
                           {"rate", profile.rate},
                           {"stacks", stacks}});
  // Nothing in a name may end the script.
  for (std::size_t at = 0; (at = data.find('<', at)) != std::string::npos;) data.replace(at, 1, "\\u003c");
  std::string page = kFlamePage;
  const std::string place = "@DATA@";
  return page.replace(page.find(place), place.size(), data);
}

Profile difference(const Profile& before, const Profile& after, const std::string& wanted) {
  const std::string name = wanted.empty() ? after.columns[after.chosen].name : wanted;
  Profile sum;
  const std::size_t first = column_of(before, name);
  const std::size_t second = column_of(after, name);
  if (first == SIZE_MAX || second == SIZE_MAX) {
    throw Failure(kExitUnsupported, "the two profiles do not both have figures of {}", name);
  }
  sum.columns = {{"objects", "count"}, {name, "bytes"}};
  sum.chosen = 1;
  sum.rate = after.rate;
  add_to(&sum, before, first, -1);
  add_to(&sum, after, second, 1);
  return sum;
}

}  // namespace hakmem::tools
