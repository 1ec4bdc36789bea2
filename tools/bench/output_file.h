// tools/bench/output_file.h: a result file that is there as a whole or not at all.
//
// Responsibility  Write beside the target, and rename over it when everything is on disk.
// Contract        The constructor fails early (Error) when the place cannot be written to, before
//                 hours of measuring. An older file stays as it was until commit().
// Observable      The file.
// Composable      Used for --json and --html.
#pragma once

#include <filesystem>
#include <string_view>

namespace hakmem::bench {

class OutputFile {
 public:
  explicit OutputFile(const std::filesystem::path& target);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void commit(std::string_view content);

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  int descriptor_;
};

}  // namespace hakmem::bench
