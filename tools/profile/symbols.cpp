#include "symbols.h"

#include <cxxabi.h>
#include <elfutils/libdwfl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

namespace hakmem::tools {
namespace {

char* g_debug_path = nullptr;
const Dwfl_Callbacks kCallbacks{dwfl_build_id_find_elf, dwfl_standard_find_debuginfo,
                                dwfl_offline_section_address, &g_debug_path};

struct EndDwfl {
  void operator()(Dwfl* dwfl) const { dwfl_end(dwfl); }
};

std::string build_id_of(Dwfl_Module* module) {
  const unsigned char* bits = nullptr;
  GElf_Addr address = 0;
  // The file itself is opened by this.
  Dwarf_Addr bias = 0;
  if (dwfl_module_getelf(module, &bias) == nullptr) return {};
  const int length = dwfl_module_build_id(module, &bits, &address);
  std::string text;
  for (int i = 0; i < length; ++i) text += fmt::format("{:02x}", bits[i]);
  return text;
}

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status),
                                                         &std::free);
  return status == 0 ? std::string(text.get()) : std::string(name);
}

void name_one(Dwfl_Module* module, Location* location) {
  // A return address may lie behind its function's end.
  const Dwarf_Addr address = location->address - 1;
  if (const char* name = dwfl_module_addrname(module, address); name != nullptr) location->function = demangled(name);
  Dwfl_Line* line = dwfl_module_getsrc(module, address);
  if (line == nullptr) return;
  int number = 0;
  if (const char* file = dwfl_lineinfo(line, nullptr, &number, nullptr, nullptr, nullptr); file != nullptr) {
    location->file = file;
    location->line = number;
  }
}

// As it was mapped: this address's file, at this address.
Dwfl_Module* report(Dwfl* dwfl, const ProfileModule& module, const std::string& root) {
  for (const std::string& path : {root + module.path, module.path}) {
    if (access(path.c_str(), R_OK) != 0) continue;
    dwfl_report_begin(dwfl);
    Dwfl_Module* found = dwfl_report_elf(dwfl, path.c_str(), path.c_str(), -1, module.base, true);
    dwfl_report_end(dwfl, nullptr, nullptr);
    if (found != nullptr && build_id_of(found) == module.build_id) return found;
  }
  return nullptr;
}

}  // namespace

void name_locations(Profile* profile, const std::string& root) {
  for (std::size_t i = 0; i < profile->modules.size(); ++i) {
    // One at a time: modules that came after each other may have had the same place.
    const std::unique_ptr<Dwfl, EndDwfl> dwfl(dwfl_begin(&kCallbacks));
    if (dwfl == nullptr) return;
    Dwfl_Module* module = report(dwfl.get(), profile->modules[i], root);
    if (module == nullptr) continue;
    profile->modules[i].named = true;
    for (Location& location : profile->locations) {
      if (location.module == i) name_one(module, &location);
    }
  }
}

}  // namespace hakmem::tools
