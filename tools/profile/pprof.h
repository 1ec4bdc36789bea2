// tools/profile/pprof.h: a profile as pprof's compressed protocol buffer, and back.
//
// Responsibility  google/pprof's profile.proto in gzip, which `go tool pprof`, Perfetto and others read.
// Contract        Writes what the format asks for: string 0 is empty, ids are from 1, `default_sample_type` is
//                 the chosen column. Reads any profile of that format; what is no such file is a Failure.
// Observable      The bytes.
// Composable      zlib. Used by command, run, diff.
#pragma once

#include <string>

#include "profile.h"

namespace hakmem::tools {

std::string to_pprof(const Profile& profile);
Profile from_pprof(const std::string& bytes, const std::string& path);

}  // namespace hakmem::tools
