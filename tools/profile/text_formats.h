// tools/profile/text_formats.h: a profile as text.
//
// Responsibility  The table of call sites, as text and as JSON; folded stacks; speedscope's JSON; the flame graph's page.
// Contract        Of the chosen column, largest first. Folded, speedscope and the page hold what is positive.
// Observable      The text.
// Composable      Used by command, run, diff.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "profile.h"

namespace hakmem::tools {

std::string to_table(const Profile& profile, std::size_t rows);
// Schema hakmem.profile/1: all of them.
std::string to_json(const Profile& profile, const std::string& name);
// The calls of a sample, the innermost first.
nlohmann::ordered_json stack_json(const Profile& profile, const ProfileSample& sample);
std::string to_folded(const Profile& profile);
std::string to_speedscope(const Profile& profile, const std::string& name);
// One page that needs nothing else, see flame.html.
std::string to_html(const Profile& profile, const std::string& name);

// `after` less `before`, by the names of the functions on the stack.
Profile difference(const Profile& before, const Profile& after, const std::string& column);

}  // namespace hakmem::tools
