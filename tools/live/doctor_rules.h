// tools/live/doctor_rules.h: what can be wrong with a heap or its system, one rule each.
//
// Responsibility  From what is known of a process to findings.
// Contract        A rule's id and name never change their meaning; docs/OBSERVE.md has a row for each. A finding
//                 says why, what to type, what that is expected to do, and what the expectation rests on: a figure
//                 of this very process, a measurement in docs/, or what the kernel or glibc documents.
// Observable      Rule, Finding.
// Composable      stat, host, verify. Used by doctor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host.h"
#include "stat.h"
#include "verify.h"

namespace hakmem::tools {

// All that the rules look at. Without a process: the system, and the environment of the command.
struct Patient {
  int pid = 0;
  Host host;
  MemoryLimit limit;
  std::vector<std::string> environment;
  std::vector<std::string> ignored_options;
  std::uint64_t mappings = 0;
  Verdict verdict;
  std::vector<std::string> other_allocators;  // "file (jemalloc)"
  std::optional<Reading> reading;             // of processes that show figures
};

struct Finding {
  std::string what;
  std::string reason;
  std::string command;
  std::string effect;
  std::string basis;
};

enum class Needs { kSystem, kProcess, kFigures };

struct Rule {
  const char* id;
  const char* name;
  Needs needs;
  std::optional<Finding> (*examine)(const Patient& patient);
};

// Those of the system and of how the process was started, then those of its figures; by id.
std::vector<Rule> system_rules();
std::vector<Rule> figure_rules();

}  // namespace hakmem::tools
