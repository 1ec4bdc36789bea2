#include "raw.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cstring>

#include "../live/failure.h"
#include "../live/process.h"
#include "profile/profile_format.h"

namespace hakmem::tools {
namespace {

constexpr off_t kBytesMax = off_t{64} << 20;

[[noreturn]] void damaged(const std::string& path, const char* what) {
  throw Failure(kExitUnsupported, "{}: not a profile this command understands ({})", path, what);
}

template <typename T>
T at(const std::string& bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

#define RAW_FIELD(type, bytes, start, member) \
  at<std::uint64_t>(bytes, (start) + offsetof(type, member))

std::int64_t blocks(std::uint64_t count) {
  return static_cast<std::int64_t>((count + (1u << (kCountShift - 1))) >> kCountShift);
}

std::string read_all(int file, const std::string& path) {
  struct stat status {};
  if (fstat(file, &status) != 0 || status.st_size < off_t{sizeof(ProfileHeader)} || status.st_size > kBytesMax) {
    damaged(path, "its size");
  }
  // The length first: what is complete at that moment.
  std::uint64_t used = 0;
  if (pread(file, &used, sizeof used, offsetof(ProfileHeader, used)) != sizeof used) damaged(path, "its size");
  if (used < sizeof(ProfileHeader) || used > static_cast<std::uint64_t>(status.st_size)) damaged(path, "its length");
  std::string bytes(used, '\0');
  if (pread(file, bytes.data(), used, 0) != static_cast<ssize_t>(used)) damaged(path, "its size");
  return bytes;
}

class Reader {
 public:
  Reader(const std::string& bytes, const std::string& path, const Mark& mark)
      : bytes_(bytes), path_(path), mark_(mark) {}

  Profile read() {
    if (RAW_FIELD(ProfileHeader, bytes_, 0, magic) != kProfileMagic) damaged(path_, "its first word");
    const auto version = at<std::uint32_t>(bytes_, offsetof(ProfileHeader, version));
    if (version != kProfileVersion) {
      throw Failure(kExitUnsupported, "{} is of version {}, this command reads version {}: use the hakmem command"
                    " that came with the library", path_, version, kProfileVersion);
    }
    profile_.rate = static_cast<std::int64_t>(RAW_FIELD(ProfileHeader, bytes_, 0, rate_bytes));
    profile_.started_ms = RAW_FIELD(ProfileHeader, bytes_, 0, started_ms);
    profile_.taken = RAW_FIELD(ProfileHeader, bytes_, 0, samples);
    profile_.lost = RAW_FIELD(ProfileHeader, bytes_, 0, samples_lost);
    profile_.stacks_lost = RAW_FIELD(ProfileHeader, bytes_, 0, stacks_lost);
    for (const char* kind : {"alloc", "inuse", "peak", "growth"}) {
      profile_.columns.push_back({std::string(kind) + "_objects", "count"});
      profile_.columns.push_back({std::string(kind) + "_space", "bytes"});
    }
    for (std::size_t offset = sizeof(ProfileHeader); offset < bytes_.size();) offset += read_record(offset);
    for (Location& location : profile_.locations) location.module = module_of(location.address);
    return std::move(profile_);
  }

 private:
  std::size_t read_record(std::size_t offset) {
    if (bytes_.size() - offset < sizeof(ProfileRecord)) damaged(path_, "a record");
    const auto kind = at<ProfileRecordKind>(bytes_, offset);
    const auto length = at<std::uint32_t>(bytes_, offset + offsetof(ProfileRecord, bytes));
    if (length < sizeof(ProfileRecord) || length % 8 != 0 || length > bytes_.size() - offset) {
      damaged(path_, "a record");
    }
    if (kind == ProfileRecordKind::kModule && length >= sizeof(ModuleRecord)) read_module(offset, length);
    if (kind == ProfileRecordKind::kStack && length >= sizeof(StackRecord)) read_stack(offset, length);
    return length;  // other kinds are a newer library's
  }

  void read_module(std::size_t offset, std::size_t length) {
    ProfileModule module;
    module.begin = RAW_FIELD(ModuleRecord, bytes_, offset, begin);
    module.end = RAW_FIELD(ModuleRecord, bytes_, offset, end);
    module.base = RAW_FIELD(ModuleRecord, bytes_, offset, base);
    const auto id = at<std::uint32_t>(bytes_, offset + offsetof(ModuleRecord, build_id_bytes));
    const auto path = at<std::uint32_t>(bytes_, offset + offsetof(ModuleRecord, path_bytes));
    if (id > sizeof(ModuleRecord::build_id) || path > length - sizeof(ModuleRecord)) damaged(path_, "a module");
    for (std::size_t i = 0; i < id; ++i) {
      module.build_id += fmt::format(
          "{:02x}", at<std::uint8_t>(bytes_, offset + offsetof(ModuleRecord, build_id) + i));
    }
    module.path = printable(bytes_.substr(offset + sizeof(ModuleRecord), path));
    profile_.modules.push_back(module);
  }

  void read_stack(std::size_t offset, std::size_t length) {
    const auto depth = at<std::uint32_t>(bytes_, offset + offsetof(StackRecord, depth));
    if (depth > (length - sizeof(StackRecord)) / 8) damaged(path_, "a stack");
    ProfileSample sample;
    sample.record = offset;
    std::vector<std::uint64_t> addresses;
    for (std::size_t i = 0; i < depth; ++i) {
      addresses.push_back(at<std::uint64_t>(bytes_, offset + sizeof(StackRecord) + 8 * i));
      sample.locations.push_back(location_of(addresses.back()));
    }
    const auto word = [&](std::size_t member) { return at<std::uint64_t>(bytes_, offset + member); };
    const std::int64_t live = blocks(word(offsetof(StackRecord, live_count)));
    const auto live_bytes = static_cast<std::int64_t>(word(offsetof(StackRecord, live_bytes)));
    const bool peak_is_live =
        RAW_FIELD(ProfileHeader, bytes_, 0, at_peak) != 0 ||
        word(offsetof(StackRecord, peak_epoch)) != RAW_FIELD(ProfileHeader, bytes_, 0, peak_epoch);
    const auto before = mark_.find(addresses);
    const auto [marked, marked_bytes] =
        before == mark_.end() ? std::pair<std::int64_t, std::int64_t>{0, 0} : before->second;
    sample.values = {blocks(word(offsetof(StackRecord, allocated_count))),
                     static_cast<std::int64_t>(word(offsetof(StackRecord, allocated_bytes))),
                     live,
                     live_bytes,
                     peak_is_live ? live : blocks(word(offsetof(StackRecord, peak_count))),
                     peak_is_live ? live_bytes
                                  : static_cast<std::int64_t>(word(offsetof(StackRecord, peak_bytes))),
                     live - marked,
                     live_bytes - marked_bytes};
    if (sample.values[0] != 0) profile_.samples.push_back(std::move(sample));
  }

  std::size_t location_of(std::uint64_t address) {
    const auto [place, is_new] = places_.try_emplace(address, profile_.locations.size());
    if (is_new) {
      Location location;
      location.address = address;
      profile_.locations.push_back(location);
    }
    return place->second;
  }

  std::size_t module_of(std::uint64_t address) const {
    for (std::size_t i = 0; i < profile_.modules.size(); ++i) {
      const ProfileModule& module = profile_.modules[i];
      if (address > module.begin && address <= module.end) return i;
    }
    return SIZE_MAX;
  }

  const std::string& bytes_;
  const std::string& path_;
  const Mark& mark_;
  Profile profile_;
  std::map<std::uint64_t, std::size_t> places_;
};

}  // namespace

Profile read_raw(int file, const std::string& path, const Mark& mark) {
  const std::string bytes = read_all(file, path);
  return Reader(bytes, path, mark).read();
}

Mark mark_of(const Profile& profile) {
  Mark mark;
  const std::size_t space = column_of(profile, "inuse_space");
  for (const ProfileSample& sample : profile.samples) {
    std::vector<std::uint64_t> addresses;
    for (const std::size_t location : sample.locations) addresses.push_back(profile.locations[location].address);
    mark[addresses] = {sample.values[space - 1], sample.values[space]};
  }
  return mark;
}

std::string raw_path(int pid) {
  char link[64] = {};
  if (readlink("/proc/self/ns/pid", link, sizeof link - 1) < 0) link[0] = '\0';
  std::string digits;
  for (const char c : std::string(link)) {
    if (std::isdigit(static_cast<unsigned char>(c)) != 0) digits += c;
  }
  return fmt::format("/dev/shm/hakmem.{}/{}.{}{}", geteuid(), pid, digits.empty() ? "0" : digits, kProfileSuffix);
}

}  // namespace hakmem::tools
