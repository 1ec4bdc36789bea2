// prctl, to see a program put itself in a sandbox: from then on the heap makes no system call that the program has
// not made, and cannot ask any more (os/sandbox.h).
#include <stdarg.h>

#include "os/sandbox.h"

// As libc's: four more arguments, whatever was passed.
extern "C" [[gnu::visibility("default")]] int prctl(int option, ...) noexcept {
  va_list list;
  va_start(list, option);
  unsigned long arguments[4];
  for (unsigned long& argument : arguments) argument = va_arg(list, unsigned long);
  va_end(list);
  return hakmem::os::pass_on_prctl(option, arguments);
}
