#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "manual.h"

namespace hakmem::tools {
namespace {

struct Word {
  std::string name;  // "--json", "-i"
  std::string help;
  bool takes_value = false;
};

// What can stand in one place of the command line.
struct Place {
  std::vector<std::string> path;  // of commands that lead there; empty: behind `hakmem`
  std::vector<Word> options;
  std::vector<Word> commands;
  bool wants_process = false;
};

void collect(const CLI::App& app, std::vector<std::string> path, std::vector<Place>* places) {
  Place place;
  place.path = path;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    const bool takes_value = option->get_items_expected_max() != 0;
    for (const std::string& name : option->get_snames()) place.options.push_back({"-" + name, option->get_description(), takes_value});
    for (const std::string& name : option->get_lnames()) place.options.push_back({"--" + name, option->get_description(), takes_value});
    place.wants_process |= option->get_name(true) == "PID";
  }
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    place.commands.push_back({command->get_name(), command->get_description(), false});
  }
  places->push_back(place);
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    std::vector<std::string> longer = path;
    longer.push_back(command->get_name());
    collect(*command, longer, places);
  }
}

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

// For a text between single quotes, of all three shells.
std::string quoted(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += ' ';
    } else if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return "'" + out + "'";
}

// Processes that show a page are named after it.
constexpr const char* kPids = R"(_hakmem_pids() {
  local file
  for file in /dev/shm/hakmem.$UID/*; do
    file=${file##*/}
    [[ $file == [0-9]* ]] && echo "${file%%.*}"
  done
}
)";

std::string for_bash(const std::vector<Place>& places) {
  std::string text = "# bash completion of hakmem\n" + std::string(kPids) + R"(_hakmem() {
  local current=${COMP_WORDS[COMP_CWORD]} path= words= pids= word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "${path:+$path }$word" in
)";
  std::string cases;
  for (const Place& place : places) {
    if (!place.path.empty()) text += fmt::format("      {}) path={} ;;\n", quoted(joined(place.path, " ")), quoted(joined(place.path, " ")));
    std::vector<std::string> words;
    for (const Word& word : place.commands) words.push_back(word.name);
    for (const Word& word : place.options) words.push_back(word.name);
    cases += fmt::format("    {}) words={}{} ;;\n", quoted(joined(place.path, " ")), quoted(joined(words, " ")),
                         place.wants_process ? " pids=$(_hakmem_pids)" : "");
  }
  text += "    esac\n  done\n  case \"$path\" in\n" + cases;
  return text + R"(  esac
  COMPREPLY=($(compgen -W "$words $pids" -- "$current"))
}
complete -o default -F _hakmem hakmem
)";
}

std::string for_zsh(const std::vector<Place>& places) {
  std::string text = "#compdef hakmem\n" + std::string(kPids) + R"(_hakmem() {
  local line_path= word
  local -a options pids
  for word in ${words[2,CURRENT-1]}; do
    case "${line_path:+$line_path }$word" in
)";
  std::string cases;
  for (const Place& place : places) {
    const std::string path = quoted(joined(place.path, " "));
    if (!place.path.empty()) text += fmt::format("      {}) line_path={} ;;\n", path, path);
    std::string list;
    const auto add = [&list](const Word& word) {
      std::string name = word.name;
      list += " " + quoted(name + ":" + word.help);
    };
    for (const Word& word : place.commands) add(word);
    for (const Word& word : place.options) add(word);
    cases += fmt::format("    {}) options=({}){} ;;\n", path, list, place.wants_process ? " pids=($(_hakmem_pids))" : "");
  }
  text += "    esac\n  done\n  case \"$line_path\" in\n" + cases;
  return text + R"(  esac
  _describe hakmem options
  (( $#pids )) && compadd -- $pids
  _files
}
_hakmem "$@"
)";
}

std::string for_fish(const std::vector<Place>& places) {
  std::string text = "# fish completion of hakmem\nfunction __hakmem_at\n  test (string join ' ' -- (string match -rv '^-' -- "
                     "(commandline -opc)[2..]))_ = (string join ' ' -- $argv)_\nend\n"
                     "function __hakmem_in\n  string match -q -- (string join ' ' -- $argv)' *' (string join ' ' -- (commandline -opc)[2..])' '\nend\n"
                     "function __hakmem_pids\n  for file in /dev/shm/hakmem.(id -u)/*\n"
                     "    string replace -r '.*/(\\d+)\\..*' '$1' -- $file\n  end\nend\n";
  for (const Place& place : places) {
    const std::string path = joined(place.path, " ");
    const std::string here = fmt::format("complete -c hakmem -n '__hakmem_at {}' ", path);
    const std::string within = place.path.empty() ? here : fmt::format("complete -c hakmem -n '__hakmem_in {}' ", path);
    for (const Word& word : place.commands) text += fmt::format("{}-f -a {} -d {}\n", here, word.name, quoted(word.help));
    for (const Word& word : place.options) {
      const bool is_long = word.name.rfind("--", 0) == 0;
      text += fmt::format("{}{} {}{} -d {}\n", within, is_long ? "-l" : "-s", word.name.substr(is_long ? 2 : 1),
                          word.takes_value ? " -r" : "", quoted(word.help));
    }
    if (place.wants_process) text += within + "-a '(__hakmem_pids)'\n";
  }
  return text;
}

}  // namespace

std::optional<std::string> completion(const CLI::App& app, const std::string& shell) {
  std::vector<Place> places;
  collect(app, {}, &places);
  if (shell == "bash") return for_bash(places);
  if (shell == "zsh") return for_zsh(places);
  if (shell == "fish") return for_fish(places);
  return std::nullopt;
}

}  // namespace hakmem::tools
