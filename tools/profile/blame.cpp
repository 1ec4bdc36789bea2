#include "blame.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <unordered_map>

#include "profile/weight.h"

namespace hakmem::tools {
namespace {

constexpr unsigned kSlotShift = 16;

// A class, and whether one block alone is taken.
using Group = std::pair<std::uint32_t, bool>;

struct Share {
  Group group;
  std::uint64_t stack = 0;
  double blocks = 0;
  double bytes = 0;
};

// Slabs by the number of each of their slots.
class Slabs {
 public:
  explicit Slabs(const HeapMap& map) {
    for (const SuperSlabView& super : map.superslabs) {
      const SlotView* head = nullptr;
      for (std::size_t i = 0; i < super.slots.size(); ++i) {
        const SlotView& slot = super.slots[i];
        if (slot.kind == SlotKind::kSlab) head = &slot;
        if (slot.kind == SlotKind::kSlab || slot.kind == SlotKind::kTail) by_slot_[(super.base >> kSlotShift) + i] = head;
      }
    }
  }

  const SlotView* at(std::uint64_t address) const {
    const auto found = by_slot_.find(address >> kSlotShift);
    return found == by_slot_.end() ? nullptr : found->second;
  }

 private:
  std::unordered_map<std::uint64_t, const SlotView*> by_slot_;
};

// False when the block pins nothing. `own` is where it lies: it says the class.
bool share_of(const HeapMap& map, const SampledBlock& sample, const SlotView& own, const SlotView* place,
              std::uint64_t rate, Share* share) {
  const bool is_there = place != nullptr && place->block_bytes == own.block_bytes && place->blocks == own.blocks &&
                        map.steps_since(place->born) >= map.steps_since(sample.since);
  const std::uint32_t taken = (is_there ? std::min(place->taken(), own.blocks - 1) : 0) + 1;
  if (!is_nearly_empty(taken, own.blocks)) return false;
  share->group = {own.block_bytes, taken == 1};
  share->stack = sample.stack;
  share->blocks = static_cast<double>(weight_of(sample.size, rate).count) / (1 << kCountShift);
  share->bytes = share->blocks * (static_cast<double>(own.blocks - taken) * own.block_bytes) / taken;
  return true;
}

// The profile's own slabs hold sampled blocks alone, and are as empty as those are few.
std::set<std::uint32_t> owners_of(const std::vector<SampledBlock>& samples, const Slabs& slabs) {
  std::set<std::uint32_t> owners;
  for (const SampledBlock& sample : samples) {
    if (const SlotView* own = slabs.at(sample.address); own != nullptr && sample.place != 0) owners.insert(own->owner);
  }
  return owners;
}

std::map<Group, double> pinned_of(const HeapMap& map, const std::set<std::uint32_t>& without, const Profile& profile,
                                  std::uint64_t only_class, Blame* blame) {
  std::map<Group, double> groups;
  const auto begin = static_cast<std::uint32_t>(map.clock_ms == 0 ? 0 : profile.started_ms / map.clock_ms);
  for (const SuperSlabView& super : map.superslabs) {
    for (const SlotView& slot : super.slots) {
      if (slot.kind != SlotKind::kSlab || !is_nearly_empty(slot.taken(), slot.blocks)) continue;
      if (without.count(slot.owner) != 0 || (only_class != 0 && slot.block_bytes != only_class)) continue;
      ++blame->slabs;
      blame->pinned_bytes += slot.free_bytes();
      blame->purged_bytes += std::min(slot.purged_bytes, slot.free_bytes());
      if (map.steps_since(slot.born) > map.steps_since(begin)) blame->older_bytes += slot.free_bytes();
      groups[{slot.block_bytes, slot.taken() == 1}] += static_cast<double>(slot.free_bytes());
    }
  }
  return groups;
}

struct Sum {
  double blocks = 0;
  double bytes = 0;
};

void fill_waste(const std::map<std::uint64_t, Sum>& by_stack, const Profile& profile, Blame* blame) {
  Profile& waste = blame->waste;
  waste.modules = profile.modules;
  waste.locations = profile.locations;
  waste.columns = {{"pinned_objects", "count"}, {"pinned_space", "bytes"}};
  waste.chosen = 1;
  waste.rate = profile.rate;
  waste.duration_ns = profile.duration_ns;
  waste.time_ns = profile.time_ns;
  waste.started_ms = profile.started_ms;
  waste.taken = blame->pinning;
  waste.lost = profile.lost;
  waste.stacks_lost = profile.stacks_lost;
  std::map<std::uint64_t, const ProfileSample*> stacks;
  for (const ProfileSample& sample : profile.samples) stacks[sample.record] = &sample;
  for (const auto& [record, sum] : by_stack) {
    ProfileSample sample;
    if (const auto found = stacks.find(record); found != stacks.end()) sample.locations = found->second->locations;
    sample.record = record;
    sample.values = {std::llround(sum.blocks), static_cast<std::int64_t>(sum.bytes)};
    blame->attributed_bytes += static_cast<std::uint64_t>(sum.bytes);
    waste.samples.push_back(std::move(sample));
  }
}

}  // namespace

Blame blame_of(const HeapMap& map, const std::vector<SampledBlock>& samples, const Profile& profile,
               std::uint64_t only_class) {
  Blame blame;
  const Slabs slabs(map);
  const std::map<Group, double> pinned = pinned_of(map, owners_of(samples, slabs), profile, only_class, &blame);
  blame.samples = samples.size();
  std::vector<Share> shares;
  std::map<Group, double> estimated;
  for (const SampledBlock& sample : samples) {
    const SlotView* own = slabs.at(sample.address);
    Share share;
    if (sample.place == 0 || own == nullptr || own->blocks == 0) continue;
    if (only_class != 0 && own->block_bytes != only_class) continue;
    const auto rate = static_cast<std::uint64_t>(profile.rate);
    if (!share_of(map, sample, *own, slabs.at(sample.place), rate, &share)) continue;
    const auto exact = pinned.find(share.group);
    if (exact == pinned.end()) continue;
    ++blame.pinning;
    estimated[share.group] += share.bytes;
    shares.push_back(share);
  }
  std::map<std::uint64_t, Sum> by_stack;
  for (const Share& share : shares) {
    const double kept = std::min(1.0, pinned.at(share.group) / estimated[share.group]);
    by_stack[share.stack].blocks += share.blocks * kept;
    by_stack[share.stack].bytes += share.bytes * kept;
  }
  fill_waste(by_stack, profile, &blame);
  return blame;
}

Profile whole_waste(const Blame& blame) {
  Profile whole = blame.waste;
  if (blame.not_attributed() == 0) return whole;
  Location nobody;
  nobody.function = "(not attributable)";
  ProfileSample rest;
  rest.locations = {whole.locations.size()};
  rest.values = {0, static_cast<std::int64_t>(blame.not_attributed())};
  whole.locations.push_back(nobody);
  whole.samples.push_back(rest);
  return whole;
}

}  // namespace hakmem::tools
