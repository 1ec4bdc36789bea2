// os/pages.h: address space and the pages behind it.
//
// Responsibility  Reserve, commit, map, purge, move and unmap ranges of pages.
// Contract        Sizes and addresses are multiples of the page size. Failure is a value (nullptr,
//                 false), errno is untouched. Never called with a cache's or a shard's lock held
//                 (checked in debug builds).
// Observable      The answers; debug builds check the locks held.
// Composable      Raw system calls. Used by superslab, pool, large; tests link a fake in its place.
#pragma once

#include "base/units.h"

namespace hakmem::os {

// Address space without access, aligned; nullptr when refused.
void* reserve(Bytes size, Bytes alignment);

// The same between two guards, which are no part of what is returned; release_guarded() ends all three.
void* reserve_guarded(Bytes size, Bytes alignment, Bytes guard);
void release_guarded(void* address, Bytes size, Bytes guard);

// Makes reserved pages readable and writable; they read as zero.
bool commit(void* address, Bytes size);

// Makes reserved pages readable: they read as zero and cost nothing until committed.
bool make_readable(void* address, Bytes size);

// Fresh zero pages, aligned; nullptr when refused.
void* map(Bytes size, Bytes alignment);

void unmap(void* address, Bytes size);

// Gives the pages back and keeps the addresses; true when they are known to read as zero
// afterwards.
bool purge(void* address, Bytes size);

// A hint: the system may put huge pages there, or none even where it does so everywhere. It obeys neither against
// its own setting (never) nor against PR_SET_THP_DISABLE. Where that differs from its neighbours it splits a mapping.
void advise_huge_pages(void* address, Bytes size, bool wanted);

// Before a part of a huge page is purged: makes small pages of it, unless two processes share it. Else the system takes
// the part back, and has its memory only once the whole of it goes, or when it is short.
void split_huge_page(void* address, Bytes part);

// What /proc/PID/maps calls a range, where the kernel names memory (CONFIG_ANON_VMA_NAME); once for a range that
// was reserved at start. Not later: a process may have put itself into a sandbox, where an unexpected prctl is
// the end. `name` is of at most 79 printable characters, none of them []\`$.
void name_at_start(void* address, Bytes size, const char* name);

// Takes access to committed pages of a reservation away, and gives them back; false when refused, and then
// nothing changed.
bool withdraw(void* address, Bytes size);

// Grows or shrinks a mapping, moving it where it must; nullptr when refused, then nothing changed. What grows by 2 MiB
// or more (a page of the page table) moves to where it lies as far behind a multiple of that as before, unless the process
// has a limit on addresses or data.
void* remap(void* address, Bytes old_size, Bytes new_size);

// The same for a mapping between guards, which always moves: between two new ones.
void* remap_guarded(void* address, Bytes old_size, Bytes new_size, Bytes alignment, Bytes guard);

}  // namespace hakmem::os
