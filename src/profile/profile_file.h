// profile/profile_file.h: the profile itself, in a file of tmpfs that outlives the process.
//
// Responsibility  Intern call stacks and the modules they run through; add to a stack's counters.
// Contract        Under the profiler's lock, but for open() and close(). The room is taken when the file is
//                 made; when it is used up, samples count for the first stack, which has no frames. The
//                 peak of each stack is what it held when all of them together held most.
// Observable      The file (profile_format.h).
// Composable      os/shared_page, os/modules. Used by profiler.
#pragma once

#include "os/modules.h"
#include "os/shared_page.h"
#include "profile/profile_format.h"
#include "profile/weight.h"

namespace hakmem {

class ProfileFile {
 public:
  constexpr ProfileFile() = default;

  // A file ready for use, or nothing where the system refuses it.
  static ProfileFile open(uint64_t rate_bytes, uint64_t now_ms);
  // These are for a copy that nobody else uses any more. leave(): the file is the parent's, and stays.
  void close();
  void leave();

  bool is_open() const { return header_ != nullptr; }
  const os::SharedPage& page() const { return page_; }
  uint64_t rate_bytes() const { return header_->rate_bytes; }

  bool knows_module(const os::CodeRange& range) const;
  void add_module(const os::CodeRange& range, const os::Module& module);

  // Offset of the stack's record.
  uint32_t intern(const uintptr_t* frames, uint32_t depth);
  void allocated(uint32_t stack, Weight weight, bool stays);
  void freed(uint32_t stack, Weight weight);
  void count_lost();

 private:
  static constexpr uint32_t kModulesMax = 256;
  static constexpr uint32_t kStacksMax = 1u << 15;

  StackRecord& stack_at(uint32_t offset) const {
    return *reinterpret_cast<StackRecord*>(reinterpret_cast<char*>(header_) + offset);
  }
  static uintptr_t* frames_of(StackRecord& record) { return reinterpret_cast<uintptr_t*>(&record + 1); }
  void* add_record(ProfileRecordKind kind, size_t bytes);
  void publish(const void* record, size_t bytes);
  bool is(uint32_t offset, uint32_t hash, const uintptr_t* frames, uint32_t depth) const;
  void save_peak(StackRecord& record);

  os::SharedPage page_;
  ProfileHeader* header_ = nullptr;
  size_t file_bytes_ = 0;
  // Offsets of stack records by hash; 0: none. Three quarters full at most.
  uint32_t* stacks_ = nullptr;
  uint32_t stack_count_ = 0;
  uint32_t nameless_ = 0;
  // Where the modules that are in the file begin; after the offsets.
  uintptr_t* module_begins_ = nullptr;
  uint32_t modules_ = 0;
};

}  // namespace hakmem
