// tools/live/request_word.h: what one caller asks of a process, in the word of its page that others write to as well.
//
// Responsibility  Ask, see whether it was answered, and ask again where another's word took the place of this one.
// Contract        There is no exchange between processes that only write a file: a word that was overwritten is seen as
//                 such, and written again. What others have asked for is kept, but for a profile's beginning, its end and
//                 a watch, which have one argument among them.
// Observable      ask().
// Composable      page, src/observe/page_format.h. Used by page.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "page.h"

namespace hakmem::tools {

class RequestWord {
 public:
  // `file`: the page, open for writing; `path`: its name, for a Failure.
  RequestWord(int file, const std::string& path, Request request, std::uint32_t argument);

  // One look. True: it was answered. `insists`: what bars it is not waited for any longer.
  bool ask(bool insists);

 private:
  template <typename T>
  T read(std::size_t offset) const;
  template <typename T>
  void put(const T& value, std::size_t offset) const;
  [[noreturn]] void refused() const;
  bool takes_argument() const;
  bool serves(std::uint64_t word) const;
  bool is_reached(std::uint64_t answered) const;
  bool is_asked(std::uint64_t request, std::uint64_t answered);
  void write(std::uint64_t request, std::uint64_t pending, bool insists);

  const int file_;
  const std::string& path_;
  const std::uint64_t bits_;
  const std::uint32_t argument_;
  std::optional<std::uint64_t> word_;  // whose answer is this one's
};

}  // namespace hakmem::tools
