// tools/live/page.h: the stats page of another process.
//
// Responsibility  Find the page a process shows, copy it, understand its description, write its request word.
// Contract        The page found is the one that this very process has mapped: same device and inode, and the
//                 process's own number in it, so that neither a page of a dead process, nor a parent's, nor a
//                 forged one is taken for it. Copied with pread and checked by its sequence number: a page that
//                 shrinks or is damaged is a Failure, never a crash. Nothing in it is trusted.
// Observable      StatsPage.
// Composable      process. Used by every command of this folder that reads figures.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "process.h"

namespace hakmem::tools {

struct Column {
  std::string name;
  std::string kind;  // gauge, counter, layout; of an option the name of its variable
  std::string unit;
  std::string help;
};

struct Table {
  std::vector<Column> columns;
  std::size_t rows = 0;
  std::size_t offset = 0;
  std::vector<std::uint64_t> words;

  std::optional<std::size_t> column(const std::string& name) const;
  // 0 for what this library does not count.
  std::uint64_t at(std::size_t row, const std::string& name) const;
};

struct EventKind {
  std::string name;
  std::string unit;
  std::string help;
};

struct StatsPage {
  std::string path;
  std::uint64_t age_ms = 0;
  bool answered = true;  // as was asked; of a page that was only read: nothing is asked now
  std::map<std::string, Table> tables;
  std::map<std::uint64_t, EventKind> events;

  const Table& table(const std::string& name) const;
  std::uint64_t total(const std::string& name) const { return table("totals").at(0, name); }
};

// Where the process maps its page; nothing when it maps none. `deleted`: its name is gone.
struct PageFile {
  std::string path;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool deleted = false;
};
std::optional<PageFile> find_page(const std::vector<Mapping>& mappings);
// The same for its heap profile.
std::optional<PageFile> find_profile(const std::vector<Mapping>& mappings);
// Of process `pid`, opened through its own root; why not is a Failure.
int open_page(int pid, const PageFile& file, int flags);

// The library, of either flavour, as a file that is mapped, "" when there is none (it may be linked statically).
std::string mapped_library(const std::vector<Mapping>& mappings);

// Why there is nothing to read is a Failure.
StatsPage read_page(int pid);

enum class Request { kRefresh, kPurge, kProfile, kNoProfile, kLatency };
// Asks for a fresh page, and waits until it is there or `wait_ms` are over. Returns the page as it is then; it
// is `answered` when this request was, whatever others ask meanwhile. What another command has asked for and not got
// yet is kept: a refresh waits for its answer, the others ask for both; only a profile's beginning, its end and a
// watch, which have one argument among them, take the place of each other, when half of the time is over in vain.
// `argument`: of kProfile the bytes between two samples, 0 for the process's own choice; of kLatency milliseconds.
StatsPage ask_page(int pid, Request request, unsigned wait_ms, std::uint32_t argument = 0);

}  // namespace hakmem::tools
