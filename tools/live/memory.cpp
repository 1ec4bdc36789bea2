#include "memory.h"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "failure.h"

namespace hakmem::tools {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{4} << 20;

[[noreturn]] void fail(int pid, int error) {
  if (error == EPERM || error == EACCES) {
    throw Failure(kExitPermission, "reading the memory of process {} is refused (kernel.yama.ptrace_scope?); try as"
                  " root", pid);
  }
  if (error == ESRCH) throw Failure(kExitTargetMissing, "process {} has ended", pid);
  throw Failure(kExitUnsupported, "the slabs of process {} are not where its page says: {}", pid, std::strerror(error));
}

}  // namespace

void Memory::read(std::uint64_t address, void* out, std::size_t bytes) const {
  for (std::size_t done = 0; done < bytes;) {
    const std::size_t wanted = std::min(bytes - done, kChunkBytes);
    iovec here{static_cast<char*>(out) + done, wanted};
    iovec there{reinterpret_cast<void*>(address + done), wanted};
    const ssize_t got = process_vm_readv(pid_, &here, 1, &there, 1, 0);
    if (got <= 0) fail(pid_, got == 0 ? EFAULT : errno);
    done += static_cast<std::size_t>(got);
  }
}

}  // namespace hakmem::tools
