#include "samples.h"

#include <cstring>
#include <set>

#include "../live/failure.h"
#include "../live/memory.h"

namespace hakmem::tools {
namespace {

constexpr std::uint64_t kCapacityMax = std::uint64_t{1} << 20;
constexpr std::uint64_t kStrideMax = 256;
// A table that was replaced by a larger one while it was read is read again.
constexpr int kTries = 5;

template <typename T>
T at(const std::vector<char>& bytes, std::uint64_t offset) {
  T value{};
  if (offset + sizeof(T) <= bytes.size()) std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

}  // namespace

std::vector<SampledBlock> read_samples(int pid, const StatsPage& page) {
  const Table& layout = page.table("layout");
  const auto field = [&layout](const char* name) { return layout.at(0, name); };
  const std::uint64_t stride = field("sample_stride");
  if (stride == 0 || stride > kStrideMax) {
    throw Failure(kExitUnsupported, "the library of process {} does not note where sampled blocks would have been: it"
                  " is older than this command", pid);
  }
  const Memory memory(pid);
  std::vector<char> table;
  for (int tries = 1;; ++tries) {
    std::uint64_t entries = 0;
    std::uint64_t capacity = 0;
    memory.read(field("samples_table") + field("samples_entries"), &entries, sizeof entries);
    memory.read(field("samples_table") + field("samples_capacity"), &capacity, sizeof capacity);
    if (entries == 0 || capacity > kCapacityMax) return {};
    table.resize(capacity * stride);
    try {
      memory.read(entries, table.data(), table.size());
      break;
    } catch (const Failure& failure) {
      if (failure.code() != kExitUnsupported || tries == kTries) throw;
    }
  }
  std::vector<SampledBlock> samples;
  std::set<std::uint64_t> seen;
  for (std::uint64_t start = 0; start < table.size(); start += stride) {
    const auto word = [&](const char* name) { return at<std::uint64_t>(table, start + field(name)); };
    SampledBlock sample;
    sample.address = word("sample_address");
    if (sample.address == 0 || !seen.insert(sample.address).second) continue;
    sample.size = word("sample_size");
    sample.stack = at<std::uint32_t>(table, start + field("sample_stack"));
    sample.place = word("sample_place");
    sample.since = at<std::uint32_t>(table, start + field("sample_since"));
    samples.push_back(sample);
  }
  return samples;
}

}  // namespace hakmem::tools
