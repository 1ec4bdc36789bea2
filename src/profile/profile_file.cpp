#include "profile/profile_file.h"

#include <string.h>

#include "base/bits.h"
#include "os/pages.h"
#include "os/process.h"

namespace hakmem {

namespace {

// About 16 000 stacks of twenty frames; a container's /dev/shm often has 64 MiB for all.
constexpr size_t kFileBytes = size_t{4} << 20;
constexpr size_t kFileBytesMin = size_t{256} << 10;

// relaxed, as all counters here: one writer at a time, the lock's holder; readers take each as it comes.
void add(ProfileWord& word, uint64_t more) {
  word.store(word.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}
uint64_t get(const ProfileWord& word) { return word.load(std::memory_order_relaxed); }
void set(ProfileWord& word, uint64_t value) { word.store(value, std::memory_order_relaxed); }

uint32_t hash_of(const uintptr_t* frames, uint32_t depth) {
  uint64_t hash = depth;
  for (uint32_t i = 0; i < depth; ++i) hash = (hash ^ frames[i]) * 0x9e3779b97f4a7c15;
  return static_cast<uint32_t>(hash >> 32);
}

Bytes index_bytes(uint32_t stacks, uint32_t modules) {
  return Bytes(round_up(stacks * sizeof(uint32_t) + modules * sizeof(uintptr_t), os::page_size().count()));
}

}  // namespace

ProfileFile ProfileFile::open(uint64_t rate_bytes, uint64_t now_ms) {
  ProfileFile file;
  for (size_t size = kFileBytes; size >= kFileBytesMin && file.page_.address == nullptr; size /= 4) {
    file.file_bytes_ = round_up(size, os::page_size().count());
    file.page_ = os::create_shared_page(Bytes(file.file_bytes_), kProfileSuffix);
  }
  if (file.page_.address == nullptr) return file;
  file.stacks_ = static_cast<uint32_t*>(os::map(index_bytes(kStacksMax, kModulesMax), os::page_size()));
  if (file.stacks_ == nullptr) {
    os::remove_shared_page(file.page_, Bytes(file.file_bytes_));
    return ProfileFile();
  }
  static_assert(kStacksMax * sizeof(*file.stacks_) % alignof(uintptr_t) == 0);
  file.module_begins_ = reinterpret_cast<uintptr_t*>(file.stacks_ + kStacksMax);
  ProfileHeader* header = static_cast<ProfileHeader*>(file.page_.address);
  file.header_ = header;
  header->version = kProfileVersion;
  header->process_id = static_cast<uint32_t>(os::process_id());
  header->pid_namespace = file.page_.pid_namespace;
  header->rate_bytes = rate_bytes;
  header->file_bytes = file.file_bytes_;
  header->started_ms = now_ms;
  set(header->used, sizeof(ProfileHeader));
  file.nameless_ = file.intern(nullptr, 0);
  header->magic = kProfileMagic;
  return file;
}

void ProfileFile::close() {
  if (header_ == nullptr) return;
  os::remove_shared_page(page_, Bytes(file_bytes_));
  os::unmap(stacks_, index_bytes(kStacksMax, kModulesMax));
}

void ProfileFile::leave() {
  if (header_ == nullptr) return;
  os::unmap(page_.address, Bytes(file_bytes_));
  os::unmap(stacks_, index_bytes(kStacksMax, kModulesMax));
}

void* ProfileFile::add_record(ProfileRecordKind kind, size_t bytes) {
  const size_t used = get(header_->used);
  if (bytes > file_bytes_ - used) return nullptr;
  ProfileRecord* record = reinterpret_cast<ProfileRecord*>(reinterpret_cast<char*>(header_) + used);
  record->kind = kind;
  record->bytes = static_cast<uint32_t>(bytes);
  return record;
}

// sync: records. release: who sees the length sees the record.
void ProfileFile::publish(const void* record, size_t bytes) {
  const size_t offset =
      static_cast<size_t>(static_cast<const char*>(record) - reinterpret_cast<const char*>(header_));
  header_->used.store(offset + bytes, std::memory_order_release);
}

bool ProfileFile::knows_module(const os::CodeRange& range) const {
  for (uint32_t i = 0; i < modules_; ++i) {
    if (module_begins_[i] == range.begin) return true;
  }
  return modules_ == kModulesMax;
}

void ProfileFile::add_module(const os::CodeRange& range, const os::Module& module) {
  if (knows_module(range)) return;
  module_begins_[modules_++] = range.begin;
  const size_t length = strlen(module.path);
  const size_t bytes = round_up(sizeof(ModuleRecord) + length, sizeof(uint64_t));
  ModuleRecord* record = static_cast<ModuleRecord*>(add_record(ProfileRecordKind::kModule, bytes));
  if (record == nullptr) return;
  record->begin = range.begin;
  record->end = range.end;
  record->base = module.base;
  record->build_id_bytes = static_cast<uint32_t>(module.build_id_size);
  record->path_bytes = static_cast<uint32_t>(length);
  static_assert(sizeof(record->build_id) == os::Module::kBuildIdMax);
  memcpy(record->build_id, module.build_id, sizeof(record->build_id));
  memcpy(record + 1, module.path, length);
  publish(record, bytes);
}

bool ProfileFile::is(uint32_t offset, uint32_t hash, const uintptr_t* frames, uint32_t depth) const {
  StackRecord& record = stack_at(offset);
  return record.hash == hash && record.depth == depth &&
         memcmp(frames_of(record), frames, depth * sizeof(*frames)) == 0;
}

uint32_t ProfileFile::intern(const uintptr_t* frames, uint32_t depth) {
  const uint32_t hash = hash_of(frames, depth);
  uint32_t place = hash % kStacksMax;
  while (stacks_[place] != 0) {
    if (is(stacks_[place], hash, frames, depth)) return stacks_[place];
    place = (place + 1) % kStacksMax;
  }
  const size_t bytes = sizeof(StackRecord) + depth * sizeof(*frames);
  void* room = stack_count_ < kStacksMax / 4 * 3 ? add_record(ProfileRecordKind::kStack, bytes) : nullptr;
  if (room == nullptr) {
    add(header_->stacks_lost, 1);
    return nameless_;
  }
  StackRecord* record = static_cast<StackRecord*>(room);
  record->depth = depth;
  record->hash = hash;
  if (depth != 0) memcpy(frames_of(*record), frames, depth * sizeof(*frames));
  publish(record, bytes);
  ++stack_count_;
  return stacks_[place] = static_cast<uint32_t>(get(header_->used) - bytes);
}

// What a stack holds when the peak is over is its part of the peak; it is written down when it next changes.
void ProfileFile::save_peak(StackRecord& record) {
  if (get(header_->at_peak) != 0 || get(record.peak_epoch) == get(header_->peak_epoch)) return;
  set(record.peak_count, get(record.live_count));
  set(record.peak_bytes, get(record.live_bytes));
  set(record.peak_epoch, get(header_->peak_epoch));
}

void ProfileFile::allocated(uint32_t stack, Weight weight, bool stays) {
  StackRecord& record = stack_at(stack);
  add(header_->samples, 1);
  add(record.allocated_count, weight.count);
  add(record.allocated_bytes, weight.bytes);
  if (!stays) return;
  save_peak(record);
  add(record.live_count, weight.count);
  add(record.live_bytes, weight.bytes);
  add(header_->live_bytes, weight.bytes);
  if (get(header_->live_bytes) <= get(header_->peak_bytes)) return;
  set(header_->peak_bytes, get(header_->live_bytes));
  set(header_->at_peak, 1);
}

void ProfileFile::freed(uint32_t stack, Weight weight) {
  StackRecord& record = stack_at(stack);
  if (get(header_->at_peak) != 0) {
    add(header_->peak_epoch, 1);
    set(header_->at_peak, 0);
  }
  save_peak(record);
  add(record.live_count, -weight.count);
  add(record.live_bytes, -weight.bytes);
  add(header_->live_bytes, -weight.bytes);
}

void ProfileFile::count_lost() { add(header_->samples_lost, 1); }

}  // namespace hakmem
