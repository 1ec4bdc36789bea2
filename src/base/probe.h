// base/probe.h: places a tracer can stop at, by name.
//
// Responsibility  USDT probes of provider "hakmem": bpftrace, perf, gdb and SystemTap find them in the file.
// Contract        HAKMEM_PROBE(name, a, b, c): one nop, with a note in .note.stapsdt that says where it is and
//                 where its three 64-bit values are just then. Without a tracer nothing is called and nothing
//                 tested; the values should be at hand. On slow paths only. A name never changes its meaning.
// Observable      readelf --notes; gdb's "info probes".
// Composable      The assembler. Used by superslab, pool, large.
#pragma once

#include <cstdint>

// The form of the note: https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation. A reader compares the
// base's place with that in the note, and so learns whether a file was moved after it was linked. "?": the note
// goes when the linker drops the function. "R": only notes name the base, which is no reason for some linkers to keep it.
#define HAKMEM_PROBE(name, a, b, c)                                                         \
  asm volatile(                                                                             \
      "990: nop\n"                                                                          \
      ".pushsection .note.stapsdt,\"?\",\"note\"\n"                                         \
      ".balign 4\n"                                                                         \
      ".4byte 992f-991f, 994f-993f, 3\n"                                                    \
      "991: .asciz \"stapsdt\"\n"                                                           \
      "992: .balign 4\n"                                                                    \
      "993: .8byte 990b, _.stapsdt.base, 0\n"                                               \
      ".asciz \"hakmem\"\n"                                                                 \
      ".asciz \"" #name "\"\n"                                                              \
      ".asciz \"8@%0 8@%1 8@%2\"\n"                                                         \
      "994: .balign 4\n"                                                                    \
      ".popsection\n"                                                                       \
      ".ifndef _.stapsdt.base\n"                                                            \
      ".pushsection .stapsdt.base,\"aGR\",\"progbits\",.stapsdt.base,comdat\n"              \
      ".weak _.stapsdt.base\n"                                                              \
      ".hidden _.stapsdt.base\n"                                                            \
      "_.stapsdt.base: .space 1\n"                                                          \
      ".size _.stapsdt.base, 1\n"                                                           \
      ".popsection\n"                                                                       \
      ".endif\n"                                                                            \
      :                                                                                     \
      : "nr"(static_cast<uint64_t>(a)), "nr"(static_cast<uint64_t>(b)), "nr"(static_cast<uint64_t>(c)))
