// A sized delete through a base class without a virtual destructor: common, and survived.
#include <new>

#include "support/program.h"

struct Base {
  long value = 1;
};
struct Derived : Base {
  char rest[600] = {};
};

static int delete_through_base(void*) {
  for (int i = 0; i < 1000; ++i) {
    Base* volatile object = new Derived;
    delete object;
  }
  return finish();
}

int main() {
  begin(20);
  const outcome child = run_forked(delete_through_base, nullptr);
  if (is_hardened()) {
    EXPECT(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGABRT);
    EXPECT(matches(child.errors,
                   "^==[0-9]+==ERROR: hakmem: size-mismatch on address 0x[0-9a-f]+ [^\n]*\n"
                   "    block of 608 bytes, alignment 16, freed with size 8\n"));
    return finish();
  }
  EXPECT(exited_with(&child, 0));
  EXPECT(matches(child.errors,
                 "^hakmem: block 0x[0-9a-f]+ of 640 bytes freed with size 8; "
                 "more of this kind are only counted\n$"));
  if (program_failures != 0) say(child.errors);
  return finish();
}
