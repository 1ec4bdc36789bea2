#include "output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "error.h"

namespace hakmem::bench {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& target, int error) {
  const bool missing = error == ENOENT || error == ENOTDIR;
  throw Error(missing ? tools::kExitTargetMissing : tools::kExitPermission,
              fmt::format("{} cannot be written: {}", target.native(), std::strerror(error)));
}

// mkstemp() gives mode 0600; a report is for everybody the umask allows.
mode_t usual_mode() {
  const mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

}  // namespace

OutputFile::OutputFile(const fs::path& target) : target_(target) {
  std::error_code ignored;
  if (fs::is_directory(target, ignored)) fail(target, EISDIR);
  std::string pattern = target.native() + ".XXXXXX";
  descriptor_ = mkostemp(pattern.data(), O_CLOEXEC);
  if (descriptor_ < 0) fail(target, errno);
  temporary_ = pattern;
}

OutputFile::~OutputFile() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  unlink(temporary_.c_str());
}

void OutputFile::commit(std::string_view content) {
  while (!content.empty()) {
    const ssize_t length = write(descriptor_, content.data(), content.size());
    if (length < 0 && errno != EINTR) fail(target_, errno);
    if (length > 0) content.remove_prefix(static_cast<std::size_t>(length));
  }
  if (fchmod(descriptor_, usual_mode()) != 0 || fsync(descriptor_) != 0 ||
      std::rename(temporary_.c_str(), target_.c_str()) != 0) {
    fail(target_, errno);
  }
  close(descriptor_);
  descriptor_ = -1;
}

}  // namespace hakmem::bench
