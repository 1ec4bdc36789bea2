// support/stepping.h: a signal at every instruction of a call, one run for each (x86-64).
//
// interrupt_each_instruction(prepare, call, handler, stride) runs both `stride` times in this thread,
// `call` with the trap flag set. In run p, `handler` comes as a signal after the instructions p, p + stride,
// p + 2 stride ... of the call, so that in the end it came after each of them: what a timer hits
// once a year, this hits. If stepping_seconds is not 0 the signals end
// after so long, where a machine is slow, once there were 300.
#pragma once

#include <limits.h>

#include "support/program.h"

#if defined(__x86_64__)
#define CAN_STEP 1
#else
#define CAN_STEP 0
#endif

static volatile long stepping_countdown;
static long stepping_stride;
static void (*stepping_handler)(void);
static unsigned stepping_seconds;
static uint64_t stepping_begun_ms;
static long stepping_handled;

static int is_stepped_enough(void) {
  return stepping_seconds != 0 && is_enough(stepping_handled, LONG_MAX, 300, stepping_begun_ms, stepping_seconds);
}

// The handler itself is not stepped: the kernel clears the flag for it.
static void stepped(int number) {
  if (stepping_countdown-- != 0) return;
  stepping_countdown = stepping_stride - 1;
  if (is_stepped_enough()) return;
  ++stepping_handled;
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
  stepping_begun_ms = now_ms();
  stepping_handled = 0;
  for (long phase = 0; phase < stride && !is_stepped_enough(); ++phase) {
    prepare();
    stepping_countdown = phase;
    set_stepping(1);
    call();
    set_stepping(0);
  }
}
