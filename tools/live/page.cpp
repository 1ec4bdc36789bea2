#include "page.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "../installation.h"
#include "failure.h"
#include "request_word.h"
#include "observe/page_format.h"
#include "profile/profile_format.h"

namespace hakmem::tools {
namespace {

constexpr std::size_t kPageBytesMax = std::size_t{1} << 20;
constexpr std::size_t kWordsMax = std::size_t{1} << 16;
// A write takes microseconds; a writer that was stopped in the middle of one may stay there.
constexpr int kReadAttempts = 200;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator int() const { return number_; }

 private:
  int number_;
};

std::uint64_t monotonic_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000 +
         static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

[[noreturn]] void damaged(const StatsPage& page, const char* what) {
  throw Failure(kExitUnsupported, "{}: not a stats page this command understands ({})", page.path, what);
}

template <typename T>
T word_at(const std::string& bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

// A member of the header, by its place.
#define HEADER_FIELD(bytes, member) word_at<decltype(PageHeader::member)>(bytes, offsetof(PageHeader, member))

bool read_whole(int file, std::string* bytes) {
  struct stat status {};
  if (fstat(file, &status) != 0 || status.st_size < static_cast<off_t>(sizeof(PageHeader)) ||
      status.st_size > static_cast<off_t>(kPageBytesMax)) {
    return false;
  }
  bytes->resize(static_cast<std::size_t>(status.st_size));
  return pread(file, bytes->data(), bytes->size(), 0) == static_cast<ssize_t>(bytes->size());
}

// A copy that no write has touched meanwhile; false when there never was one.
bool read_consistent(int file, const StatsPage& page, std::string* bytes) {
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    if (!read_whole(file, bytes)) damaged(page, "its size");
    std::uint64_t after = 0;
    if (pread(file, &after, sizeof(after), offsetof(PageHeader, sequence)) != sizeof(after)) {
      damaged(page, "its size");
    }
    const auto before = word_at<std::uint64_t>(*bytes, offsetof(PageHeader, sequence));
    if (before == after && before % 2 == 0) return true;
    poll(nullptr, 0, 1);
  }
  return false;
}

// The page, or the profile beside it.
std::optional<PageFile> find_file(const std::vector<Mapping>& mappings, bool profile) {
  const std::string prefix = "/dev/shm/hakmem.";
  const std::string gone = " (deleted)";
  const std::string suffix = kProfileSuffix;
  for (const Mapping& mapping : mappings) {
    if (mapping.path.rfind(prefix, 0) != 0 || mapping.permissions != "rw-s") continue;
    PageFile file{mapping.path, mapping.device, mapping.inode, false};
    if (file.path.size() > gone.size() &&
        file.path.compare(file.path.size() - gone.size(), gone.size(), gone) == 0) {
      file.path.resize(file.path.size() - gone.size());
      file.deleted = true;
    }
    const bool is_profile = file.path.size() > suffix.size() &&
                            file.path.compare(file.path.size() - suffix.size(), suffix.size(), suffix) == 0;
    if (is_profile == profile) return file;
  }
  return std::nullopt;
}

bool is_name(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::string rest_of(std::istringstream& fields) {
  std::string rest;
  std::getline(fields >> std::ws, rest);
  return printable(rest);
}

void parse_line(StatsPage* page, const std::string& line, Table** current) {
  std::istringstream fields(line);
  std::string word;
  std::string name;
  fields >> word;
  if (word == "table") {
    std::size_t offset = 0;
    std::size_t rows = 0;
    if (!(fields >> name >> offset >> rows) || !is_name(name)) damaged(*page, "a table");
    *current = &page->tables[name];
    (*current)->rows = rows;
    (*current)->offset = offset;
  } else if (word == "column" && *current != nullptr) {
    Column column;
    fields >> column.name >> column.kind >> column.unit;
    column.help = rest_of(fields);
    if (!is_name(column.name) || !is_name(column.kind) || !is_name(column.unit)) {
      damaged(*page, "a column");
    }
    (*current)->columns.push_back(column);
  } else if (word == "event") {
    std::uint64_t number = 0;
    EventKind kind;
    if (!(fields >> number >> kind.name >> kind.unit) || !is_name(kind.name)) damaged(*page, "an event");
    kind.help = rest_of(fields);
    page->events[number] = kind;
  }
  // Other words are a newer library's.
}

void fill_table(const StatsPage& page, const std::string& bytes, Table* table) {
  const std::size_t width = table->columns.size();
  if (table->rows > kWordsMax || width > kWordsMax || table->rows * width > kWordsMax) {
    damaged(page, "the size of a table");
  }
  const std::size_t length = table->rows * width * sizeof(std::uint64_t);
  if (table->offset % 8 != 0 || table->offset > bytes.size() || length > bytes.size() - table->offset) {
    damaged(page, "the place of a table");
  }
  table->words.resize(table->rows * width);
  std::memcpy(table->words.data(), bytes.data() + table->offset, length);
}

void decode(const std::string& bytes, const ProcessInfo& process, StatsPage* page) {
  const std::uint32_t version = HEADER_FIELD(bytes, version);
  const std::size_t text_offset = HEADER_FIELD(bytes, text_offset);
  const std::size_t text_bytes = HEADER_FIELD(bytes, text_bytes);
  if (HEADER_FIELD(bytes, magic) != kPageMagic) damaged(*page, "its first word");
  if (version != kPageVersion) {
    throw Failure(kExitUnsupported, "{} is of version {}, this command reads version {}: use the hakmem command"
                  " that came with the library", page->path, version, kPageVersion);
  }
  if (HEADER_FIELD(bytes, process_id) != static_cast<std::uint32_t>(process.own_pid)) {
    throw Failure(kExitTargetMissing, "process {} has no page of its own yet: it still maps its parent's (it makes"
                  " one when it next allocates)", process.pid);
  }
  if (text_offset > bytes.size() || text_bytes > bytes.size() - text_offset) {
    damaged(*page, "its description");
  }
  std::istringstream lines(bytes.substr(text_offset, text_bytes));
  Table* current = nullptr;
  for (std::string line; std::getline(lines, line);) parse_line(page, line, &current);
  for (auto& [name, table] : page->tables) fill_table(*page, bytes, &table);
  page->answered = word_at<std::uint64_t>(bytes, offsetof(PageHeader, request)) ==
                   word_at<std::uint64_t>(bytes, offsetof(PageHeader, answered));
  for (const char* name : {"totals", "classes", "events", "options", "layout"}) {
    if (page->tables.count(name) == 0 || page->tables[name].rows == 0) damaged(*page, name);
  }
  const std::uint64_t written = page->total("written_ms");
  const std::uint64_t now = monotonic_ms();
  page->age_ms = now > written ? now - written : 0;
}

// Under that name, whatever version follows it.
bool is_file(const Mapping& mapping, const std::string& name) {
  const std::size_t slash = mapping.path.rfind('/');
  return slash != std::string::npos && mapping.path.compare(slash + 1, name.size(), name) == 0;
}

[[noreturn]] void no_page(int pid, const std::vector<Mapping>& mappings) {
  const std::string library = mapped_library(mappings);
  if (library.empty()) {
    throw Failure(kExitTargetMissing, "process {} does not use hakmem (hakmem verify --pid {} says why)", pid, pid);
  }
  if (library.find(file_name(Library::kHardened)) != std::string::npos) {
    throw Failure(kExitTargetMissing, "process {} runs the hardened flavour, which shows nobody its heap", pid);
  }
  const std::string stats = variable_of(read_environment(pid), "HAKMEM_STATS").value_or("");
  if (!stats.empty()) {
    throw Failure(kExitTargetMissing, "process {} has HAKMEM_STATS={}: it shows no figures unless that is on", pid,
                  printable(stats));
  }
  throw Failure(kExitTargetMissing, "process {} uses hakmem but shows no figures: its heap is below 1 MiB, it is"
                " not dumpable, or its /dev/shm is missing, full or no tmpfs", pid);
}

PageFile page_of(int pid) {
  const std::vector<Mapping> mappings = read_mappings(pid, Detail::kAddresses);
  const std::optional<PageFile> file = find_page(mappings);
  if (!file) no_page(pid, mappings);
  return *file;
}

StatsPage read_page_of(const ProcessInfo& process, const PageFile& file) {
  StatsPage page;
  page.path = printable(file.path);
  const Descriptor opened(open_page(process.pid, file, O_RDONLY));
  std::string bytes;
  if (!read_consistent(opened, page, &bytes)) {
    throw Failure(kExitTargetMissing, "process {} was stopped while it wrote its figures; try again when it runs",
                  process.pid);
  }
  decode(bytes, process, &page);
  return page;
}

}  // namespace

std::optional<std::size_t> Table::column(const std::string& name) const {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].name == name) return i;
  }
  return std::nullopt;
}

std::uint64_t Table::at(std::size_t row, const std::string& name) const {
  const std::optional<std::size_t> index = column(name);
  return index && row < rows ? words[row * columns.size() + *index] : 0;
}

const Table& StatsPage::table(const std::string& name) const {
  static const Table none;
  const auto found = tables.find(name);
  return found == tables.end() ? none : found->second;
}

// The path is the process's: through its root, which may be a container's.
int open_page(int pid, const PageFile& file, int flags) {
  const std::string root = "/proc/" + std::to_string(pid) + "/root";
  int error = ENOENT;
  for (const std::string& path : {root + file.path, file.path}) {
    const int number = open(path.c_str(), flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (number < 0) {
      error = errno;
      continue;
    }
    struct stat status {};
    const bool is_it = fstat(number, &status) == 0 && S_ISREG(status.st_mode) &&
                       status.st_dev == file.device && status.st_ino == file.inode;
    if (is_it) return number;
    close(number);
    error = ENOENT;
  }
  if (error == EACCES || error == EPERM) {
    throw Failure(kExitPermission, "{} may not be opened: try as the user who started process {}, or as root",
                  file.path, pid);
  }
  throw Failure(kExitTargetMissing, "{}, which process {} shows its figures in, is gone; they cannot be read"
                " until it is started again", file.path, pid);
}

std::optional<PageFile> find_page(const std::vector<Mapping>& mappings) { return find_file(mappings, false); }

std::optional<PageFile> find_profile(const std::vector<Mapping>& mappings) { return find_file(mappings, true); }

std::string mapped_library(const std::vector<Mapping>& mappings) {
  for (const Mapping& mapping : mappings) {
    if (is_file(mapping, file_name(Library::kDefault)) || is_file(mapping, file_name(Library::kHardened))) return mapping.path;
  }
  return {};
}

StatsPage read_page(int pid) { return read_page_of(read_process(pid), page_of(pid)); }

StatsPage ask_page(int pid, Request request, unsigned wait_ms, std::uint32_t argument) {
  const ProcessInfo process = read_process(pid);
  const PageFile file = page_of(pid);
  const StatsPage before = read_page_of(process, file);  // nothing is written to what is no page
  const Descriptor opened(open_page(pid, file, O_RDWR));
  struct stat status {};
  if (fstat(opened, &status) != 0 || (status.st_uid != process.uid && status.st_uid != 0)) {
    throw Failure(kExitPermission, "{} belongs to another user than process {}: nothing is asked of it", before.path,
                  pid);
  }
  RequestWord word(opened, before.path, request, argument);
  const std::uint64_t begin = monotonic_ms();
  bool answered = word.ask(false);
  for (std::uint64_t now = begin; !answered && now < begin + wait_ms; now = monotonic_ms()) {
    poll(nullptr, 0, 2);
    answered = word.ask(now >= begin + wait_ms / 2);
  }
  // It stands, for when the process answers; who does not wait asks again, and displaces nobody.
  if (!answered && wait_ms != 0) answered = word.ask(true);
  StatsPage page = read_page_of(process, file);
  page.answered = answered;
  return page;
}

}  // namespace hakmem::tools
