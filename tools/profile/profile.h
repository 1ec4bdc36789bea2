// tools/profile/profile.h: a heap profile, as every format of it is made from.
//
// Responsibility  Stacks of places in code with figures, named or not yet.
// Contract        Plain data. A sample names its locations by index, the innermost first; its values stand in
//                 the order of `columns`.
// Observable      Profile.
// Composable      Made by raw and pprof; named by symbols; written by pprof, text_formats, flame.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hakmem::tools {

struct ProfileModule {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t base = 0;  // what the file's addresses are relative to
  std::string build_id;    // in hexadecimal; "" when the file has none
  std::string path;
  bool named = false;  // its symbols were read
};

struct Location {
  std::uint64_t address = 0;  // a return address
  std::size_t module = SIZE_MAX;  // SIZE_MAX: code made at run time
  std::string function;  // "" until it is named
  std::string file;
  std::int64_t line = 0;
};

struct ProfileColumn {
  std::string name;
  std::string unit;
};

struct ProfileSample {
  std::vector<std::size_t> locations;
  std::vector<std::int64_t> values;
  std::uint64_t record = 0;  // of a process's own file: where in it the stack stands
};

struct Profile {
  std::vector<ProfileModule> modules;
  std::vector<Location> locations;
  std::vector<ProfileColumn> columns;
  std::vector<ProfileSample> samples;
  std::size_t chosen = 0;  // the column in bytes that is shown; the one before it counts the blocks
  std::int64_t rate = 0;
  std::int64_t time_ns = 0;
  std::int64_t duration_ns = 0;
  std::uint64_t started_ms = 0;   // monotonic
  std::uint64_t taken = 0;        // samples
  std::uint64_t lost = 0;         // of blocks whose end will not be seen
  std::uint64_t stacks_lost = 0;  // that count for no call site
};

// "operator new", or "libfoo.so+0x1234" where there is no name.
std::string location_text(const Profile& profile, const Location& location);

// Index of a column; SIZE_MAX when there is none of that name.
std::size_t column_of(const Profile& profile, const std::string& name);

// The first `location` is the allocator itself, where that is part of the program: not a call site.
void drop_allocator(Profile* profile);

}  // namespace hakmem::tools
