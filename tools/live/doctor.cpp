// hakmem doctor: what is wrong here, and what would help.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <set>

#include "../elf_file.h"
#include "commands.h"
#include "doctor_rules.h"
#include "explain.h"
#include "failure.h"
#include "text.h"

namespace hakmem::tools {
namespace {

struct Options {
  int pid = 0;
  std::string root;
  bool json = false;
};

// Files with an allocator inside, but for the one that malloc comes from.
std::vector<std::string> other_allocators(const std::vector<Mapping>& mappings, const std::string& provider) {
  std::set<std::string> seen;
  std::vector<std::string> others;
  for (const Mapping& mapping : mappings) {
    if (mapping.path.rfind('/', 0) != 0 || mapping.permissions.find('x') == std::string::npos) continue;
    if (mapping.path == provider || !seen.insert(mapping.path).second) continue;
    const std::optional<ElfFile> file = read_elf(mapping.path);
    const std::string name = !file || file->holds_hakmem ? "" : embedded_allocator(*file);
    if (!name.empty()) others.push_back(fmt::format("{} ({})", printable(mapping.path), name));
  }
  return others;
}

void examine_process(const Options& options, Patient* patient) {
  const int pid = options.pid;
  const std::vector<Mapping> mappings = read_mappings(pid, Detail::kAddresses);
  patient->environment = read_environment(pid);
  patient->mappings = mappings.size();
  patient->verdict = verify_process(pid);
  if (!patient->verdict.hakmem && patient->verdict.cause == Cause::kOther) {
    throw Failure(kExitTargetMissing, "process {} does not use hakmem: {}", pid, patient->verdict.reason);
  }
  patient->other_allocators = other_allocators(mappings, patient->verdict.provider);
  if (find_page(mappings)) patient->reading = take_reading(pid);
}

Patient examine(const Options& options) {
  Patient patient;
  patient.pid = options.pid;
  patient.host = read_host(options.root);
  patient.limit = read_memory_limit(options.root, options.pid == 0 ? getpid() : options.pid);
  if (options.pid == 0) {
    for (char** entry = environ; *entry != nullptr; ++entry) patient.environment.emplace_back(*entry);
  } else {
    examine_process(options, &patient);
  }
  patient.ignored_options = complaints_about(patient.environment);
  return patient;
}

bool applies(const Rule& rule, const Patient& patient) {
  if (rule.needs == Needs::kFigures) return patient.reading.has_value();
  return rule.needs == Needs::kSystem || patient.pid != 0;
}

nlohmann::ordered_json json_of(const Rule& rule, const Patient& patient, const std::optional<Finding>& finding) {
  nlohmann::ordered_json row{{"id", rule.id}, {"name", rule.name}};
  row["status"] = finding ? "finding" : applies(rule, patient) ? "fine" : "not looked at";
  if (finding) {
    row["what"] = finding->what;
    row["reason"] = finding->reason;
    row["command"] = finding->command;
    row["effect"] = finding->effect;
    row["basis"] = finding->basis;
  }
  return row;
}

void print_finding(const Rule& rule, const Finding& finding) {
  fmt::print("{} {}: {}\n  reason   {}\n  try      {}\n  expect   {}\n  basis    {}\n", rule.id, rule.name, finding.what,
             finding.reason, finding.command, finding.effect, finding.basis);
}

int doctor(const Options& options) {
  const Patient patient = examine(options);
  std::vector<Rule> rules = system_rules();
  for (const Rule& rule : figure_rules()) rules.push_back(rule);
  nlohmann::ordered_json out{{"schema", "hakmem.doctor/1"}, {"pid", options.pid}};
  out["rules"] = nlohmann::ordered_json::array();
  int looked_at = 0;
  std::uint64_t findings = 0;
  for (const Rule& rule : rules) {
    const bool is_asked = applies(rule, patient);
    const std::optional<Finding> finding = is_asked ? rule.examine(patient) : std::nullopt;
    looked_at += is_asked;
    findings += finding.has_value();
    out["rules"].push_back(json_of(rule, patient, finding));
    if (finding && !options.json) print_finding(rule, *finding);
  }
  out["findings"] = findings;
  if (options.json) {
    fmt::print("{}\n", out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else {
    fmt::print("{}; {} of {} rules looked at{}\n", counted(findings, "finding"), looked_at, rules.size(),
               options.pid == 0 ? ", the others need a process" : patient.reading ? "" : ", the others need figures");
  }
  return findings == 0 ? kExitFine : kExitFinding;
}

}  // namespace

void declare_doctor(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("doctor", "What is wrong with a process or this system, and what would help");
  const auto options = std::make_shared<Options>();
  command->add_option("PID", options->pid, "a process; without one: this system and environment")->check(CLI::PositiveNumber);
  command->add_option("--root", options->root, "where the system's /proc/sys, /proc/meminfo, /sys and /dev/shm are mounted")
      ->type_name("FOLDER");
  command->add_flag("--json", options->json, "as JSON, schema hakmem.doctor/1, every rule");
  command->footer("Examples:\n  hakmem doctor\n  hakmem doctor 4121\n\n"
                  "Each finding has an id (HAK001 ...), its reason, what to type, what that is expected to do, and what\n"
                  "the expectation rests on; docs/OBSERVE.md lists all ids. Nothing is changed.\n"
                  "Exit status 0: no finding; 1: findings; 3: the process is not there or does not use hakmem.");
  command->callback([options, action] { *action = [options] { return doctor(*options); }; });
}

}  // namespace hakmem::tools
