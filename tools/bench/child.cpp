#include "child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace hakmem::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
constexpr std::size_t kTextBytesMax = std::size_t{1} << 20;

volatile std::sig_atomic_t signal_seen = 0;
sigset_t wait_mask;  // in force while a child is waited for

sigset_t our_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kSignals) sigaddset(&set, signal);
  return set;
}

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() { reset(-1); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  void reset(int number) {
    if (number_ >= 0) close(number_);
    number_ = number;
  }
  [[nodiscard]] int get() const { return number_; }

 private:
  int number_;
};

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
      throw std::system_error(errno, std::generic_category(), "pipe");
    }
    reading.reset(ends[0]);
    writing.reset(ends[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
  }
  Descriptor reading;
  Descriptor writing;
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

// 0, or what posix_spawnp says.
int start(const std::vector<std::string>& command, const std::vector<std::string>& environment,
          const Pipe& out, const Pipe& err, pid_t* pid) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, out.writing.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, err.writing.get(), STDERR_FILENO);

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  sigset_t defaults = our_signals();
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

  const int error = posix_spawnp(pid, command.front().c_str(), &files, &attributes,
                                 pointers(command).data(), pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return error;
}

// Takes what is there now. False at the end of the stream.
bool drain(int descriptor, std::string* text) {
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t length = read(descriptor, buffer.data(), buffer.size());
    if (length > 0) {
      const std::size_t room = kTextBytesMax - text->size();
      text->append(buffer.data(), std::min(room, static_cast<std::size_t>(length)));
    } else if (length == 0) {
      return false;
    } else if (errno != EINTR) {
      return errno == EAGAIN;
    }
  }
}

timespec time_until(Clock::time_point deadline) {
  const auto left = std::max(deadline - Clock::now(), Clock::duration::zero());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  return {seconds.count(), std::chrono::nanoseconds(left - seconds).count()};
}

// Reads both pipes until the process has ended. Its own children may keep the pipes open: nobody
// waits for them.
void wait_for(int process, const Pipe& out, const Pipe& err, Clock::time_point deadline,
              ChildResult* result) {
  std::array<pollfd, 3> watched = {
      {{process, POLLIN, 0}, {out.reading.get(), POLLIN, 0}, {err.reading.get(), POLLIN, 0}}};
  while (true) {
    const timespec left = time_until(deadline);
    const int ready = ppoll(watched.data(), watched.size(), &left, &wait_mask);
    if (Interrupt::pending() != 0) {
      result->end = ChildResult::End::kInterrupted;
      return;
    }
    if (ready == 0) {
      result->end = ChildResult::End::kTimedOut;
      return;
    }
    if (ready < 0) continue;  // a signal that is none of ours
    // A negative descriptor is one that poll passes over.
    if (!drain(out.reading.get(), &result->out)) watched[1].fd = -1;
    if (!drain(err.reading.get(), &result->err)) watched[2].fd = -1;
    if (watched[0].revents != 0) {
      result->end = ChildResult::End::kExited;
      return;
    }
  }
}

}  // namespace

ChildResult run_child(const std::vector<std::string>& command,
                      const std::vector<std::string>& environment, std::chrono::seconds timeout) {
  ChildResult result;
  Pipe out;
  Pipe err;
  pid_t pid = -1;
  const Clock::time_point deadline = Clock::now() + timeout;
  result.value = start(command, environment, out, err, &pid);
  if (result.value != 0) return result;
  out.writing.reset(-1);
  err.writing.reset(-1);

  // Not by its name in <sys/pidfd.h>: glibc 2.36 declares that without C linkage.
  const Descriptor process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (process.get() < 0) {
    result.value = errno;
  } else {
    wait_for(process.get(), out, err, deadline, &result);
  }
  // What the program left behind would disturb the next run. Before the wait: until then the
  // process's number cannot be another's.
  kill(-pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (result.end == ChildResult::End::kExited) {
    drain(out.reading.get(), &result.out);
    drain(err.reading.get(), &result.err);
    if (WIFSIGNALED(status)) result.end = ChildResult::End::kSignalled;
    result.value = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
  }
  return result;
}

Interrupt::Interrupt() {
  signal_seen = 0;
  const sigset_t ours = our_signals();
  sigprocmask(SIG_BLOCK, &ours, &old_mask_);
  wait_mask = old_mask_;
  for (const int signal : kSignals) sigdelset(&wait_mask, signal);
  struct sigaction action {};
  action.sa_handler = [](int signal) { signal_seen = signal; };
  for (std::size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], &action, &old_[i]);
    // nohup, or a shell's background job: what was ignored stays ignored.
    if (old_[i].sa_handler == SIG_IGN) sigaction(kSignals[i], &old_[i], nullptr);
  }
}

Interrupt::~Interrupt() {
  for (std::size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &old_[i], nullptr);
  sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
}

int Interrupt::pending() { return signal_seen; }

}  // namespace hakmem::bench
