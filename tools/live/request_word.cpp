#include "request_word.h"

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "failure.h"
#include "observe/page_format.h"

namespace hakmem::tools {
namespace {

constexpr std::uint64_t kRequestBits = 255;
// They take the argument, or undo each other: one of them at a time.
constexpr std::uint64_t kAloneBits = kRequestProfile | kRequestNoProfile | kRequestLatency;

std::uint64_t bits_of(Request request) {
  switch (request) {
    case Request::kPurge:
      return kRequestPurge;
    case Request::kProfile:
      return kRequestProfile;
    case Request::kNoProfile:
      return kRequestNoProfile;
    case Request::kLatency:
      return kRequestLatency;
    default:
      return kRequestRefresh;
  }
}

}  // namespace

RequestWord::RequestWord(int file, const std::string& path, Request request, std::uint32_t argument)
    : file_(file), path_(path), bits_(bits_of(request)), argument_(argument) {}

template <typename T>
T RequestWord::read(std::size_t offset) const {
  T value{};
  if (pread(file_, &value, sizeof(value), static_cast<off_t>(offset)) != sizeof(value)) refused();
  return value;
}

template <typename T>
void RequestWord::put(const T& value, std::size_t offset) const {
  if (pwrite(file_, &value, sizeof(value), static_cast<off_t>(offset)) != sizeof(value)) refused();
}

void RequestWord::refused() const {
  throw Failure(kExitPermission, "{} cannot be written: {}", path_, std::strerror(errno));
}

bool RequestWord::takes_argument() const { return (bits_ & (kRequestProfile | kRequestLatency)) != 0; }

// Any answer is a fresh page.
bool RequestWord::serves(std::uint64_t word) const { return bits_ == kRequestRefresh || (word & bits_) == bits_; }

// Numbers wrap, as a page may hold anything.
bool RequestWord::is_reached(std::uint64_t answered) const {
  return static_cast<std::int64_t>((answered | kRequestBits) - (*word_ & ~kRequestBits)) >= 0;
}

// By the word that stands, whoever wrote it.
bool RequestWord::is_asked(std::uint64_t request, std::uint64_t answered) {
  if (request == answered || !serves(request)) return false;
  if (takes_argument() && read<std::uint32_t>(offsetof(PageHeader, argument)) != argument_) return false;
  word_ = request;
  return true;
}

void RequestWord::write(std::uint64_t request, std::uint64_t pending, bool insists) {
  if ((bits_ & kAloneBits) != 0) {
    if ((pending & kAloneBits) != 0 && !insists) return;
    pending &= ~kAloneBits;
  }
  if (takes_argument()) put(argument_, offsetof(PageHeader, argument));
  word_ = (request / 256 + 1) * 256 + (pending | bits_);
  put(*word_, offsetof(PageHeader, request));
}

bool RequestWord::ask(bool insists) {
  const auto answered = read<std::uint64_t>(offsetof(PageHeader, answered));
  const auto request = read<std::uint64_t>(offsetof(PageHeader, request));
  if (word_ && is_reached(answered)) {
    if (serves(answered)) return true;
    word_.reset();  // another's took its place
  }
  if (!is_asked(request, answered)) write(request, request == answered ? 0 : request & kRequestBits, insists);
  return false;
}

}  // namespace hakmem::tools
