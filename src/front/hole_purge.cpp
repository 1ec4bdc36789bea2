#include "front/hole_purge.h"

#include "os/process.h"
#include "config/config.h"
#include "superslab/huge_page.h"
#include "front/cache_list.h"

namespace hakmem {

// What is claimed at a time: small enough for any stack, enough for most SuperSlabs.
struct HolePurge::Claims {
  static constexpr uint32_t kMax = 88;
  HoleClaim holes[kMax];
  uint32_t count = 0;
};

namespace {

constinit HolePurge g_hole_purge;

// A locked process refuses each time: asked again so many decay times later.
constexpr uint64_t kRefusalPasses = 16;

// Walks one SuperSlab's slabs, each under its owner's lock, which is kept from slab to slab.
class Claimer {
 public:
  Claimer(Holes which, HolePurge::Claims* claims) : which_(which), claims_(claims) {}
  ~Claimer() { hold(nullptr); }
  Claimer(const Claimer&) = delete;
  Claimer& operator=(const Claimer&) = delete;

  void walk(SuperSlab& super) {
    uint32_t slot = 0;
    while (slot < kSlotsPerSuperSlab) {
      const uintptr_t base = super.base() + (size_t{slot} << kSlotShift);
      ThreadCache* owner = owner_of(registry().tag_of_acquire(base));
      if (owner == nullptr) {
        ++slot;
        continue;
      }
      hold(owner);
      Slab& slab = super.slabs[slot];
      // Under the lock the tag is what it stays, if it is still the owner's.
      const bool is_head = owner_of(registry().tag_of_acquire(base)) == owner && slab.head_distance == 0;
      slot += is_head ? slab.slots : 1;
      if (!is_head || !slab.listed) continue;
      if (owner->give_up_kept(&slab)) {
        slab.next = released_;
        released_ = &slab;
        continue;
      }
      claims_->count += owner->claim_holes(&slab, which_, claims_->holes + claims_->count,
                                           HolePurge::Claims::kMax - claims_->count);
    }
    hold(nullptr);
    ThreadCache::release_chain(released_);
  }

 private:
  // nullptr where no slab of several blocks is.
  static ThreadCache* owner_of(uint32_t tag) {
    if (tag == kUnusedTag || tag_owner(tag).count() > kOwnerMax || is_large(tag_class(tag))) {
      return nullptr;
    }
    return cache_list().find(tag_owner(tag));
  }

  void hold(ThreadCache* cache) {
    if (cache == held_) return;
    if (held_ != nullptr) held_->lock().unlock();
    held_ = cache;
    if (held_ != nullptr) held_->lock().lock();
  }

  const Holes which_;
  HolePurge::Claims* const claims_;
  ThreadCache* held_ = nullptr;
  Slab* released_ = nullptr;
};

// Holes that lie side by side, of different slabs, in one call. Returns the number of them.
uint32_t purge_neighbours(const HoleClaim* holes, uint32_t count, bool* purged) {
  const uintptr_t begin = page_address(*holes[0].slab, holes[0].run.first);
  Bytes size;
  uint32_t joined = 0;
  while (joined < count &&
         page_address(*holes[joined].slab, holes[joined].run.first) == begin + size.count()) {
    size += run_bytes(holes[joined].run);
    ++joined;
  }
  *purged = purge_pages(registry().superslab_of(begin), reinterpret_cast<void*>(begin), size);
  return joined;
}

}  // namespace

HolePurge& hole_purge() { return g_hole_purge; }

Bytes HolePurge::visit(SuperSlab& super, Holes which) {
  Bytes total;
  // Each turn but the last purges as many holes as it has room for; those are not claimed again, unless
  // the system refused them.
  bool more = true;
  while (more) {
    Claims claims;
    Claimer(which, &claims).walk(super);
    total += purge_claimed(claims);
    more = claims.count == Claims::kMax && !refused_;
  }
  purged_bytes_.fetch_add(total.count(), std::memory_order_relaxed);
  return total;
}

Bytes HolePurge::purge_claimed(const Claims& claims) {
  Bytes total;
  uint32_t done = 0;
  while (done < claims.count) {
    bool purged = false;
    const uint32_t joined = purge_neighbours(claims.holes + done, claims.count - done, &purged);
    for (uint32_t i = done; i < done + joined; ++i) {
      if (purged) total += run_bytes(claims.holes[i].run);
      ThreadCache::return_hole(claims.holes[i], purged);
    }
    refused_ = refused_ || !purged;
    done += joined;
  }
  return total;
}

// nullptr at the end of a pass; the next call begins another.
SuperSlab* HolePurge::next_superslab() {
  for (; reservation_ < registry().reservations(); ++reservation_, offset_ = 0) {
    const Reservation& home = registry().reservation(reservation_);
    const size_t committed = home.committed.load(std::memory_order_acquire);
    while (offset_ < committed) {
      SuperSlab& super = home.superslab_at(offset_);
      offset_ += kSuperSlabBytes.count();
      if (super.base() != 0) return &super;
    }
  }
  reservation_ = 0;
  offset_ = 0;
  return nullptr;
}

Bytes HolePurge::run(Milliseconds now, uint64_t deadline_us) {
  const uint64_t decay_ms = config().decay_ms;
  if (decay_ms == Decay::kNever || now.count() < next_pass_ms_.load(std::memory_order_relaxed)) {
    return Bytes(0);
  }
  Bytes total;
  // One SuperSlab at a time: whoever waits for the claims waits for one.
  while (lock_.try_lock()) {
    SuperSlab* super = next_superslab();
    if (super != nullptr) {
      total += visit(*super, Holes::kQuiet);
    } else {
      const uint64_t pause_ms = decay_ms * (refused_ ? kRefusalPasses : 1) / 2;
      next_pass_ms_.store(now.count() + pause_ms + 1, std::memory_order_relaxed);
      refused_ = false;
    }
    lock_.unlock();
    if (super == nullptr || os::now_microseconds() >= deadline_us) break;
  }
  return total;
}

Bytes HolePurge::purge_all() {
  Bytes total;
  registry().for_each_superslab([this, &total](SuperSlab& super) {
    os::LockGuard guard(lock_);
    total += visit(super, Holes::kAll);
  });
  return total;
}

}  // namespace hakmem
