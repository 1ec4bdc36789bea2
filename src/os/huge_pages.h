// os/huge_pages.h: what the system does about transparent huge pages by itself.
//
// Responsibility  Read its setting.
// Contract        /sys/kernel/mm/transparent_hugepage/enabled, once for the process, at the first question; no allocation, errno
//                 untouched. Not known is no.
// Observable      Nothing.
// Composable      line_reader. Used by large.
#pragma once

namespace hakmem::os {

// "always": every mapping that is large enough gets them.
bool has_huge_pages_everywhere();

}  // namespace hakmem::os
