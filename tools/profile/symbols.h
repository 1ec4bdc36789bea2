// tools/profile/symbols.h: names for addresses.
//
// Responsibility  Function, file and line of each location, by elfutils.
// Contract        A file whose build-id is not the one that ran is not asked. What has no name stays without.
// Observable      ProfileModule::named.
// Composable      libdw. Used by command and run.
#pragma once

#include <string>

#include "profile.h"

namespace hakmem::tools {

// `root`: where the process's files are, "" for ours.
void name_locations(Profile* profile, const std::string& root);

}  // namespace hakmem::tools
