// hakmem.h: the same heap under its own names.
#include "base/bits.h"
#include "heap/lifecycle.h"
#include "observe/counters.h"
#include "observe/invariants.h"
#include "api/entry.h"

#include "hakmem/hakmem.h"

namespace api = hakmem::api;

void* hak_malloc(size_t size) { return api::allocate(size); }
void* hak_calloc(size_t count, size_t size) { return api::allocate_zeroed(count, size); }
void* hak_realloc(void* block, size_t size) { return api::reallocate(block, size); }
void hak_free(void* block) { api::deallocate(block); }
void hak_free_sized(void* block, size_t size) { api::deallocate_sized(block, size); }
void hak_free_aligned_sized(void* block, size_t alignment, size_t size) {
  api::deallocate_aligned(block, size, alignment);
}

void* hak_aligned_alloc(size_t alignment, size_t size) {
  if (!hakmem::is_power_of_two(alignment)) {
    errno = EINVAL;
    return nullptr;
  }
  return api::allocate_aligned(alignment, size);
}

size_t hak_usable_size(const void* block) {
  return api::usable_size(const_cast<void*>(block));
}

size_t hak_good_size(size_t size) { return api::good_size(size); }

int hak_trim(void) { return hakmem::heap::trim() ? 1 : 0; }

void hak_thread_idle(void) { hakmem::heap::idle(); }

const char* hak_check(void) { return hakmem::check_heap(hakmem::Threads::kRunning); }

const char* hak_check_stopped(void) { return hakmem::check_heap(hakmem::Threads::kStopped); }

size_t hak_counters(hak_counter* counters, size_t capacity) {
  hakmem::CounterValues read;
  hakmem::read_counters(&read);
  for (uint32_t i = 0; i < hakmem::kCounters && i < capacity; ++i) {
    const hakmem::CounterInfo& info = hakmem::counter_info(i);
    counters[i] = hak_counter{info.name, info.unit, info.help, read.values[i]};
  }
  return hakmem::kCounters;
}

const char* hak_version(void) { return HAKMEM_VERSION; }
