// support/stepping.h: a signal at every instruction of a call, one run for each (x86-64).
//
// interrupt_each_instruction(prepare, call, handler, stride) runs both `stride` times in this thread,
// `call` with the trap flag set. In run p, `handler` comes as a signal after the instructions p, p + stride,
// p + 2 stride ... of the call, so that in the end it came after each of them: what a timer hits
// once a year, this hits.
#pragma once

#include "support/program.h"

#if defined(__x86_64__)
#define CAN_STEP 1
#else
#define CAN_STEP 0
#endif

static volatile long stepping_countdown;
static long stepping_stride;
static void (*stepping_handler)(void);

// The handler itself is not stepped: the kernel clears the flag for it.
static void stepped(int number) {
  if (stepping_countdown-- != 0) return;
  stepping_countdown = stepping_stride - 1;
  stepping_handler();
}

static inline void set_stepping(int on) {
#if CAN_STEP
  if (on) {
    __asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; orq $0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::: "memory", "cc");
  } else {
    __asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; andq $~0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::: "memory", "cc");
  }
#endif
}

static inline void interrupt_each_instruction(void (*prepare)(void), void (*call)(void),
                                              void (*handler)(void), long stride) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = stepped;
  REQUIRE(sigaction(SIGTRAP, &action, NULL) == 0);
  stepping_handler = handler;
  stepping_stride = stride;
  for (long phase = 0; phase < stride; ++phase) {
    prepare();
    stepping_countdown = phase;
    set_stepping(1);
    call();
    set_stepping(0);
  }
}
