#include "suite.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <initializer_list>
#include <set>
#include <string_view>

#include "error.h"

namespace hakmem::bench {
namespace {

using nlohmann::json;

// One JSON object of the file, read member by member. What was never asked for is a mistake in the
// file: a misspelt optional member would otherwise be ignored.
class Reader {
 public:
  Reader(const json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) fail("is not an object");
  }

  [[nodiscard]] bool has(const char* member) {
    known_.insert(member);
    return object_.contains(member);
  }

  std::string text(const char* member) {
    const json& value = required(member);
    if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
      fail(member, "must be a text that is not empty", value);
    }
    return value.get<std::string>();
  }

  std::string one_of(const char* member, std::initializer_list<std::string_view> words) {
    std::string word = text(member);
    if (std::find(words.begin(), words.end(), word) == words.end()) {
      fail(member, fmt::format("must be one of {}", fmt::join(words, ", ")), required(member));
    }
    return word;
  }

  std::vector<std::string> texts(const char* member) {
    const json& value = required(member);
    const bool is_list = value.is_array() && std::all_of(value.begin(), value.end(),
                                                         [](auto& v) { return v.is_string(); });
    if (!is_list) fail(member, "must be a list of texts", value);
    return value.get<std::vector<std::string>>();
  }

  double number(const char* member) {
    const json& value = required(member);
    if (!value.is_number() || !std::isfinite(value.get<double>())) {
      fail(member, "must be a number", value);
    }
    return value.get<double>();
  }

  double positive(const char* member) {
    const double value = number(member);
    if (value <= 0) fail(member, "must be above 0", required(member));
    return value;
  }

  bool flag(const char* member) {
    if (!has(member)) return false;
    const json& value = required(member);
    if (!value.is_boolean()) fail(member, "must be true or false", value);
    return value.get<bool>();
  }

  const json& required(const char* member) {
    if (!has(member)) fail(fmt::format("has no member \"{}\"", member));
    return object_.at(member);
  }

  void nothing_else() {
    for (const auto& item : object_.items()) {
      if (known_.count(item.key()) == 0) fail(fmt::format("has unknown member \"{}\"", item.key()));
    }
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(tools::kExitUsage, fmt::format("{} {}", where_, what));
  }
  [[noreturn]] void fail(const char* member, const std::string& what, const json& value) const {
    throw Error(tools::kExitUsage,
                fmt::format("{}: member \"{}\" {}, not {}", where_, member, what, value.dump()));
  }

 private:
  const json& object_;
  std::string where_;
  std::set<std::string, std::less<>> known_;
};

// Names are file name parts, list items on the command line, and anchors in the report.
std::string read_name(Reader& reader) {
  std::string name = reader.text("name");
  const bool is_plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (!is_plain) reader.fail("name", "may only have a-z, 0-9 and _", reader.required("name"));
  return name;
}

Gate read_gate(const json& value, const std::string& where) {
  Reader reader(value, where);
  Gate gate;
  const std::string kind = reader.one_of("kind", {"faster", "at_most", "at_least"});
  if (kind == "faster") {
    if (reader.has("than")) gate.than = reader.texts("than");
  } else {
    gate.kind = kind == "at_most" ? Gate::Kind::kAtMost : Gate::Kind::kAtLeast;
    gate.bound = reader.number("bound");
  }
  reader.nothing_else();
  return gate;
}

Row read_row(const json& value, const std::string& where) {
  Reader reader(value, where);
  Row row;
  row.name = read_name(reader);
  row.title = reader.text("title");
  row.program = reader.text("program");
  row.args = reader.texts("args");
  row.figure = reader.text("figure");
  if (reader.has("scale")) row.scale = reader.positive("scale");
  row.higher_is_better = reader.one_of("better", {"higher", "lower"}) == "higher";
  row.unit = reader.text("unit");
  row.kind = reader.one_of("kind", {"speed", "memory", "latency", "program"});
  row.parity = reader.flag("parity");
  row.smoke = reader.flag("smoke");
  row.ceiling = reader.flag("ceiling");
  row.real = reader.has("real") && reader.required("real") != json(false);
  if (reader.has("rounds_max")) {
    const json& rounds = reader.required("rounds_max");
    if (!rounds.is_number_unsigned() || rounds == 0) {
      reader.fail("rounds_max", "must be a whole number of at least 1", rounds);
    }
    row.rounds_max = rounds.get<std::size_t>();
  }
  if (reader.has("gate")) row.gate = read_gate(reader.required("gate"), where + ": its gate");
  reader.nothing_else();
  row.definition = value;
  return row;
}

Check read_check(const json& value, const std::string& where) {
  Reader reader(value, where);
  Check check{read_name(reader), reader.text("title"), reader.text("program"),
              reader.texts("args")};
  reader.nothing_else();
  return check;
}

json parse_file(const std::filesystem::path& file) {
  std::ifstream stream(file);
  if (!stream) {
    throw Error(tools::kExitTargetMissing, fmt::format("{}: cannot be read", file.native()));
  }
  try {
    return json::parse(stream);
  } catch (const json::parse_error& error) {
    throw Error(tools::kExitUsage, fmt::format("{}: is not JSON: {}", file.native(), error.what()));
  }
}

// Where a list's member is: its place, and its name when it has one.
std::string place(const std::string& file, const char* what, std::size_t index, const json& value) {
  std::string where = fmt::format("{}: {} {}", file, what, index + 1);
  if (value.is_object() && value.contains("name") && value["name"].is_string()) {
    where += fmt::format(" ({})", value["name"].get<std::string>());
  }
  return where;
}

}  // namespace

Suite load_suite(const std::filesystem::path& file) {
  const json document = parse_file(file);
  Reader reader(document, file.native() + ": the file");
  Suite suite{file, {}, {}};
  std::set<std::string> names;
  const auto each = [&](const char* member, const char* what, auto&& read) {
    const json& list = reader.required(member);
    if (!list.is_array()) reader.fail(member, "must be a list", list);
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string where = place(file.native(), what, i, list[i]);
      if (!names.insert(read(list[i], where)).second) {
        throw Error(tools::kExitUsage, where + ": the name was used before");
      }
    }
  };
  each("rows", "row", [&](const json& value, const std::string& where) {
    return suite.rows.emplace_back(read_row(value, where)).name;
  });
  if (reader.has("checks")) {
    each("checks", "check", [&](const json& value, const std::string& where) {
      return suite.checks.emplace_back(read_check(value, where)).name;
    });
  }
  reader.nothing_else();
  if (suite.rows.empty()) reader.fail("has no rows");
  return suite;
}

}  // namespace hakmem::bench
