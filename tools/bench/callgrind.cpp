#include "callgrind.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string_view>

#include "../search_path.h"

extern char** environ;

namespace hakmem::bench {
namespace {

namespace fs = std::filesystem;

constexpr unsigned long kSlowness = 50;
// More than 400 000 say no more: a refill's share is right to a hundredth of an instruction.
constexpr unsigned long kOperationsMin = 1000;
constexpr unsigned long kOperationsMax = 400'000;
constexpr std::chrono::seconds kTimeout{300};
// valgrind's own address space has no room for the usual one.
constexpr const char* kReserve = "HAKMEM_RESERVE=4GiB";

std::vector<std::string> environment_with(const Allocator& allocator,
                                          const std::vector<std::string>& settings) {
  std::vector<std::string> result = settings;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (text.rfind("LD_PRELOAD=", 0) != 0 && text.rfind("HAKMEM_RESERVE=", 0) != 0) {
      result.emplace_back(text);
    }
  }
  result.emplace_back(kReserve);
  if (!allocator.path.empty()) result.push_back("LD_PRELOAD=" + allocator.path.native());
  return result;
}

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return std::isdigit(c) != 0; });
}

}  // namespace

unsigned long operations_under_valgrind(const Row& row) {
  if (row.args.empty()) return kOperationsMin;
  if (!is_number(row.args[0])) return 0;
  return std::clamp(std::strtoul(row.args[0].c_str(), nullptr, 10) / kSlowness, kOperationsMin,
                    kOperationsMax);
}

ChildResult run_under_callgrind(const Row& row, const fs::path& program, const Allocator& allocator,
                                unsigned long operations, const std::vector<std::string>& options,
                                const std::vector<std::string>& settings) {
  std::vector<std::string> command = {"valgrind", "--tool=callgrind"};
  command.insert(command.end(), options.begin(), options.end());
  command.push_back(program.native());
  command.insert(command.end(), row.args.begin(), row.args.end());
  if (operations != 0) {
    if (row.args.empty()) command.emplace_back();
    command[command.size() - std::max<std::size_t>(row.args.size(), 1)] = std::to_string(operations);
  }
  return run_child(command, environment_with(allocator, settings), kTimeout);
}

bool valgrind_is_installed() { return tools::search_path("valgrind").has_value(); }

}  // namespace hakmem::bench
