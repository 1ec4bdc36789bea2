#include "callgrind_file.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <string_view>
#include <utility>

namespace hakmem::bench {
namespace {

// "(7) name" gives the name a number, "(7)" repeats it.
class Names {
 public:
  std::string resolve(const std::string& text) {
    const std::size_t end = text.find(')');
    if (text.empty() || text[0] != '(' || end == std::string::npos) return text;
    std::string& name = names_[text.substr(0, end)];
    if (end + 2 < text.size()) name = text.substr(end + 2);
    return name;
  }

 private:
  std::map<std::string, std::string> names_;
};

// Without parameters and without the mark of a recursion.
std::string short_name(const std::string& name) {
  const std::size_t anonymous = name.rfind("(anonymous namespace)::");
  const std::size_t from = anonymous == std::string::npos ? 0 : anonymous + 21;
  return name.substr(0, name.find_first_of("('", from));
}

class Reader {
 public:
  void line(const std::string& text) {
    if (text.empty()) return;
    if (is_cost(text[0])) return cost(text);
    const std::size_t equals = text.find('=');
    if (text.rfind("events:", 0) == 0) {
      columns(text.substr(7));
    } else if (equals != std::string::npos) {
      position(std::string_view(text).substr(0, equals), text.substr(equals + 1));
    }
  }

  CallgrindProfile finish() {
    for (auto& [key, instructions] : functions_) {
      profile_.functions.push_back({key.first, key.second, instructions});
    }
    std::sort(profile_.functions.begin(), profile_.functions.end(),
              [](const FunctionCost& a, const FunctionCost& b) { return a.instructions > b.instructions; });
    return std::move(profile_);
  }

 private:
  static bool is_cost(char first) { return std::string_view("0123456789+-*").find(first) != std::string_view::npos; }

  void columns(const std::string& text) {
    std::istringstream words(text);
    for (std::string word; words >> word;) events_.push_back(word);
  }

  void position(std::string_view what, const std::string& value) {
    if (what == "fn") {
      function_ = short_name(function_names_.resolve(value));
    } else if (what == "cfn") {
      function_names_.resolve(value);
    } else if (what == "ob") {
      object_ = object_names_.resolve(value);
    } else if (what == "cob") {
      object_names_.resolve(value);
    } else if (what == "calls") {
      of_a_call_ = true;
    }
  }

  // The line's number, then one number for each event; missing ones are 0.
  void cost(const std::string& text) {
    if (std::exchange(of_a_call_, false)) return;
    std::istringstream words(text);
    std::string place;
    words >> place;
    unsigned long long value = 0;
    for (const std::string& event : events_) {
      if (!(words >> value)) break;
      if (event == "Ir") {
        functions_[{function_, object_}] += value;
        profile_.instructions += value;
      } else if (event == "sysCount") {
        profile_.system_calls += value;
      } else if (event == "sysTime") {
        profile_.system_ns += value;
      }
    }
  }

  CallgrindProfile profile_;
  std::map<std::pair<std::string, std::string>, unsigned long long> functions_;
  std::vector<std::string> events_;
  Names function_names_;
  Names object_names_;
  std::string function_;
  std::string object_;
  bool of_a_call_ = false;
};

}  // namespace

CallgrindProfile read_callgrind_file(std::istream& input) {
  Reader reader;
  for (std::string line; std::getline(input, line);) reader.line(line);
  return reader.finish();
}

}  // namespace hakmem::bench
