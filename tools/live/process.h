// tools/live/process.h: what /proc says of another process.
//
// Responsibility  Mappings, memory, identity and environment of a process, by its pid.
// Contract        Reads only; no ptrace, no signal. A process that is not there, or may not be looked at, is a
//                 Failure that says so. Texts of the process come out printable.
// Observable      Nothing.
// Composable      Used by every command of this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hakmem::tools {

struct Mapping {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::string permissions;  // "rw-p"
  std::uint64_t device = 0;  // as makedev() gives it
  std::uint64_t inode = 0;
  std::string path;  // "" for anonymous memory
  std::uint64_t rss = 0;     // with Detail::kMemory only
  std::uint64_t swap = 0;
  std::uint64_t huge_pages = 0;  // bytes of rss in transparent huge pages
};

enum class Detail { kAddresses, kMemory };

std::vector<Mapping> read_mappings(int pid, Detail detail);

struct ProcessInfo {
  int pid = 0;
  int own_pid = 0;  // as it sees itself, in its pid namespace
  unsigned uid = 0;  // effective
  std::string user;
  std::string name;
  std::string command;
  std::uint64_t rss = 0;
  std::uint64_t swap = 0;
  std::uint64_t threads = 0;
  double age_s = 0;
};

ProcessInfo read_process(int pid);

// "NAME=value" texts the program was started with.
std::vector<std::string> read_environment(int pid);
std::optional<std::string> variable_of(const std::vector<std::string>& environment, const std::string& name);

// All that can be seen, ascending.
std::vector<int> all_processes();

// Whole small file; nothing when it cannot be read (errno says why).
std::optional<std::string> read_text(const std::string& path);

// Control bytes become '?'.
std::string printable(std::string text);

}  // namespace hakmem::tools
