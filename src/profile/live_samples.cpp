#include "profile/live_samples.h"

#include "base/bits.h"
#include "os/pages.h"
#include "os/process.h"

namespace hakmem {

namespace {

constexpr size_t kFirstCapacity = 4096;

Bytes room_for(size_t capacity) {
  return Bytes(round_up(capacity * sizeof(LiveSample), os::page_size().count()));
}

}  // namespace

// No system call under the lock, so another thread may have made room meanwhile.
void LiveSamples::make_room(os::Lock& lock) {
  size_t wanted;
  {
    os::LockGuard guard(lock);
    if (has_room() || capacity_ == kCapacityMax) return;
    wanted = capacity_ == 0 ? kFirstCapacity : 2 * capacity_;
  }
  LiveSample* unneeded = static_cast<LiveSample*>(os::map(room_for(wanted), os::page_size()));
  if (unneeded == nullptr) return;
  size_t unneeded_capacity = wanted;
  {
    os::LockGuard guard(lock);
    if (capacity_ < wanted) {
      LiveSample* before = entries_;
      unneeded_capacity = capacity_;
      entries_ = unneeded;
      capacity_ = wanted;
      count_ = 0;
      for (size_t i = 0; i < unneeded_capacity; ++i) {
        if (before[i].address != 0) put(before[i]);
      }
      unneeded = before;
    }
  }
  if (unneeded != nullptr) os::unmap(unneeded, room_for(unneeded_capacity));
}

bool LiveSamples::put(const LiveSample& sample) {
  if (!has_room()) return false;
  size_t place = place_of(sample.address);
  while (entries_[place].address != 0) place = (place + 1) & (capacity_ - 1);
  entries_[place] = sample;
  ++count_;
  return true;
}

LiveSample LiveSamples::take(uintptr_t address) {
  if (capacity_ == 0) return {};
  size_t place = place_of(address);
  while (entries_[place].address != address) {
    if (entries_[place].address == 0) return {};
    place = (place + 1) & (capacity_ - 1);
  }
  const LiveSample taken = entries_[place];
  // What probing put behind it moves up, so that no search ends at the hole.
  size_t hole = place;
  for (size_t i = (hole + 1) & (capacity_ - 1); entries_[i].address != 0; i = (i + 1) & (capacity_ - 1)) {
    const size_t home = place_of(entries_[i].address);
    if (((i - home) & (capacity_ - 1)) < ((i - hole) & (capacity_ - 1))) continue;
    entries_[hole] = entries_[i];
    hole = i;
  }
  entries_[hole] = LiveSample{};
  --count_;
  return taken;
}

void LiveSamples::unmap() {
  if (entries_ != nullptr) os::unmap(entries_, room_for(capacity_));
}

}  // namespace hakmem
