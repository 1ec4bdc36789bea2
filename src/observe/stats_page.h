// observe/stats_page.h: what a process shows of its heap to other processes.
//
// Responsibility  Make the stats page once the heap is worth one, write it from ticks, answer its request
//                 word.
// Contract        Off by HAKMEM_STATS=off, under AT_SECURE, for processes that are not dumpable, and where
//                 /dev/shm has no room: then nothing else changes. Made a tenth of a second after the first
//                 tick that found a MiB of slots or huge blocks in use. Written once a second, at most ten
//                 times a second while somebody asks or the heap changes by more than a sixteenth, and never
//                 for more than a hundredth of the time. A child of fork makes its own. What a
//                 dead process leaves is taken away by the next that makes a page, of whatever pid namespace, or by
//                 `hakmem ps`. Of the page only the request word is ever read here.
// Observable      The page; stats_page_path().
// Composable      os/shared_page, page_figures, page_text. Called by after_tick(), so by the heap.
#pragma once

#include "base/units.h"

namespace hakmem {

// nullptr while there is none.
const char* stats_page_path();

}  // namespace hakmem
