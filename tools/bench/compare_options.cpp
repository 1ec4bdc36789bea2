#include "compare_options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <functional>
#include <optional>
#include <string_view>

namespace hakmem::bench {
namespace {

constexpr const char* kDescription =
    "Run the suite under hakmem and under other allocators, and say in which rows hakmem is\n"
    "faster, slower, equivalent, or nobody can tell.";

constexpr const char* kDetails =
    "How it measures\n"
    "  Every allocator runs every row once per round, in random order, preloaded into the "
    "measured\n"
    "  program alone. A run counts only when the program reports that malloc came from the file\n"
    "  asked for. A row ends when its intervals are narrower than --precision, at --rounds-max,\n"
    "  or when --budget is spent. Ctrl-C ends it early and keeps what there is.\n\n"
    "How it judges\n"
    "  The ratio of hakmem and the other is taken within each round, turned so that above 1 "
    "hakmem\n"
    "  is better; reported are the median and its 95 % interval (order statistics).\n"
    "  equivalent    shown to be within --margin (two one-sided sign tests)\n"
    "  faster        else, shown to be better (sign test); less memory is \"faster\", too\n"
    "  slower        else, shown to be worse; slower ones are printed first\n"
    "  inconclusive  the runs do not tell\n"
    "  All comparisons of a report are corrected together (Holm): with many of them it takes\n"
    "  12 rounds or more before any verdict but inconclusive is possible.\n\n"
    "Exit status\n"
    "  0  measured                    3  a file is missing\n"
    "  1  --fail-on applies, or       4  a file cannot be used\n"
    "     a run of hakmem's failed    5  not a shared library\n"
    "  2  command line or suite       128 + N  ended early by signal N, results were written\n\n"
    "Examples\n"
    "  hakmem bench compare --smoke --html report.html\n"
    "  hakmem bench compare --rows random_mixed_256,remote --against mimalloc,glibc\n"
    "  hakmem bench compare --allocator before=/tmp/old/libhakmem.so --against before \\\n"
    "      --fail-on slower:2%\n";

std::optional<double> number(std::string_view text) {
  double value = 0.0;
  const auto end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc{} || result.ptr != end || !std::isfinite(value) || value < 0) {
    return std::nullopt;
  }
  return value;
}

std::optional<double> percent(std::string_view text) {
  if (text.empty() || text.back() != '%') return std::nullopt;
  const std::optional<double> value = number(text.substr(0, text.size() - 1));
  return value ? std::optional(*value / 100.0) : std::nullopt;
}

std::optional<double> duration_s(std::string_view text) {
  const std::size_t unit = text.find_first_not_of("0123456789.");
  if (unit == std::string_view::npos) return std::nullopt;
  const std::optional<double> value = number(text.substr(0, unit));
  const std::string_view name = text.substr(unit);
  const double seconds = name == "s"                    ? 1.0
                         : name == "m" || name == "min" ? 60.0
                         : name == "h"                  ? 3600.0
                                                        : 0.0;
  if (!value || *value * seconds <= 0.0) return std::nullopt;
  return *value * seconds;
}

using Parser = std::optional<double> (*)(std::string_view);

void declare_value(CLI::App* command, const char* name, const char* type, const char* shown,
                   const char* help, Parser parse, const char* expected, double* value,
                   bool* given = nullptr) {
  command
      ->add_option_function<std::string>(
          name,
          [=](const std::string& text) {
            const std::optional<double> parsed = parse(text);
            if (!parsed) throw CLI::ValidationError(name, text + " is not " + expected);
            *value = *parsed;
            if (given != nullptr) *given = true;
          },
          help)
      ->type_name(type)
      ->default_str(shown);
}

// CLI11's own lists may also be given as further words, which would take what follows them.
CLI::Option* declare_list(CLI::App* command, const char* name, const char* help,
                          std::vector<std::string>* values) {
  return command
      ->add_option_function<std::string>(
          name,
          [=](const std::string& text) {
            for (const std::string& part : CLI::detail::split(text, ',')) {
              if (part.empty()) throw CLI::ValidationError(name, text + " has an empty name");
              values->push_back(part);
            }
          },
          help)
      ->type_name("NAME,...");
}

// CLI11 would print the range in the middle of the help.
CLI::Validator whole(int min) { return CLI::Range(min, 100'000).description(""); }

void parse_fail_on(const std::string& text, CompareOptions* options) {
  if (text == "gate") {
    options->fail_on_gate = true;
    return;
  }
  constexpr std::string_view kSlower = "slower";
  const std::string_view rest =
      std::string_view(text).substr(std::min(text.size(), kSlower.size()));
  const std::optional<double> by = rest.empty() ? 0.0 : percent(rest.substr(1));
  if (text.rfind(kSlower, 0) != 0 || !by || (!rest.empty() && rest.front() != ':')) {
    throw CLI::ValidationError("--fail-on", text + " is not slower, slower:PERCENT% or gate");
  }
  options->fail_on_slower = true;
  options->fail_on_slower_by = *by;
}

void declare_subject(CLI::App* command, CompareOptions* options) {
  const char* const rows = "What is measured";
  declare_list(command, "--rows", "only these rows and checks", &options->rows)->group(rows);
  command->add_flag("--smoke", options->smoke, "the short run: few rows, and a budget of 3m")
      ->group(rows);
  command
      ->add_flag("--gates", options->gates,
                 "the rows and checks with a gate, and the gates' verdicts")
      ->group(rows);
  command->add_option("--suite", options->suite, "the rows; default: bench/suite.json of the build")
      ->type_name("FILE")
      ->group(rows);
  command->add_option("--bench-dir", options->bench_folder, "where the workloads are")
      ->type_name("DIR")
      ->group(rows);
  command->add_flag("--list", options->list, "print rows and allocators, and measure nothing")
      ->group(rows);

  const char* const others = "With what";
  command->add_option("--hakmem", options->hakmem, "the libhakmem.so to judge")
      ->type_name("PATH")
      ->group(others);
  command
      ->add_option("--allocator", options->allocators,
                   "compare with one more library; may be repeated")
      ->type_name("NAME=PATH")
      ->group(others)
      ->take_all()
      ->expected(1)
      ->expected(1);
  declare_list(command, "--against",
               "only these; default: glibc, each that is installed of mimalloc,\n"
               "jemalloc, tcmalloc and tbbmalloc, and each --allocator",
               &options->against)
      ->group(others);
}

void declare_length(CLI::App* command, CompareOptions* options) {
  Settings& settings = options->settings;
  command->add_option("--rounds", settings.rounds, "exactly so many rounds")
      ->type_name("N")
      ->check(whole(1));
  command->add_option("--rounds-max", settings.rounds_max, "at most so many rounds")
      ->type_name("N")
      ->check(whole(1))
      ->capture_default_str();
  declare_value(command, "--precision", "PERCENT%", "4%",
                "a row ends when its intervals are this narrow", percent, "a percentage like 4%",
                &settings.precision);
  declare_value(command, "--budget", "TIME", "20m", "start no row after this time (90s, 20m, 1h)",
                duration_s, "a time like 90s, 20m or 1h", &settings.budget_s,
                &options->budget_given);
  command->add_option("--warmup", settings.warmup, "rounds that are run first and not counted")
      ->type_name("N")
      ->check(whole(0))
      ->capture_default_str();
  declare_value(command, "--timeout", "TIME", "120s", "of one run", duration_s, "a time like 120s",
                &settings.timeout_s);
  command->add_option("--seed", settings.seed, "of the order of runs")
      ->type_name("N")
      ->capture_default_str();
}

}  // namespace

void declare_compare_options(CLI::App* command, CompareOptions* options) {
  command->description(kDescription);
  command->footer(kDetails);
  declare_subject(command, options);
  command->option_defaults()->group("How long");
  declare_length(command, options);

  command->option_defaults()->group("How it is judged");
  declare_value(command, "--margin", "PERCENT%", "2%", "differences up to this do not matter",
                percent, "a percentage like 2%", &options->settings.margin);
  command
      ->add_option_function<std::string>(
          "--fail-on", [=](const std::string& text) { parse_fail_on(text, options); },
          "exit 1 when hakmem is slower anywhere (slower), by more than a\n"
          "percentage (slower:2%), or a gate did not pass (gate)")
      ->type_name("WHAT")
      ->trigger_on_parse()
      ->expected(1);

  command->option_defaults()->group("What is written");
  command->add_option("--json", options->json, "every run and every verdict")->type_name("FILE");
  command->add_option("--html", options->html, "the report as one self-contained page")
      ->type_name("FILE");
  command->add_flag("--all", options->all, "print every comparison, not each row's hardest");
  command->add_flag("--no-profile", options->no_profile,
                    "do not run lost rows once more under callgrind for the page");
  command->add_flag("--no-progress", options->no_progress, "no progress line on stderr");
  command->option_defaults()->group("Options");
}

}  // namespace hakmem::bench
