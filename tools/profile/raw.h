// tools/profile/raw.h: the profile that a process writes, read from outside.
//
// Responsibility  Find the file, understand it, subtract what was there at a mark.
// Contract        Nothing in the file is trusted: what does not fit is a Failure. Read with pread from an open
//                 file, so also when the process has ended meanwhile.
// Observable      Profile with the columns alloc, inuse, peak and growth, each in objects and space.
// Composable      profile_format.h of the library; live/page for the file. Used by command, run.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "profile.h"

namespace hakmem::tools {

// What each stack held at a mark: blocks and bytes.
using Mark = std::map<std::vector<std::uint64_t>, std::pair<std::int64_t, std::int64_t>>;

Profile read_raw(int file, const std::string& path, const Mark& mark);
Mark mark_of(const Profile& profile);

// Where process `pid` of our own pid namespace and user writes it.
std::string raw_path(int pid);

}  // namespace hakmem::tools
