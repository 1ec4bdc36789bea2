#include "profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace hakmem::tools {
namespace {

bool is_allocator(const std::string& function) {
  static constexpr std::array<std::string_view, 12> kNames{
      "malloc",        "calloc",          "realloc",       "reallocarray", "aligned_alloc", "posix_memalign",
      "memalign",      "operator new(unsigned long)", "operator new[](unsigned long)", "valloc", "pvalloc",
      "hak_malloc"};
  return function.rfind("hakmem::", 0) == 0 ||
         std::find(kNames.begin(), kNames.end(), std::string_view(function)) != kNames.end();
}

}  // namespace

std::string location_text(const Profile& profile, const Location& location) {
  if (!location.function.empty()) return location.function;
  if (location.module == SIZE_MAX) return fmt::format("{:#x}", location.address);
  const ProfileModule& module = profile.modules[location.module];
  const std::size_t slash = module.path.rfind('/');
  const std::string name = slash == std::string::npos ? module.path : module.path.substr(slash + 1);
  return fmt::format("{}+{:#x}", name, location.address - module.base);
}

std::size_t column_of(const Profile& profile, const std::string& name) {
  for (std::size_t i = 0; i < profile.columns.size(); ++i) {
    if (profile.columns[i].name == name) return i;
  }
  return SIZE_MAX;
}

void drop_allocator(Profile* profile) {
  for (ProfileSample& sample : profile->samples) {
    std::vector<std::size_t>& frames = sample.locations;
    while (frames.size() > 1 && is_allocator(profile->locations[frames.front()].function)) {
      frames.erase(frames.begin());
    }
  }
}

}  // namespace hakmem::tools
