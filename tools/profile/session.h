// tools/profile/session.h: a process's profile, one that runs or one that is begun to be looked at.
//
// Responsibility  Begin, wait, read the process's file, end what was begun.
// Contract        Of a process that is profiled already nothing is begun or ended. Why there is no profile is a
//                 Failure. wait() ends early when the process does, or with SIGINT or SIGTERM.
// Observable      began().
// Composable      raw, symbols, live/page. Used by command, blame.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "../live/page.h"
#include "profile.h"
#include "raw.h"

namespace hakmem::tools {

struct OpenFile {
  explicit OpenFile(int file) : number(file) {}
  ~OpenFile();
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  const int number;
};

class Session {
 public:
  // `duration` as a user writes it, "": 30 s of a profile that begins now, nothing of one that runs.
  // `rate`: bytes between two samples, 0: the process's choice.
  Session(int pid, std::uint32_t rate, const std::string& duration);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void wait();
  // What there is now, without names. Growth is since the wait began.
  Profile read() const;
  bool began() const { return began_; }

 private:
  explicit Session(int pid) : pid_(pid) {}
  void begin(std::uint32_t rate);

  const int pid_;
  double seconds_ = 0;
  bool began_ = false;
  std::optional<PageFile> found_;
  std::optional<OpenFile> file_;
  Mark mark_;
  std::chrono::steady_clock::time_point start_;
};

// The file that the process writes now, if it does. Its own, and not one of a parent that it still maps.
std::optional<PageFile> profile_file_of(int pid);
// Names, and the time. `pid`: whose files they are, 0 for ours.
void name_and_date(Profile* profile, int pid);
// To a file, or to stdout for "" and "-"; a refusal is a Failure.
void write_output(const std::string& output, const std::string& bytes);

}  // namespace hakmem::tools
