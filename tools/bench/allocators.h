// tools/bench/allocators.h: what hakmem is compared with.
//
// Responsibility  Find the allocators that are installed, and take those the user names.
// Contract        The first one is hakmem. Every other with a path is an existing shared library
//                 that LD_PRELOAD can name; "glibc" has none: nothing is preloaded.
// Observable      What was looked for and is not there.
// Composable      Loads nothing; whether malloc really comes from the file is the run's business.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace hakmem::bench {

struct Allocator {
  std::string name;
  std::filesystem::path path;  // empty: the system's malloc
  std::string build_id;        // of the file, in hexadecimal; empty when it has none
};

struct AllocatorChoice {
  std::vector<Allocator> found;
  std::vector<std::string> missing;  // "mimalloc: libmimalloc.so.2 is not installed"
};

// `hakmem`: empty for the library that belongs to this command. `extra`: NAME=PATH texts.
// `against`: the names to compare with, or none for all. Throws Error.
AllocatorChoice choose_allocators(const std::filesystem::path& hakmem,
                                  const std::vector<std::string>& extra,
                                  const std::vector<std::string>& against);

}  // namespace hakmem::bench
