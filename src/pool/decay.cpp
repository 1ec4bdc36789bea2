#include "pool/decay.h"

namespace hakmem {

namespace {

constexpr uint32_t kOne = 1u << 16;

// 6x^5 - 15x^4 + 10x^3 with x from 1 (just freed) down to 0, in 1/65536.
constexpr std::array<uint32_t, Decay::kEpochs> kKeep = [] {
  std::array<uint32_t, Decay::kEpochs> keep{};
  for (uint32_t i = 0; i < Decay::kEpochs; ++i) {
    const double x = 1.0 - static_cast<double>(i + 1) / Decay::kEpochs;
    keep[i] = static_cast<uint32_t>(x * x * x * (x * (x * 6 - 15) + 10) * kOne);
  }
  return keep;
}();
static_assert(kKeep.back() == 0);

}  // namespace

bool Decay::advance(Milliseconds now, SlotCount empty, Milliseconds decay_time) {
  if (decay_time.count() == kNever) {
    allowed_ = SlotCount(UINT32_MAX);
    return false;
  }
  if (decay_time.count() == 0) {
    allowed_ = SlotCount(0);
    return true;
  }
  const uint64_t epoch_ms = decay_time.count() / kEpochs + 1;
  if (now < epoch_start_) return false;  // it read the clock before another turn did
  const uint64_t passed = (now - epoch_start_).count();
  if (passed < epoch_ms) return false;
  epoch_start_ = now;
  shift_epochs(passed / epoch_ms);
  if (empty.count() > last_empty_) backlog_[0] += empty.count() - last_empty_;
  last_empty_ = empty.count();

  uint64_t kept = 0;
  for (uint32_t i = 0; i < kEpochs; ++i) kept += uint64_t{backlog_[i]} * kKeep[i];
  kept /= kOne;
  allowed_ = SlotCount(kept < empty.count() ? static_cast<uint32_t>(kept) : empty.count());
  return true;
}

void Decay::shift_epochs(uint64_t epochs) {
  const uint32_t by = epochs < kEpochs ? static_cast<uint32_t>(epochs) : kEpochs;
  for (uint32_t i = kEpochs; i-- > 0;) backlog_[i] = i >= by ? backlog_[i - by] : 0;
}

}  // namespace hakmem
