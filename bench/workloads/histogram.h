// bench/workloads/histogram.h: how often each duration occurred.
//
// Responsibility  Count durations in fixed memory; answer what a share of them did not exceed.
// Contract        add() allocates nothing and touches one counter. Buckets are exact below 64 ticks
//                 and at most 1/32 wide above, up to 2^40 ticks; longer ones count as that.
//                 at_most(share) is the upper end of the bucket in which that share is reached, so
//                 never less than the truth; worst() is exact.
// Observable      count(), at_most(), worst(), count_from().
// Composable      Plain memory: all zeros is an empty one, so it may lie in a fresh mapping.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bench {

namespace buckets {

constexpr unsigned kSubBits = 5;  // 32 buckets a doubling
constexpr std::uint64_t kSub = std::uint64_t{1} << kSubBits;
constexpr unsigned kBits = 40;
constexpr std::size_t kCount = (kBits - kSubBits + 1) << kSubBits;

constexpr std::size_t bucket_of(std::uint64_t ticks) {
  if (ticks < 2 * kSub) return ticks;
  const unsigned top = 63u - static_cast<unsigned>(__builtin_clzll(ticks));
  if (top >= kBits) return kCount - 1;
  const unsigned shift = top - kSubBits;
  return (std::size_t{shift} << kSubBits) + (ticks >> shift);
}

constexpr std::uint64_t last_of(std::size_t bucket) {
  if (bucket < 2 * kSub) return bucket;
  const std::size_t shift = (bucket >> kSubBits) - 1;
  return ((bucket % kSub + kSub + 1) << shift) - 1;
}

constexpr bool buckets_adjoin() {
  for (std::size_t i = 0; i + 1 < kCount; ++i) {
    if (bucket_of(last_of(i)) != i || bucket_of(last_of(i) + 1) != i + 1) return false;
  }
  return last_of(kCount - 1) == (std::uint64_t{1} << kBits) - 1;
}
static_assert(buckets_adjoin());

}  // namespace buckets

class Histogram {
 public:
  void add(std::uint64_t ticks) {
    ++counts_[buckets::bucket_of(ticks)];
    if (ticks > worst_) worst_ = ticks;
  }

  void add_all(const Histogram& other) {
    for (std::size_t i = 0; i < buckets::kCount; ++i) counts_[i] += other.counts_[i];
    if (other.worst_ > worst_) worst_ = other.worst_;
  }

  std::uint64_t count() const { return count_from(0); }
  std::uint64_t worst() const { return worst_; }

  // How many durations lie in the bucket of `ticks` or above.
  std::uint64_t count_from(std::uint64_t ticks) const {
    std::uint64_t sum = 0;
    for (std::size_t i = buckets::bucket_of(ticks); i < buckets::kCount; ++i) sum += counts_[i];
    return sum;
  }

  // share in (0, 1]. 0 when nothing was added.
  std::uint64_t at_most(double share) const {
    const double wanted = share * static_cast<double>(count());
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < buckets::kCount; ++i) {
      sum += counts_[i];
      if (sum > 0 && static_cast<double>(sum) >= wanted) {
        const std::uint64_t end = buckets::last_of(i);
        return end < worst_ ? end : worst_;
      }
    }
    return worst_;
  }

 private:
  std::uint64_t counts_[buckets::kCount];
  std::uint64_t worst_;
};

}  // namespace bench
