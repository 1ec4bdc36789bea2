// tools/live/text.h: numbers as people read them, and the nouns behind them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hakmem::tools {

// "512 B", "1.5 MiB", "-20.0 KiB".
std::string bytes_text(std::int64_t bytes);
// "7 s", "12 min", "3 h 02 min", "5 d 01 h".
std::string duration_text(double seconds);
// "1 234 567"
std::string count_text(std::uint64_t count);
// The form of a noun, or of a noun and its verb, that stands behind a count; without `many` it is `one` with an s.
std::string form_of(std::uint64_t count, std::string_view one, std::string_view many = {});
// "1 page", "2 pages", "0 pages".
std::string counted(std::uint64_t count, std::string_view one, std::string_view many = {});
// `share` of `width` cells, in eighths.
std::string bar(double share, int width);
// Cut to `width` characters.
std::string cut(const std::string& text, std::size_t width);

}  // namespace hakmem::tools
