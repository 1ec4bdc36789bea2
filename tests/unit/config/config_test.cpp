#include "config/config.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace hakmem {
namespace {

using Lines = std::vector<std::string>;

struct Result {
  ParsedConfig parsed;
  Lines lines;
};

Result parse(const std::vector<std::string>& entries, bool secure = false) {
  std::vector<const char*> environment;
  for (const std::string& entry : entries) environment.push_back(entry.c_str());
  environment.push_back(nullptr);
  Result result;
  const ConfigIssueSink sink = {[](void* context, TextView line) {
                                  static_cast<Lines*>(context)->emplace_back(line.data, line.size);
                                },
                                &result.lines};
  result.parsed = parse_config(environment.data(), secure, sink);
  EXPECT_EQ(result.parsed.issue_count, result.lines.size());
  return result;
}

// Nothing but this one line, and the default kept.
void expect_only_issue(const std::string& entry, const std::string& line) {
  const Result result = parse({entry});
  EXPECT_EQ(result.lines, Lines{"hakmem: " + line + "\n"});
  EXPECT_EQ(result.parsed.config, Config{});
  EXPECT_FALSE(result.parsed.must_exit);
}

std::string nearest_to(const std::string& name) {
  const Result result = parse({name + "=1"});
  if (result.lines.size() != 1) return "no issue";
  const std::string& line = result.lines[0];
  const std::string mark = "(nearest: ";
  const size_t start = line.find(mark);
  if (start == std::string::npos) return "none";
  return line.substr(start + mark.size(), line.find(')') - start - mark.size());
}

TEST(Config, Defaults) {
  const Config defaults;
  EXPECT_EQ(defaults.reserve_bytes, 0U);
  EXPECT_EQ(defaults.decay_ms, 1000U);
  EXPECT_EQ(defaults.cache_limit_bytes, 0U);
  EXPECT_TRUE(defaults.tiny_use_superslab);
  EXPECT_TRUE(defaults.tiny_ss_shared);
  EXPECT_FALSE(defaults.strict);
  EXPECT_FALSE(defaults.verbose);
}

TEST(Config, EmptyAndForeignEnvironmentsGiveTheDefaults) {
  const ConfigIssueSink no_sink = {nullptr, nullptr};
  EXPECT_EQ(parse_config(nullptr, false, no_sink).config, Config{});
  const Result result = parse({"PATH=/bin", "", "=", "HAKMEM=1", "HAKME", "H", "hakmem_decay=2s",
                               "XHAKMEM_DECAY=2s", "HAKMEM_DECAY", "HAKMEM_NO_EQUALS_SIGN"});
  EXPECT_EQ(result.parsed.config, Config{});
  EXPECT_EQ(result.lines, Lines{});
}

TEST(Config, ReadsEveryOption) {
  const Result result =
      parse({"HAKMEM_RESERVE=1.5GiB", "HOME=/root", "HAKMEM_DECAY=500ms", "HAKMEM_CACHE_LIMIT=64m",
             "HAKMEM_TINY_USE_SUPERSLAB=off", "HAKMEM_TINY_SS_SHARED=0", "HAKMEM_STRICT=yes",
             "HAKMEM_VERBOSE=On"});
  EXPECT_EQ(result.lines, Lines{});
  EXPECT_FALSE(result.parsed.must_exit);
  const Config& config = result.parsed.config;
  EXPECT_EQ(config.reserve_bytes, uint64_t{3} << 29);
  EXPECT_EQ(config.decay_ms, 500U);
  EXPECT_EQ(config.cache_limit_bytes, uint64_t{64} << 20);
  EXPECT_FALSE(config.tiny_use_superslab);
  EXPECT_FALSE(config.tiny_ss_shared);
  EXPECT_TRUE(config.strict);
  EXPECT_TRUE(config.verbose);
}

TEST(Config, DefaultsMinimaAndMaximaOfTheTableAreAcceptedAsTyped) {
  for (const OptionInfo& option : option_table()) {
    const std::string name = option.env;
    for (const char* value : {option.min_text, option.max_text}) {
      EXPECT_EQ(parse({name + "=" + value}).lines, Lines{}) << name << value;
    }
    const Result result = parse({name + "=" + option.default_text});
    EXPECT_EQ(result.lines, Lines{}) << name;
    EXPECT_EQ(result.parsed.config, Config{}) << name;
  }
}

TEST(Config, UnknownName) {
  expect_only_issue("HAKMEM_DECYA=2s",
                    "unknown option HAKMEM_DECYA (nearest: HAKMEM_DECAY); ignored");
  expect_only_issue("HAKMEM_FLUX_CAPACITOR=1", "unknown option HAKMEM_FLUX_CAPACITOR; ignored");
  expect_only_issue("HAKMEM_=1", "unknown option HAKMEM_; ignored");
  expect_only_issue("HAKMEM_DECAY =1",
                    "unknown option HAKMEM_DECAY  (nearest: HAKMEM_DECAY); ignored");
  // A colour code in a name must not reach the terminal, nor a newline forge a second line.
  expect_only_issue("HAKMEM_\033[1m\nX=1", "unknown option HAKMEM_?[1m?X; ignored");
}

TEST(Config, NearestName) {
  EXPECT_EQ(nearest_to("HAKMEM_DECA"), "HAKMEM_DECAY");
  EXPECT_EQ(nearest_to("HAKMEM_decay"), "none");  // five letters differ
  EXPECT_EQ(nearest_to("HAKMEM_RESERVED"), "HAKMEM_RESERVE");
  EXPECT_EQ(nearest_to("HAKMEM_RESREVE"), "HAKMEM_RESERVE");
  EXPECT_EQ(nearest_to("HAKMEM_CACHELIMIT"), "HAKMEM_CACHE_LIMIT");
  EXPECT_EQ(nearest_to("HAKMEM_SS_SHARED"), "HAKMEM_TINY_SS_SHARED");
  EXPECT_EQ(nearest_to("HAKMEM_TINY_SUPERSLAB"), "HAKMEM_TINY_USE_SUPERSLAB");
  EXPECT_EQ(nearest_to("HAKMEM_STRIKT"), "HAKMEM_STRICT");
  EXPECT_EQ(nearest_to("HAKMEM_VERBOSITY"), "HAKMEM_VERBOSE");
  EXPECT_EQ(nearest_to("HAKMEM_X"), "none");
}

TEST(Config, EveryNeighbourOfEveryNameIsFound) {
  for (const OptionInfo& option : option_table()) {
    const std::string name = option.env;
    for (size_t i = 7; i < name.size(); ++i) {
      std::string dropped = name;
      dropped.erase(i, 1);
      EXPECT_EQ(nearest_to(dropped), name);
      std::string changed = name;
      changed[i] = '#';
      EXPECT_EQ(nearest_to(changed), name);
      std::string added = name;
      added.insert(i, 1, '#');
      EXPECT_EQ(nearest_to(added), name);
      if (i + 1 < name.size() && name[i] != name[i + 1]) {
        std::string swapped = name;
        std::swap(swapped[i], swapped[i + 1]);
        EXPECT_EQ(nearest_to(swapped), name);
      }
    }
  }
}

TEST(Config, BadValues) {
  expect_only_issue("HAKMEM_RESERVE=12q",
                    "HAKMEM_RESERVE=12q is not a size (e.g. 64k, 1.5GiB); using automatic");
  expect_only_issue("HAKMEM_RESERVE=",
                    "HAKMEM_RESERVE= is not a size (e.g. 64k, 1.5GiB); using automatic");
  expect_only_issue("HAKMEM_RESERVE==4k",
                    "HAKMEM_RESERVE==4k is not a size (e.g. 64k, 1.5GiB); using automatic");
  expect_only_issue("HAKMEM_DECAY=500",
                    "HAKMEM_DECAY=500 is not a duration (e.g. 500ms, 2s, never); using 1s");
  expect_only_issue("HAKMEM_VERBOSE=maybe",
                    "HAKMEM_VERBOSE=maybe is not a switch (e.g. on, off); using off");
  expect_only_issue("HAKMEM_TINY_SS_SHARED=2",
                    "HAKMEM_TINY_SS_SHARED=2 is not a switch (e.g. on, off); using on");
  expect_only_issue("HAKMEM_CACHE_LIMIT=\n\t4k",
                    "HAKMEM_CACHE_LIMIT=??4k is not a size (e.g. 64k, 1.5GiB); using automatic");
}

TEST(Config, ValuesOutOfRange) {
  EXPECT_EQ(parse({"HAKMEM_RESERVE=128TiB"}).parsed.config.reserve_bytes, uint64_t{1} << 47);
  for (const char* value : {"140737488355329", "129TiB", "99999999999999999999"}) {
    expect_only_issue(
        std::string("HAKMEM_RESERVE=") + value,
        std::string("HAKMEM_RESERVE=") + value + " is out of range (0 to 128TiB); using automatic");
  }
  expect_only_issue("HAKMEM_DECAY=18446744073709551615ms",
                    "HAKMEM_DECAY=18446744073709551615ms is out of range (0 to never); using 1s");
  EXPECT_EQ(parse({"HAKMEM_DECAY=never"}).parsed.config.decay_ms, kDurationNeverMs);
  EXPECT_EQ(parse({"HAKMEM_DECAY=0"}).parsed.config.decay_ms, 0U);
}

TEST(Config, LongNamesAndValuesAreShownInPartAndTheLineStaysWhole) {
  const std::string filler(5000, 'A');
  const Result unknown = parse({"HAKMEM_" + filler + "=1"});
  EXPECT_EQ(unknown.lines,
            Lines{"hakmem: unknown option HAKMEM_" + filler.substr(0, 57) + "...; ignored\n"});
  for (const OptionInfo& option : option_table()) {
    const Result bad = parse({option.env + std::string("=") + filler});
    ASSERT_EQ(bad.lines.size(), 1U);
    EXPECT_LT(bad.lines[0].size(), LineWriter::kCapacity);
    const std::string end = std::string("; using ") + option.default_text + "\n";
    EXPECT_EQ(bad.lines[0].substr(bad.lines[0].size() - end.size()), end);
  }
}

TEST(Config, SeveralIssuesAreAllReportedInOrderAndTheGoodValuesKept) {
  const Result result = parse({"HAKMEM_DECAY=soon", "HAKMEM_RESERVE=1g", "HAKMEM_RESERV=2g",
                               "HAKMEM_VERBOSE=on", "HAKMEM_CACHE_LIMIT=-1"});
  ASSERT_EQ(result.lines.size(), 3U);
  EXPECT_NE(result.lines[0].find("HAKMEM_DECAY=soon is not"), std::string::npos);
  EXPECT_NE(result.lines[1].find("HAKMEM_RESERV (nearest: HAKMEM_RESERVE)"), std::string::npos);
  EXPECT_NE(result.lines[2].find("HAKMEM_CACHE_LIMIT=-1 is not"), std::string::npos);
  Config expected;
  expected.reserve_bytes = uint64_t{1} << 30;
  expected.verbose = true;
  EXPECT_EQ(result.parsed.config, expected);
}

TEST(Config, OfDuplicatesTheFirstCountsAsInGetenv) {
  EXPECT_EQ(parse({"HAKMEM_DECAY=2s", "HAKMEM_DECAY=3s"}).parsed.config.decay_ms, 2000U);
  // The later ones are not looked at: neither reported nor used in place of a bad first.
  EXPECT_EQ(parse({"HAKMEM_DECAY=2s", "HAKMEM_DECAY=soon"}).lines, Lines{});
  const Result bad_first = parse({"HAKMEM_DECAY=soon", "HAKMEM_DECAY=3s"});
  EXPECT_EQ(bad_first.lines.size(), 1U);
  EXPECT_EQ(bad_first.parsed.config, Config{});
  EXPECT_FALSE(parse({"HAKMEM_STRICT=0", "HAKMEM_STRICT=1", "HAKMEM_X=1"}).parsed.must_exit);
}

TEST(Config, SecureProgramsIgnoreTheEnvironment) {
  const Result result = parse({"HAKMEM_DECAY=2s", "HAKMEM_DECYA=2s", "HAKMEM_STRICT=1",
                               "HAKMEM_RESERVE=12q", "HAKMEM_TINY_USE_SUPERSLAB=0"},
                              true);
  EXPECT_EQ(result.parsed.config, Config{});
  EXPECT_EQ(result.lines, Lines{});
  EXPECT_FALSE(result.parsed.must_exit);
}

TEST(Config, StrictExitsOnAnyIssueWhereverItStands) {
  EXPECT_EQ(kExitBadConfiguration, 78);
  EXPECT_TRUE(parse({"HAKMEM_STRICT=1", "HAKMEM_DECYA=2s"}).parsed.must_exit);
  EXPECT_TRUE(parse({"HAKMEM_DECYA=2s", "HAKMEM_STRICT=1"}).parsed.must_exit);
  EXPECT_TRUE(parse({"HAKMEM_RESERVE=12q", "HAKMEM_STRICT=on"}).parsed.must_exit);
  EXPECT_FALSE(parse({"HAKMEM_STRICT=1", "HAKMEM_DECAY=2s"}).parsed.must_exit);
  EXPECT_FALSE(parse({"HAKMEM_STRICT=0", "HAKMEM_DECYA=2s"}).parsed.must_exit);
  EXPECT_FALSE(parse({"HAKMEM_STRICT=very"}).parsed.must_exit);
  EXPECT_EQ(parse({"HAKMEM_STRICT=1", "HAKMEM_A=1", "HAKMEM_B=1"}).lines.size(), 2U);
}

TEST(Config, NamesOfTheBenchmarksAreNotReported) {
  const Result result = parse({"HAKMEM_BENCH_FAST_BLOCKS=many", "HAKMEM_STRICT=1"});
  EXPECT_EQ(result.lines, Lines{});
  EXPECT_FALSE(result.parsed.must_exit);
  EXPECT_EQ(parse({"HAKMEM_BENCH_FAST_BLOCK=1"}).lines.size(), 1U);
}

TEST(Config, IssuesCountWithoutAReceiver) {
  const char* environment[] = {"HAKMEM_X=1", "HAKMEM_STRICT=1", nullptr};
  const ParsedConfig parsed = parse_config(environment, false, {nullptr, nullptr});
  EXPECT_EQ(parsed.issue_count, 1U);
  EXPECT_TRUE(parsed.must_exit);
}

TEST(Config, TableIsCompleteAndConsistent) {
  const OptionTable table = option_table();
  EXPECT_EQ(table.count, 17U);
  std::set<std::string> names;
  for (const OptionInfo& option : table) {
    std::string expected = "HAKMEM_";
    for (const char* c = option.name; *c != '\0'; ++c) {
      expected += *c == '_' ? '_' : static_cast<char>(*c - 'a' + 'A');
    }
    EXPECT_EQ(option.env, expected);
    EXPECT_TRUE(names.insert(option.name).second);
    const std::string help = option.help;
    EXPECT_FALSE(help.empty());
    EXPECT_EQ(help.find('\n'), std::string::npos);
    EXPECT_LE(help.size(), 100U);
  }
}

// Sealing lasts as long as the process, so these run in a child and leave the other tests alone.
void seal_and_check() {
  if (config() != Config{}) _exit(1);
  Config wanted;
  wanted.decay_ms = 7;
  wanted.verbose = true;
  if (!seal(wanted) || config() != wanted) _exit(2);
  if (seal(Config{}) || config() != wanted) _exit(3);
  const SealedPage page = sealed_page();
  if (mprotect(page.address, page.size_bytes, PROT_READ) != 0) _exit(4);
  if (seal(Config{}) || config() != wanted) _exit(5);  // does not write, so does not fault
}

TEST(ConfigSeal, TakesEffectOnceAndReadsBackWhenReadOnly) {
  EXPECT_EXIT((seal_and_check(), _exit(0)), testing::ExitedWithCode(0), "");
  EXPECT_EQ(config(), Config{});
}

void write_after_seal() {
  signal(SIGSEGV, SIG_DFL);  // a sanitizer's handler would turn the signal into an exit status
  seal_and_check();
  const_cast<Config&>(config()).decay_ms = 8;
}

TEST(ConfigSeal, TheMmuGuardsIt) {
  EXPECT_EXIT(write_after_seal(), testing::KilledBySignal(SIGSEGV), "");
}

TEST(ConfigSeal, OwnsWholePages) {
  const SealedPage page = sealed_page();
  const size_t system_page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(page.address) % system_page_bytes, 0U);
  EXPECT_EQ(page.size_bytes % system_page_bytes, 0U);
  EXPECT_EQ(static_cast<const void*>(&config()), page.address);
}

}  // namespace
}  // namespace hakmem
