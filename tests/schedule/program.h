// schedule/program.h: what the program holds, and that nobody else holds it too.
//
// Not compiled with -fsanitize=thread: the table is the test's own and no part of the interleaving. A
// block that one thread allocates and another frees is handed over as a program would: what the one did
// happens before what the other does.
#pragma once

#include <cstddef>
#include <cstdint>

namespace schedule::program {

// The block was handed out: overlaps none that is held, is nobody's, and is written to.
void hold(void* block, size_t bytes, uint32_t kind);
// Some held block of that kind, or of any: still as it was written, and now the caller's to free. A null
// pointer when there is none.
constexpr uint32_t kAnyKind = UINT32_MAX;
void* let_go(uint32_t choice, uint32_t kind = kAnyKind);
uint32_t held();

}  // namespace schedule::program
