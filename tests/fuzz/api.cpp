// libFuzzer target: the C API against a map of live blocks, the walker every 64 operations.
#include <cerrno>

#include "fuzz/operations.h"
#include "unit/heap/heap_model.h"

namespace {

using hakmem::test::HeapModel;

constexpr uint32_t kOperationsBetweenWalks = 64;

const char* apply(HeapModel& model, const fuzz::Operation& op) {
  // Megabytes are rare, or filling them would be all that is done.
  const bool small = op.kind % 10 >= 7 && (op.what >> 4 != 15 || op.number >> 28 != 0);
  const size_t size = hakmem::test::any_size(small ? 1 : op.kind, op.number);
  HeapModel::arm();
  switch (op.what % 16) {
    case 0:
    case 1:
    case 2:
    case 3:
      return model.malloc(size);
    case 4:
      return model.calloc(1 + op.number % 3, size / 3);
    case 5:
      // 1 B .. 1 MiB
      return model.aligned_alloc(size_t{1} << op.kind % 21, size);
    case 6:
    case 7:
      return model.realloc(op.number, size);
    case 8:
      if (op.number % 16 == 0) hak_trim();
      if (op.number % 16 == 1) hak_thread_idle();
      return errno == 4711 ? nullptr : "trim touched errno";
    case 9:
      return model.free(op.number, true);
    default:
      return op.what % 16 < 14 || model.blocks() > 64 ? model.free(op.number) : model.malloc(size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static fuzz::Tally tally("fuzz_api");
  HeapModel model;
  fuzz::Operations operations(bytes, size);
  fuzz::Operation op;
  uint64_t done = 0;
  while (operations.next(&op)) {
    if (const char* wrong = apply(model, op); wrong != nullptr) fuzz::violation(wrong);
    if (++done % kOperationsBetweenWalks != 0) continue;
    if (const char* wrong = model.check(); wrong != nullptr) fuzz::violation(wrong);
  }
  if (const char* wrong = model.check(); wrong != nullptr) fuzz::violation(wrong);
  tally.add(done);
  return 0;
}
