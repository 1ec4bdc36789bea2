#include "command_line.h"

#include <string_view>

extern char** environ;

namespace hakmem::bench {
namespace {

std::string quoted(std::string_view word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,%+@";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(word);
  }
  std::string result = "'";
  for (const char c : word) {
    if (c == '\'') {
      result += "'\\''";
    } else {
      result += c;
    }
  }
  return result + "'";
}

}  // namespace

std::string shell_command(int argc, char** argv) {
  std::string command;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    if (variable.rfind("HAKMEM_", 0) != 0) continue;
    const std::size_t value = variable.find('=') + 1;
    command += std::string(variable.substr(0, value)) + quoted(variable.substr(value)) + " ";
  }
  for (int i = 0; i < argc; ++i) command += (i > 0 ? " " : "") + quoted(argv[i]);
  return command;
}

}  // namespace hakmem::bench
