// observe/page_text.h: the description that the stats page carries of itself.
//
// Responsibility  Write the lines of page_format.h, and say where each table lies.
// Contract        The tables follow the text in order, each on a 64-byte boundary. Fits the page
//                 (checked when it is written); the same text in every process of one library.
// Observable      PageMap.
// Composable      config (option table), page_totals.def, counters. Used by stats_page.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hakmem {

inline constexpr uint32_t kPageEvents = 64;
// Columns of `events`: number, time_ms, kind, amount.
inline constexpr uint32_t kPageEventColumns = 4;

// Offsets of the tables, in bytes from the start of the page.
struct PageMap {
  size_t text_bytes;
  size_t totals;
  size_t counters;
  size_t classes;
  size_t latencies;
  size_t events;
  size_t options;
  size_t layout;
};

// `text`: where the description goes; `text_offset` bytes lie before it. False when it does not fit.
bool describe_page(char* text, size_t text_offset, PageMap* map);

// The options in force, in the order of their table; returns how many words were written.
uint32_t option_values(uint64_t* words);

}  // namespace hakmem
