// The 20 replaceable operators: new-handler, bad_alloc, nothrow, alignment.
#include <new>

#include "support/program.h"

namespace {

size_t kTooMuch = size_t{1} << 60;
int handler_calls = 0;
void* reserve_block = nullptr;

struct HandlerGaveUp {};

template <class Attempt>
bool throws_bad_alloc(Attempt attempt) {
  try {
    attempt();
  } catch (const std::bad_alloc&) {
    return true;
  }
  return false;
}

void give_up_at_third_call() {
  if (++handler_calls == 3) throw HandlerGaveUp();
}

void remove_itself() {
  ++handler_calls;
  std::set_new_handler(nullptr);
}

void throw_at_once() {
  ++handler_calls;
  throw std::bad_alloc();
}

void all_forms_work(size_t size, std::align_val_t alignment) {
  const size_t wide = static_cast<size_t>(alignment);
  void* blocks[] = {operator new(size),
                    operator new[](size),
                    operator new(size, std::nothrow),
                    operator new[](size, std::nothrow),
                    operator new(size, alignment),
                    operator new[](size, alignment),
                    operator new(size, alignment, std::nothrow),
                    operator new[](size, alignment, std::nothrow)};
  for (int i = 0; i < 8; ++i) {
    EXPECT(blocks[i] != nullptr);
    EXPECT(reinterpret_cast<uintptr_t>(blocks[i]) % (i < 4 ? 16 : wide) == 0);
    EXPECT(malloc_usable_size(blocks[i]) >= size);
    memset(blocks[i], 1, size);
  }
  operator delete(blocks[0]);
  operator delete[](blocks[1]);
  operator delete(blocks[2], std::nothrow);
  operator delete[](blocks[3], std::nothrow);
  operator delete(blocks[4], alignment);
  operator delete[](blocks[5], alignment);
  operator delete(blocks[6], alignment, std::nothrow);
  operator delete[](blocks[7], alignment, std::nothrow);
  operator delete(operator new(size), size);
  operator delete[](operator new[](size), size);
  operator delete(operator new(size, alignment), size, alignment);
  operator delete[](operator new[](size, alignment), size, alignment);
  operator delete(nullptr);
  operator delete[](nullptr);
  operator delete(nullptr, size);
  operator delete(nullptr, alignment);
}

void failure_throws() {
  const std::align_val_t alignment{64};
  EXPECT(throws_bad_alloc([] { operator delete(operator new(kTooMuch)); }));
  EXPECT(throws_bad_alloc([] { operator delete(operator new[](kTooMuch)); }));
  EXPECT(throws_bad_alloc([=] { operator delete(operator new(kTooMuch, alignment)); }));
  EXPECT(throws_bad_alloc([=] { operator delete(operator new[](kTooMuch, alignment)); }));
  EXPECT(throws_bad_alloc([] { operator delete(operator new(SIZE_MAX)); }));
  EXPECT(operator new(kTooMuch, std::nothrow) == nullptr);
  EXPECT(operator new[](kTooMuch, std::nothrow) == nullptr);
  EXPECT(operator new(kTooMuch, alignment, std::nothrow) == nullptr);
  EXPECT(operator new[](kTooMuch, alignment, std::nothrow) == nullptr);
}

template <class Attempt>
bool handler_ends(Attempt attempt) {
  handler_calls = 0;
  std::set_new_handler(give_up_at_third_call);
  bool ended = false;
  try {
    attempt();
  } catch (const HandlerGaveUp&) {
    ended = true;
  }
  std::set_new_handler(nullptr);
  return ended && handler_calls == 3;
}

void handler_is_called_until_it_throws() {
  EXPECT(handler_ends([] { operator delete(operator new(kTooMuch)); }));
  EXPECT(handler_ends([] { operator delete[](operator new[](kTooMuch)); }));
  EXPECT(handler_ends([] { operator delete(operator new(kTooMuch, std::align_val_t{128})); }));
  EXPECT(handler_ends([] { operator delete(operator new[](kTooMuch, std::align_val_t{128})); }));

  handler_calls = 0;
  std::set_new_handler(remove_itself);
  EXPECT(throws_bad_alloc([] { operator delete(operator new(kTooMuch)); }));
  EXPECT(handler_calls == 1);
}

void nothrow_swallows_the_handlers_throw() {
  handler_calls = 0;
  std::set_new_handler(throw_at_once);
  EXPECT(operator new(kTooMuch, std::nothrow) == nullptr);
  EXPECT(operator new[](kTooMuch, std::nothrow) == nullptr);
  EXPECT(operator new(kTooMuch, std::align_val_t{64}, std::nothrow) == nullptr);
  EXPECT(operator new[](kTooMuch, std::align_val_t{64}, std::nothrow) == nullptr);
  EXPECT(handler_calls == 4);
  std::set_new_handler(nullptr);
}

// The handler frees something, and the same call then succeeds.
int handler_makes_room() {
  reserve_block = malloc(400 * MIB);
  REQUIRE(reserve_block != nullptr);
  handler_calls = 0;
  std::set_new_handler([] {
    ++handler_calls;
    if (reserve_block == nullptr) throw std::bad_alloc();
    free(reserve_block);
    reserve_block = nullptr;
  });
  void* block = operator new(400 * MIB);
  while (handler_calls == 0) {
    void* more = operator new(400 * MIB);
    (void)more;
  }
  return handler_calls == 1 && block != nullptr ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  begin(30);
  if (is_scene(argc, argv, "limited")) return handler_makes_room();
  EXPECT(any_malloc_will_do() ||
         is_of_hakmem(reinterpret_cast<void*>(static_cast<void* (*)(size_t)>(&operator new))));
  for (size_t size = 1; size < 5 * MIB; size = size * 3 / 2 + 1) {
    for (size_t alignment = 16; alignment <= 4 * MIB; alignment *= 8) {
      all_forms_work(size, std::align_val_t{alignment});
    }
  }
  failure_throws();
  handler_is_called_until_it_throws();
  nothrow_swallows_the_handlers_throw();
  const outcome child = run_self_limited("limited", RLIMIT_AS, GIB);
  EXPECT_SUCCESS(child);
  return finish();
}
