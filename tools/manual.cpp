#include "manual.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "config/config.h"
#include "live/failure.h"

namespace hakmem::tools {
namespace {

using Commands = std::vector<const CLI::App*>;
using Options = std::vector<const CLI::Option*>;

Commands commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_name().empty(); });
}
Options options_of(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return !option->get_group().empty(); });
}

// As troff reads it: a hyphen is a minus sign, a line never begins with a request.
std::string plain(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool starts_line = out.empty() || out.back() == '\n';
    if (starts_line && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string value_of(const CLI::Option& option) {
  return option.get_items_expected_max() == 0 ? "" : option.get_type_name();
}

// "-i, --interval SECONDS", or "PID".
std::string title_of(const CLI::Option& option) {
  std::string title;
  for (const std::string& name : option.get_snames()) title += (title.empty() ? "-" : ", -") + name;
  for (const std::string& name : option.get_lnames()) title += (title.empty() ? "--" : ", --") + name;
  if (title.empty()) return option.get_name(true);
  const std::string value = value_of(option);
  return value.empty() ? title : title + " " + value;
}

std::string header(const std::string& name, int section, const std::string& summary) {
  std::string upper = name;
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return fmt::format(".TH {} {} \"\" \"hakmem {}\" \"hakmem\"\n.SH NAME\n{} \\- {}\n", plain(upper), section, HAKMEM_VERSION,
                     plain(name), plain(summary));
}

std::string option_list(const CLI::App& app) {
  std::string text;
  for (const CLI::Option* option : options_of(app)) {
    text += fmt::format(".TP\n.B {}\n{}\n", plain(title_of(*option)), plain(option->get_description()));
  }
  return text;
}

std::string footer(const CLI::App& app) {
  if (app.get_footer().empty()) return {};
  return fmt::format(".SH NOTES\n.nf\n{}\n.fi\n", plain(app.get_footer()));
}

std::string synopsis(const CLI::App& app, const std::string& name) {
  std::string text = fmt::format(".B {}\n[options]", plain(name));
  for (const CLI::Option* option : options_of(app)) {
    if (option->get_positional()) text += plain(option->get_required() ? fmt::format(" {}", option->get_name(true))
                                                                       : fmt::format(" [{}]", option->get_name(true)));
  }
  return text + "\n";
}

constexpr const char* kStatus =
    ".SH EXIT STATUS\n.TP\n0\nfine\n.TP\n1\na finding\n.TP\n2\nthe command line was not understood\n.TP\n3\n"
    "the file or process is not there, or does not use hakmem\n.TP\n4\nno permission\n.TP\n5\nunsupported\n";

std::string see_also(const CLI::App& app, const std::string& page) {
  std::vector<std::string> pages;
  if (page != "hakmem") pages.push_back("hakmem(1)");
  for (const CLI::App* command : commands_of(app)) {
    const std::string name = "hakmem-" + command->get_name();
    if (name != page) pages.push_back(name + "(1)");
  }
  pages.push_back("libhakmem(3)");
  std::string text = ".SH SEE ALSO\n";
  for (const std::string& one : pages) text += plain(one) + (&one == &pages.back() ? "\n" : ",\n");
  return text;
}

std::string top_page(const CLI::App& app) {
  std::string text = header("hakmem", 1, app.get_description());
  text += ".SH SYNOPSIS\n.B hakmem\nCOMMAND [options]\n.SH COMMANDS\n";
  for (const CLI::App* command : commands_of(app)) {
    text += fmt::format(".TP\n.BR {} (1)\n{}\n", plain("hakmem-" + command->get_name()), plain(command->get_description()));
  }
  return text + ".SH OPTIONS\n" + option_list(app) + kStatus + see_also(app, "hakmem");
}

std::string command_page(const CLI::App& app, const CLI::App& command) {
  const std::string name = "hakmem " + command.get_name();
  std::string text = header("hakmem-" + command.get_name(), 1, command.get_description());
  text += ".SH SYNOPSIS\n" + synopsis(command, name) + ".SH OPTIONS\n" + option_list(command);
  for (const CLI::App* inner : commands_of(command)) {
    text += fmt::format(".SH {} {}\n{}\n.PP\n", plain(name), plain(inner->get_name()), plain(inner->get_description()));
    text += synopsis(*inner, name + " " + inner->get_name()) + option_list(*inner);
    if (!inner->get_footer().empty()) text += fmt::format(".PP\n.nf\n{}\n.fi\n", plain(inner->get_footer()));
  }
  return text + footer(command) + kStatus + see_also(app, "hakmem-" + command.get_name());
}

std::string library_page(const CLI::App& app) {
  std::string text = header("libhakmem", 3, "a malloc for Linux: the options of the library");
  text += ".SH SYNOPSIS\n.B LD_PRELOAD=libhakmem.so\nPROGRAM\n.PP\n.B #include <hakmem/hakmem.h>\n"
          ".SH DESCRIPTION\nThe library replaces malloc, free, operator new and their kin. It reads these variables of the\n"
          "environment once, at its start; not in set\\-user\\-ID programs. Sizes take KiB, MiB, GiB, times ms and s.\n"
          ".SH ENVIRONMENT\n";
  for (const OptionInfo& option : option_table()) {
    text += fmt::format(".TP\n.B {}\n{}\n.br\n{}\n", plain(option.env), plain(option.help),
                        plain(fmt::format("default: {}; from {} to {}", option.default_text, option.min_text, option.max_text)));
  }
  return text + see_also(app, "libhakmem");
}

}  // namespace

std::optional<std::string> man_page(const CLI::App& app, const std::string& page) {
  if (page == "hakmem") return top_page(app);
  if (page == "libhakmem") return library_page(app);
  for (const CLI::App* command : commands_of(app)) {
    if (page == "hakmem-" + command->get_name()) return command_page(app, *command);
  }
  return std::nullopt;
}

void write_manual(const CLI::App& app, const std::string& folder) {
  std::vector<std::pair<std::string, std::string>> files = {
      {"bash-completion/completions/hakmem", *completion(app, "bash")},
      {"zsh/site-functions/_hakmem", *completion(app, "zsh")},
      {"fish/vendor_completions.d/hakmem.fish", *completion(app, "fish")},
      {"man/man1/hakmem.1", *man_page(app, "hakmem")},
      {"man/man3/libhakmem.3", *man_page(app, "libhakmem")},
  };
  for (const CLI::App* command : commands_of(app)) {
    const std::string page = "hakmem-" + command->get_name();
    files.emplace_back("man/man1/" + page + ".1", *man_page(app, page));
  }
  for (const auto& [name, text] : files) {
    const std::filesystem::path path = std::filesystem::path(folder) / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream file(path, std::ios::binary);
    file << text;
    if (!file.flush()) throw Failure(kExitPermission, "{} cannot be written", path.string());
  }
}

}  // namespace hakmem::tools
