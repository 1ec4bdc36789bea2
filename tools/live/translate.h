// tools/live/translate.h: settings of other allocators in hakmem's words.
#pragma once

#include <string>
#include <vector>

namespace hakmem::tools {

struct Translation {
  std::string setting;     // "dirty_decay_ms:5000"
  std::string equivalent;  // "HAKMEM_DECAY=5000ms"; "" where there is none
  std::string note;        // why there is none, or what differs
};

// Of "MALLOC_CONF=a:1,b:2", "MIMALLOC_X=1", "MALLOC_ARENA_MAX=2", or the bare "a:1,b:2" of jemalloc. Empty when the
// text is none of these.
std::vector<Translation> translate(const std::string& text);

}  // namespace hakmem::tools
