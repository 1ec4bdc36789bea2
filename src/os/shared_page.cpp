#include "os/shared_page.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/text.h"
#include "os/process.h"
#include "os/raw_syscall.h"

namespace hakmem::os {

namespace {

constexpr char kFolderPrefix[] = "/dev/shm/hakmem.";
constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr int kFileFlags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

long as_long(const void* address) { return reinterpret_cast<long>(address); }

int open_at(int folder, const char* name, int flags, int mode) {
  return static_cast<int>(raw_syscall(SYS_openat, folder, as_long(name), flags, mode));
}

void close_descriptor(int descriptor) { raw_syscall(SYS_close, descriptor); }

// A text that ends in a NUL, of what the writer has.
void copy_text(char* to, size_t capacity, const LineWriter& line) {
  const size_t length = line.size() < capacity ? line.size() : capacity - 1;
  for (size_t i = 0; i < length; ++i) to[i] = line.data()[i];
  to[length] = '\0';
}

// Sandboxes refuse openat with an errno where they are kind, so it is the first call.
int open_folder(const char* path) {
  int folder = open_at(AT_FDCWD, path, kFolderFlags, 0);
  if (folder == -ENOENT) {
    raw_syscall(SYS_mkdirat, AT_FDCWD, as_long(path), 0700);
    folder = open_at(AT_FDCWD, path, kFolderFlags, 0);
  }
  if (folder < 0) return -1;
  struct statfs system {};
  struct stat status {};
  const bool is_memory = raw_syscall(SYS_fstatfs, folder, as_long(&system)) == 0 &&
                         system.f_type == TMPFS_MAGIC;
  // Somebody else may have made a folder of this name before.
  const bool is_ours = raw_syscall(SYS_fstat, folder, as_long(&status)) == 0 &&
                       status.st_uid == static_cast<uid_t>(raw_syscall(SYS_geteuid)) &&
                       (status.st_mode & 077) == 0;
  if (is_memory && is_ours) return folder;
  close_descriptor(folder);
  return -1;
}

// "pid:[4026531836]"; 0 without /proc.
uint64_t pid_namespace() {
  char text[64];
  const long length = raw_syscall(SYS_readlinkat, AT_FDCWD, as_long("/proc/self/ns/pid"),
                                  as_long(text), sizeof(text));
  uint64_t number = 0;
  for (long i = 0; i < length; ++i) {
    if (is_digit(text[i])) number = number * 10 + static_cast<uint64_t>(text[i] - '0');
  }
  return number;
}

// Beyond RLIMIT_FSIZE the kernel does not refuse: it sends a signal.
bool may_write(Bytes size) {
  rlimit limit{};
  return raw_syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, as_long(&limit)) == 0 &&
         limit.rlim_cur >= size.count();
}

// Signal 0 reaches nobody.
bool is_gone(uint64_t pid) {
  return raw_syscall(SYS_kill, static_cast<long>(pid), 0) == -ESRCH;
}

// PID.NAMESPACE, or that and a suffix. False for other names.
bool parse_name(const char* name, uint64_t* pid, uint64_t* space) {
  uint64_t numbers[2] = {};
  uint32_t part = 0;
  for (; *name != '\0'; ++name) {
    if (*name == '.' && part == 0) {
      part = 1;
    } else if (*name == '.') {
      break;
    } else if (is_digit(*name) && numbers[part] < UINT64_MAX / 16) {
      numbers[part] = numbers[part] * 10 + static_cast<uint64_t>(*name - '0');
    } else {
      return false;
    }
  }
  *pid = numbers[0];
  *space = numbers[1];
  return part == 1 && numbers[0] != 0 && numbers[0] <= INT32_MAX;
}

// The lock is the open file's, and a mapping holds that file open after the descriptor is closed. So it lasts as long
// as anybody has the file mapped, and says so in every pid namespace: until the process ends or runs another program,
// and a child of fork has unmapped what it inherited.
bool lock_file(int file) { return raw_syscall(SYS_flock, file, LOCK_EX | LOCK_NB) == 0; }

// Its lock is held until the name is gone, or whoever makes such a file now would think that it has one.
void remove_unless_mapped(int folder, const char* name) {
  const int file = open_at(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
  if (file < 0) return;
  struct stat status {};
  // A file without a name: another one has this name by now.
  const bool is_this = lock_file(file) && raw_syscall(SYS_fstat, file, as_long(&status)) == 0 && status.st_nlink != 0;
  if (is_this) raw_syscall(SYS_unlinkat, folder, as_long(name), 0);
  close_descriptor(file);
}

// All names, in looks of about 25, because stacks may be small. Of this pid namespace most processes live, and one
// call says so. The bound is against a folder that somebody fills meanwhile.
void remove_stale(int folder, uint64_t ours) {
  constexpr uint32_t kLooksMax = 1024;
  alignas(dirent64) char entries[1024];
  for (uint32_t look = 0; look < kLooksMax; ++look) {
    const long bytes = raw_syscall(SYS_getdents64, folder, as_long(entries), sizeof(entries));
    if (bytes <= 0) return;
    for (long at = 0; at < bytes;) {
      const dirent64* entry = reinterpret_cast<const dirent64*>(entries + at);
      at += entry->d_reclen;
      uint64_t pid = 0;
      uint64_t space = 0;
      if (!parse_name(entry->d_name, &pid, &space)) continue;
      if (space == ours && ours != 0 && !is_gone(pid)) continue;
      remove_unless_mapped(folder, entry->d_name);
    }
  }
}

// A new file of this name, locked; -1 when refused. Nobody else has our number, so a file of our name is from before
// an exec. Who tidies up may have found the new one before it had its lock, and taken the name away: another turn.
int make_file(int folder, const char* name) {
  for (int turn = 0; turn < 4; ++turn) {
    const int file = open_at(folder, name, kFileFlags, 0600);
    if (file < 0 && file != -EEXIST) return -1;
    struct stat status {};
    if (file >= 0 && lock_file(file) && raw_syscall(SYS_fstat, file, as_long(&status)) == 0 && status.st_nlink == 1) {
      return file;
    }
    raw_syscall(SYS_unlinkat, folder, as_long(name), 0);
    if (file >= 0) close_descriptor(file);
  }
  return -1;
}

// nullptr when the file system is full, or the process hides itself from its own user.
void* map_file(int file, Bytes size) {
  const long bytes = static_cast<long>(size.count());
  if (raw_syscall(SYS_prctl, PR_GET_DUMPABLE) != 1 || !may_write(size)) return nullptr;
  if (raw_syscall(SYS_fallocate, file, 0, 0, bytes) != 0) return nullptr;
  const long address =
      raw_syscall(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  return address < 0 ? nullptr : reinterpret_cast<void*>(address);
}

}  // namespace

SharedPage create_shared_page(Bytes size, const char* suffix) {
  SharedPage page;
  LineWriter folder_path;
  folder_path.append(kFolderPrefix);
  folder_path.append_decimal(static_cast<uint64_t>(raw_syscall(SYS_geteuid)));
  char path[sizeof(page.path)];
  copy_text(path, sizeof(path), folder_path);
  const int folder = open_folder(path);
  if (folder < 0) return page;

  page.pid_namespace = pid_namespace();
  remove_stale(folder, page.pid_namespace);
  LineWriter file_name;
  file_name.append_decimal(static_cast<uint64_t>(process_id())).append('.');
  file_name.append_decimal(page.pid_namespace).append(suffix);
  char name[64];
  copy_text(name, sizeof(name), file_name);
  const int file = make_file(folder, name);
  if (file >= 0) {
    page.address = map_file(file, size);
    if (page.address == nullptr) raw_syscall(SYS_unlinkat, folder, as_long(name), 0);
    close_descriptor(file);
  }
  close_descriptor(folder);
  folder_path.append('/').append(TextView(name));
  copy_text(page.path, sizeof(page.path), folder_path);
  return page;
}

void remove_shared_page(const SharedPage& page, Bytes size) {
  raw_syscall(SYS_unlinkat, AT_FDCWD, as_long(page.path), 0);
  raw_syscall(SYS_munmap, as_long(page.address), static_cast<long>(size.count()));
}

}  // namespace hakmem::os
