// tools/live/text.h: numbers as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace hakmem::tools {

// "512 B", "1.5 MiB", "-20.0 KiB".
std::string bytes_text(std::int64_t bytes);
// "7 s", "12 min", "3 h 02 min", "5 d 01 h".
std::string duration_text(double seconds);
// "1 234 567"
std::string count_text(std::uint64_t count);
// `share` of `width` cells, in eighths.
std::string bar(double share, int width);
// Cut to `width` characters.
std::string cut(const std::string& text, std::size_t width);

}  // namespace hakmem::tools
