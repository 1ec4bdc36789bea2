#include "deeds.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace hakmem::selftest {
namespace {

template <std::size_t kSize>
Aftermath free_twice() {
  char* block = get(kSize);
  release(block);
  release(block);
  return look_now();
}

Aftermath free_twice_with_others_between() {
  char* first = get(100);
  char* second = get(100);
  release(first);
  release(second);
  release(first);
  return look_now();
}

Aftermath free_twice_much_later() {
  char* blocks[200];
  for (char*& block : blocks) block = get(100);
  for (char* block : blocks) release(block);
  release(blocks[190]);
  return look_now();
}

// The block does not come back that soon, so the second free is not another's.
template <std::size_t kSize>
Aftermath free_twice_after_allocating() {
  char* block = get(kSize);
  release(block);
  for (int i = 0; i < 10; ++i) get(kSize);
  release(block);
  return look_now();
}

template <std::size_t kSize, std::size_t kOffset>
Aftermath free_inside() {
  release(get(kSize) + kOffset);
  return look_now();
}

Aftermath free_stack() {
  alignas(16) char local[64] = {};
  release(local + 16);
  return look_now();
}

Aftermath free_static() {
  alignas(16) static char object[64];
  release(object + 16);
  return look_now();
}

Aftermath free_mapping() {
  release(mmap(nullptr, 16 * kKib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  return look_now();
}

Aftermath free_number() {
  release(reinterpret_cast<void*>(std::uintptr_t{0x1230}));
  return look_now();
}

// With and without a canary these are blocks of 112 bytes: those around one are such that nobody was given.
Aftermath free_never_allocated() {
  char* block = get(100);
  for (std::size_t distance = 112; distance < 112 * 8; distance += 112) {
    char* other = block + distance;
    if ((reinterpret_cast<std::uintptr_t>(other) ^ reinterpret_cast<std::uintptr_t>(block)) >> 16) break;
    release(other);
  }
  return look_now();
}

Aftermath free_after_release_of_slab() {
  static char* blocks[5000];
  for (char*& block : blocks) block = get(200);
  for (char* block : blocks) release(block);
  malloc_trim(0);
  release(blocks[2500]);
  return look_now();
}

Aftermath free_with_wrong_size() {
  release_sized(get(100), 300);
  return look_now();
}

Aftermath delete_with_wrong_size() {
  ::operator delete(hidden(::operator new(100)), std::size_t{90});
  return look_now();
}

Aftermath delete_with_wrong_alignment() {
  ::operator delete(hidden(::operator new(256, std::align_val_t{64})), std::size_t{256},
                    std::align_val_t{128});
  return look_now();
}

Aftermath new_then_free() {
  release(::operator new(100));
  return look_now();
}
Aftermath malloc_then_delete() {
  ::operator delete(hidden(std::malloc(100)));
  return look_now();
}
Aftermath new_array_then_delete() {
  ::operator delete(hidden(::operator new[](100)));
  return look_now();
}
Aftermath new_then_delete_array() {
  ::operator delete[](hidden(::operator new(100)));
  return look_now();
}
Aftermath new_then_realloc() {
  void* moved = std::realloc(hidden(::operator new(100)), 200);
  (void)hidden(moved);
  return look_now();
}

// A zero, because the end of a text that is one too long is the commonest overflow.
template <std::size_t kSize, std::size_t kLength>
Aftermath overflow() {
  char* neighbour = get(kSize);
  char* block = get(kSize);
  std::memset(hidden(block) + kSize, 0, kLength);
  release(block);
  release(neighbour);
  return look_now();
}

template <std::size_t kSize, std::size_t kLength>
Aftermath underflow() {
  char* neighbour = get(kSize);
  char* block = get(kSize);
  std::memset(hidden(block) - kLength, 'x', kLength);
  release(block);
  release(neighbour);
  return look_now();
}

// Until it is handed out again.
template <std::size_t kSize>
Aftermath write_after_free() {
  char* block = get(kSize);
  release(block);
  hidden(block)[kSize / 2] = 'x';
  use_many(kSize);
  return look_now();
}

template <std::size_t kSize>
Aftermath read_after_free() {
  char* block = get(kSize);
  std::memset(block, 's', kSize);
  release(block);
  return is_still_there(block, 's', kSize) ? Aftermath::kUnnoticed : Aftermath::kHarmless;
}

Aftermath reuse_at_once() {
  for (int i = 0; i < 100; ++i) {
    char* block = get(100);
    release(block);
    char* next = get(100);
    if (hidden(next) == hidden(block)) return Aftermath::kUnnoticed;
  }
  return Aftermath::kHarmless;
}

// Neighbours in time are neighbours in memory?
Aftermath foresee_placement() {
  constexpr int kBlocks = 500;
  int neighbours = 0;
  const char* last = get(100);
  for (int i = 0; i < kBlocks; ++i) {
    const char* block = get(100);
    if (block > last && block < last + 256) ++neighbours;
    last = block;
  }
  return neighbours < kBlocks / 4 ? Aftermath::kHarmless : Aftermath::kUnnoticed;
}

// On and on, to where the allocator's own data may lie.
Aftermath run_off_the_heap() {
  volatile char* at = hidden(get(100));
  for (std::size_t i = 0; i < (std::size_t{64} << 30); i += kKib) at[i] = 'x';
  return Aftermath::kUnnoticed;
}

Aftermath run_off_the_heap_downwards() {
  volatile char* at = hidden(get(100));
  for (std::size_t i = 0; i < (std::size_t{64} << 30); i += kKib) *(at - i) = 'x';
  return Aftermath::kUnnoticed;
}

Aftermath sizes_that_overflow() {
  volatile std::size_t half = SIZE_MAX / 2 + 2;
  const bool refused = std::calloc(half, 2) == nullptr && std::calloc(half, 4) == nullptr &&
                       reallocarray(nullptr, half, 2) == nullptr &&
                       std::malloc(half) == nullptr && std::malloc(SIZE_MAX - 4) == nullptr &&
                       std::realloc(get(10), SIZE_MAX - 20) == nullptr &&
                       std::aligned_alloc(64, SIZE_MAX - 70) == nullptr;
  return refused ? Aftermath::kHarmless : Aftermath::kUnnoticed;
}

constexpr Crime kCrimes[] = {
    {"double-free", "free twice, 24 B", reported(kDouble), reported(kDouble), free_twice<24>},
    {"double-free-mid", "free twice, 5000 B", reported(kDouble), reported(kDouble), free_twice<5000>},
    {"double-free-30000", "free twice, 30 kB", reported(kDouble), reported(kDouble), free_twice<30000>},
    {"double-free-large", "free twice, 300 KiB", reported(kReleased), reported(kReleased),
     free_twice<300 * kKib>},
    {"double-free-huge", "free twice, 5 MiB", reported(kForeign), reported(kForeign),
     free_twice<5 * kMib>},
    {"double-free-interleaved", "free a, b, a", reported(kDouble), reported(kDouble),
     free_twice_with_others_between},
    {"double-free-delayed", "free again after many frees", reported(kDouble), reported(kDouble),
     free_twice_much_later},
    {"double-free-after-malloc", "free again after 10 mallocs of that size", kNothing,
     reported(kDouble), free_twice_after_allocating<100>},
    {"double-free-after-malloc-mid", "free again after 10 mallocs of 5000 B", kNothing,
     reported(kDouble), free_twice_after_allocating<5000>},
    {"interior", "free inside a block, 24 B", reported(kInterior), reported(kInterior),
     free_inside<24, 16>},
    {"interior-unaligned", "free one byte off", reported(kInterior), reported(kInterior),
     free_inside<100, 1>},
    {"interior-mid", "free inside a block, 5000 B", reported(kInterior), reported(kInterior),
     free_inside<5000, 2048>},
    {"interior-30000", "free inside a block, 30 kB", reported(kInterior), reported(kInterior),
     free_inside<30000, 16384>},
    {"interior-large", "free inside a block, 1 MiB", reported(kInterior), reported(kInterior),
     free_inside<kMib, 512 * kKib>},
    {"interior-huge", "free inside a block, 8 MiB", reported(kForeign), reported(kForeign),
     free_inside<8 * kMib, 4096>},
    {"stack", "free a local variable", reported(kForeign), reported(kForeign), free_stack},
    {"static", "free a static object", reported(kForeign), reported(kForeign), free_static},
    {"mapping", "free a mapping of the program's", reported(kForeign), reported(kForeign),
     free_mapping},
    {"number", "free an integer", reported(kForeign), reported(kForeign), free_number},
    {"never-allocated", "free a block nobody was given", reported(kDouble), reported(kNever),
     free_never_allocated},
    {"released-slab", "free after the slab was released", reported(kReleased), reported(kReleased),
     free_after_release_of_slab},
    {"sized-free", "free_sized with another size", kNothing, reported(kSizes), free_with_wrong_size},
    {"sized-delete", "delete with another size", kNothing, reported(kSizes), delete_with_wrong_size},
    {"aligned-delete", "delete with another alignment", kNothing, reported(kAlignments),
     delete_with_wrong_alignment},
    {"new-free", "new, then free", kNothing, reported(kKind), new_then_free},
    {"malloc-delete", "malloc, then delete", kNothing, reported(kKind), malloc_then_delete},
    {"new-array-delete", "new[], then delete", kNothing, reported(kKind), new_array_then_delete},
    {"new-delete-array", "new, then delete[]", kNothing, reported(kKind), new_then_delete_array},
    {"new-realloc", "new, then realloc", kNothing, reported(kKind), new_then_realloc},
    {"overflow-1", "write 1 byte behind 24 B", kNothing, reported(kOver), overflow<24, 1>},
    {"overflow-1-of-1000", "write 1 byte behind 1000 B", kNothing, reported(kOver), overflow<1000, 1>},
    {"overflow-1-of-2000", "write 1 byte behind 2000 B", kNothing, reported(kOver), overflow<2000, 1>},
    {"overflow-1-of-5000", "write 1 byte behind 5000 B", kNothing, reported(kOver), overflow<5000, 1>},
    {"overflow-1-of-30000", "write 1 byte behind 30 kB", kNothing, reported(kOver), overflow<30000, 1>},
    {"overflow-1-of-100000", "write 1 byte behind 100 kB", kNothing, reported(kOver),
     overflow<100000, 1>},
    {"overflow-1-of-1-mib", "write 1 byte behind 1 MiB", kNothing, reported(kOver), overflow<kMib, 1>},
    {"overflow-1-of-5-mib", "write 1 byte behind 5 MiB", kNothing, reported(kOver),
     overflow<5 * kMib, 1>},
    {"overflow-64-kib", "write 64 KiB behind 100 B", kNothing, reported(kOver),
     overflow<100, 64 * kKib>},
    {"overflow-64-kib-of-mid", "write 64 KiB behind 5000 B", kNothing, reported(kOver),
     overflow<5000, 64 * kKib>},
    {"overflow-1-mib", "write 1 MiB behind 100 B", kNothing, reported(kOver), overflow<100, kMib>},
    {"overflow-1-mib-of-huge", "write 1 MiB behind 5 MiB", kNothing, kFaults,
     overflow<5 * kMib, kMib>},
    {"underflow-1", "write 1 byte before 24 B", kNothing, reported(kUnder), underflow<24, 1>},
    {"underflow-1-of-5000", "write 1 byte before 5000 B", kNothing, reported(kUnder),
     underflow<5000, 1>},
    {"underflow-1-of-30000", "write 1 byte before 30 kB", kNothing, reported(kUnder),
     underflow<30000, 1>},
    {"underflow-1-of-100000", "write 1 byte before 100 kB", kNothing, reported(kUnder),
     underflow<100000, 1>},
    {"underflow-1-of-huge", "write 1 byte before 5 MiB", kNothing, kFaults, underflow<5 * kMib, 1>},
    {"underflow-4-kib", "write 4 KiB before 1000 B", kNothing, reported(kUnder),
     underflow<1000, 4 * kKib>},
    {"write-after-free", "write after free, 24 B, then reuse", kNothing, reported(kWritten),
     write_after_free<24>},
    {"write-after-free-1000", "write after free, 1000 B, then reuse", kNothing, reported(kWritten),
     write_after_free<1000>},
    {"write-after-free-5000", "write after free, 5000 B, then reuse", kNothing, kNothing,
     write_after_free<5000>},
    {"write-after-free-30000", "write after free, 30 kB, then reuse", kNothing, kNothing,
     write_after_free<30000>},
    {"write-after-free-huge", "write after free, 5 MiB", kNothing, kFaults, write_after_free<5 * kMib>},
    {"read-after-free", "read after free, 24 B: zero", kNothing, kIsHarmless, read_after_free<24>},
    {"read-after-free-1000", "read after free, 1000 B: zero", kNothing, kIsHarmless,
     read_after_free<1000>},
    {"read-after-free-5000", "read after free, 5000 B", kNothing, kNothing, read_after_free<5000>},
    {"read-after-free-30000", "read after free, 30 kB", kNothing, kNothing, read_after_free<30000>},
    {"read-after-free-huge", "read after free, 5 MiB", kNothing, kFaults, read_after_free<5 * kMib>},
    {"reuse", "get a freed block back at once", kNothing, kIsHarmless, reuse_at_once},
    {"placement", "foresee where the next block lies", kNothing, kIsHarmless, foresee_placement},
    {"run-off", "write upwards to the end of the heap", kFaults, kFaults, run_off_the_heap},
    {"run-off-downwards", "write downwards to its beginning", kNothing, kFaults,
     run_off_the_heap_downwards},
    {"sizes", "sizes that overflow", kIsHarmless, kIsHarmless, sizes_that_overflow},
};

}  // namespace

std::span<const Crime> crimes_of_one_thread() { return kCrimes; }

}  // namespace hakmem::selftest
