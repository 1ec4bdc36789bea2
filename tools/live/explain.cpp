// hakmem explain: every option, its value, where it came from, and what was ignored.
#include "explain.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "commands.h"
#include "config/config.h"
#include "explain.h"
#include "failure.h"
#include "page.h"
#include "text.h"
#include "translate.h"

namespace hakmem::tools {
namespace {

struct OptionRow {
  std::string name;
  std::string variable;
  std::string value;
  std::string source;
  std::string help;
  bool is_default = true;
};

struct Explanation {
  std::vector<OptionRow> options;
  std::vector<std::string> ignored;  // the library's own lines
  std::vector<Translation> others;
};

std::string value_text(std::uint64_t value, const std::string& unit, bool zero_is_automatic) {
  if (unit == "switch") return value != 0 ? "on" : "off";
  if (unit == "auto_switch") return value == 0 ? "off" : value == 1 ? "auto" : "on";
  if (unit == "bytes") return value == 0 && zero_is_automatic ? "automatic" : bytes_text(static_cast<std::int64_t>(value));
  if (unit == "milliseconds") return value == kDurationNeverMs ? "never" : fmt::format("{} ms", value);
  if (unit == "ppm") return fmt::format("{} %", static_cast<double>(value) / 10000);
  return std::to_string(value);
}

std::string default_of(const std::string& variable) {
  for (const OptionInfo& option : option_table()) {
    if (variable == option.env) return option.default_text;
  }
  return {};
}

}  // namespace

std::vector<std::string> complaints_about(const std::vector<std::string>& environment) {
  std::vector<const char*> entries;
  for (const std::string& entry : environment) entries.push_back(entry.c_str());
  entries.push_back(nullptr);
  std::vector<std::string> lines;
  const ConfigIssueSink sink{[](void* context, TextView line) {
                               std::string text(line.data, line.size);
                               while (!text.empty() && text.back() == '\n') text.pop_back();
                               static_cast<std::vector<std::string>*>(context)->push_back(text);
                             },
                             &lines};
  parse_config(entries.data(), false, sink);
  return lines;
}

namespace {

// One option of this command's own library, in an environment.
std::string parsed_value(const OptionInfo& option, const std::optional<std::string>& text) {
  const auto parse = [&option](const std::string& value) { return parse_value(option.type, {value.data(), value.size()}); };
  Parsed parsed = parse(text.value_or(option.default_text));
  if (!parsed.ok) parsed = parse(option.default_text);
  const bool is_automatic = option.type == ValueType::auto_size && parsed.value == 0;
  return is_automatic ? "automatic" : text && parse(*text).ok ? *text : option.default_text;
}

void add_options_of_page(const StatsPage& page, const std::vector<std::string>& environment, Explanation* out) {
  const Table& options = page.table("options");
  for (const Column& column : options.columns) {
    const std::string initial = default_of(column.kind);
    OptionRow row{column.name, column.kind,
                  value_text(options.at(0, column.name), column.unit, initial == "automatic"), "default", column.help, true};
    const std::optional<std::string> set = variable_of(environment, column.kind);
    if (set) {
      row.source = fmt::format("{}={}", column.kind, printable(*set));
      row.is_default = false;
    }
    out->options.push_back(row);
  }
}

void add_options_of_environment(const std::vector<std::string>& environment, Explanation* out) {
  for (const OptionInfo& option : option_table()) {
    const std::optional<std::string> set = variable_of(environment, option.env);
    OptionRow row{option.name, option.env, parsed_value(option, set), "default", option.help, !set.has_value()};
    if (set) row.source = fmt::format("{}={}", option.env, printable(*set));
    out->options.push_back(row);
  }
}

Explanation explain_environment(const std::vector<std::string>& environment) {
  Explanation out;
  out.ignored = complaints_about(environment);
  // A complaint names the variable: its value did not come from there.
  for (const std::string& variable : environment) {
    for (Translation& translation : translate(variable)) {
      if (variable.find('=') != std::string::npos) out.others.push_back(translation);
    }
  }
  return out;
}

void mark_refused(Explanation* out) {
  for (OptionRow& row : out->options) {
    for (const std::string& line : out->ignored) {
      if (line.find(" " + row.variable + "=") == std::string::npos) continue;
      row.is_default = true;
      row.source = "default: " + row.source + " was ignored";
    }
  }
}

void print_translations(const std::vector<Translation>& list) {
  for (const Translation& one : list) {
    const std::string answer = one.equivalent.empty() ? "no equivalent" : one.equivalent;
    fmt::print("  {:<34} {}{}{}\n", printable(one.setting), answer, one.note.empty() ? "" : ": ", one.note);
  }
}

nlohmann::ordered_json json_of(const std::vector<Translation>& list) {
  auto out = nlohmann::ordered_json::array();
  for (const Translation& one : list) {
    out.push_back({{"setting", printable(one.setting)}, {"equivalent", one.equivalent}, {"note", one.note}});
  }
  return out;
}

nlohmann::ordered_json json_of(const Explanation& explanation) {
  nlohmann::ordered_json out{{"schema", "hakmem.explain/1"}};
  out["options"] = nlohmann::ordered_json::array();
  for (const OptionRow& row : explanation.options) {
    out["options"].push_back({{"name", row.name}, {"variable", row.variable}, {"value", row.value},
                              {"source", row.source}, {"default", row.is_default}, {"help", row.help}});
  }
  out["ignored"] = explanation.ignored;
  out["others"] = json_of(explanation.others);
  return out;
}

struct Options {
  int pid = 0;
  std::string from;
  bool json = false;
};

int explain_text(const Options& options) {
  const std::vector<Translation> list = translate(options.from);
  if (list.empty()) {
    throw Failure(kExitUsage, "--from {}: not a setting of jemalloc, mimalloc or glibc (try --from"
                  " 'MALLOC_CONF=dirty_decay_ms:5000')", printable(options.from));
  }
  if (options.json) {
    fmt::print("{}\n", nlohmann::ordered_json{{"schema", "hakmem.explain/1"}, {"others", json_of(list)}}.dump(2));
  } else {
    print_translations(list);
  }
  return kExitFine;
}

Explanation explanation_of(int pid) {
  const std::vector<std::string> environment = read_environment(pid);
  Explanation explanation = explain_environment(environment);
  const std::vector<Mapping> mappings = read_mappings(pid, Detail::kAddresses);
  if (find_page(mappings)) {
    add_options_of_page(read_page(pid), environment, &explanation);
  } else if (!mapped_library(mappings).empty()) {
    add_options_of_environment(environment, &explanation);
  } else {
    throw Failure(kExitTargetMissing, "process {} does not use hakmem (hakmem verify --pid {} says why)", pid, pid);
  }
  mark_refused(&explanation);
  return explanation;
}

Explanation explanation_of_this_environment() {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  Explanation explanation = explain_environment(environment);
  add_options_of_environment(environment, &explanation);
  mark_refused(&explanation);
  return explanation;
}

int explain(const Options& options) {
  if (!options.from.empty()) return explain_text(options);
  const Explanation explanation = options.pid != 0 ? explanation_of(options.pid) : explanation_of_this_environment();
  const int code = explanation.ignored.empty() ? kExitFine : kExitFinding;
  if (options.json) {
    fmt::print("{}\n", json_of(explanation).dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    return code;
  }
  for (const OptionRow& row : explanation.options) {
    fmt::print("  {:<20} {:<12} {}\n{:23}{}\n", row.name, row.value, row.source, "", row.help);
  }
  if (!explanation.ignored.empty()) fmt::print("ignored\n");
  for (const std::string& line : explanation.ignored) fmt::print("  {}\n", line);
  if (!explanation.others.empty()) fmt::print("settings of other allocators, which hakmem does not read\n");
  print_translations(explanation.others);
  return code;
}

}  // namespace

nlohmann::ordered_json explanation_of_process(int pid) { return json_of(explanation_of(pid)); }

void declare_explain(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("explain", "Options in force, where they came from, what was ignored");
  const auto options = std::make_shared<Options>();
  CLI::Option* pid = command->add_option("PID", options->pid, "a process; without one: what this environment would give")
                         ->check(CLI::PositiveNumber);
  command->add_option("--from", options->from, "translate a setting of jemalloc, mimalloc or glibc")->excludes(pid);
  command->add_flag("--json", options->json, "as JSON, schema hakmem.explain/1");
  command->footer("Examples:\n  hakmem explain 4121\n  hakmem explain --from \"MALLOC_CONF=$MALLOC_CONF\"\n\n"
                  "Exit status 1: something was ignored.");
  command->callback([options, action] { *action = [options] { return explain(*options); }; });
}

}  // namespace hakmem::tools
