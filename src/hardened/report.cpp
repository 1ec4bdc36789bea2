#include "hardened/report.h"

#include "base/text.h"
#include "superslab/misuse.h"

namespace hakmem::hardened {

namespace {

const char* name_of(Origin origin) {
  switch (origin) {
    case Origin::kMalloc:
      return "malloc/free";
    case Origin::kNew:
      return "new/delete";
    case Origin::kNewArray:
      return "new[]/delete[]";
    case Origin::kNewAligned:
      return "new/delete with alignment";
    case Origin::kNewArrayAligned:
      return "new[]/delete[] with alignment";
    case Origin::kAny:
      break;
  }
  return "any";
}

Place place_at(uintptr_t block) {
  const Reservation& home = *registry().find(block);
  return place_of(home, home.offset_of(block), tag_class(registry().tag_of(block)));
}

const void* pointer(uintptr_t address) { return reinterpret_cast<const void*>(address); }

}  // namespace

void report_not_live(uintptr_t block) {
  const Place place = place_at(block);
  if (place.record == nullptr) report_misuse(Misuse::kInteriorFree, pointer(place.block));
  const BlockRecord record = load_record(place);
  if (record.state() == BlockState::kNever) {
    report_misuse(Misuse::kUnallocatedFree, pointer(place.block));
  }
  LineWriter detail;
  detail.append("block of ").append_decimal(record.size()).append(" bytes from ");
  detail.append(name_of(record.origin())).append(", freed before");
  report_misuse(Misuse::kDoubleFree, pointer(place.block), detail.view());
}

void report_mismatch(const void* block, size_t have, BlockRecord record, Origin origin, size_t size,
                     size_t alignment) {
  LineWriter detail;
  if (origin != record.origin() && origin != Origin::kAny && record.origin() != Origin::kAny) {
    detail.append("block of ").append_decimal(have).append(" bytes from ");
    detail.append(name_of(record.origin())).append(", freed by ").append(name_of(origin));
    report_misuse(Misuse::kKindMismatch, block, detail.view());
  }
  detail.append("block of ").append_decimal(have).append(" bytes, alignment ");
  detail.append_decimal(uint64_t{1} << record.alignment_shift());
  if (size != have && size != SIZE_MAX) {
    detail.append(", freed with size ").append_decimal(size);
    report_misuse(Misuse::kSizeMismatch, block, detail.view());
  }
  detail.append(", freed with alignment ").append_decimal(alignment);
  report_misuse(Misuse::kAlignmentMismatch, block, detail.view());
}

void report_overflow(uintptr_t block, size_t size, size_t bytes) {
  const uintptr_t last_word = block + bytes - kCanaryBytes;
  const uint64_t canary = canary_at(last_word);
  // The first byte that is not what was written there.
  const auto intact = [canary, last_word](uintptr_t byte) {
    return *reinterpret_cast<const unsigned char*>(byte) ==
           static_cast<unsigned char>(canary >> (byte - last_word) % kCanaryBytes * 8);
  };
  uintptr_t at = block + size;
  while (at < block + size + kCanaryBytes && intact(at)) ++at;
  if (at == block + size + kCanaryBytes) {
    at = last_word;
    while (at < last_word + kCanaryBytes - 1 && intact(at)) ++at;
  }
  LineWriter detail;
  detail.append("written at byte ").append_decimal(at - block).append(" of a block of ");
  detail.append_decimal(size).append(" bytes at ").append_hex(block);
  report_misuse(Misuse::kOverflow, pointer(at), detail.view());
}

void report_underflow(uintptr_t block) {
  LineWriter detail;
  detail.append("written before the block at ").append_hex(block);
  detail.append(", or behind the one in front of it");
  report_misuse(Misuse::kUnderflow, pointer(block - kCanaryBytes), detail.view());
}

void report_bad_reuse(uintptr_t block) {
  const Place place = place_at(block);
  const BlockRecord record = load_record(place);
  LineWriter detail;
  if (record.live()) {
    detail.append("freed by two threads at once: about to be handed out, and in use");
    report_misuse(Misuse::kDoubleFree, pointer(place.block), detail.view());
  }
  report_written(place.block, place.bytes, "");
}

}  // namespace hakmem::hardened
