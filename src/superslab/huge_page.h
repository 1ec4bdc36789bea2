// superslab/huge_page.h: the one huge page there may be behind a SuperSlab.
//
// Responsibility  Ask for it before the SuperSlab is used, and give parts of it back.
// Contract        A hint to the system and no more: with small pages everything is the same. Between the asking and
//                 its end the mapping of the reservation is split. Never with a cache's or a shard's lock held.
// Observable      SuperSlab::may_have_huge_page: asked for, and nothing of it was purged since.
// Composable      os (pages, sandbox), SuperSlab. Used by pool, and by front for holes.
#pragma once

#include "superslab/superslab.h"

namespace hakmem {

// Does the system have huge pages of just this size?
bool superslabs_fit_huge_pages();

// Nobody has a slot of it, and none has pages.
void ask_for_huge_page(SuperSlab* super);
// Somebody has used it, or never will. What the system put together stays so, and nothing is put together again:
// pages that were purged would come back by that.
void end_asking_for_huge_page(const SuperSlab* super);

// os::purge() for some of its slots' pages.
bool purge_pages(SuperSlab* super, void* begin, Bytes size);

}  // namespace hakmem
