// A library that allocates in its constructor, and asks the dynamic linker there.
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

void* blocks_of_early_library[3];

__attribute__((constructor(101))) static void early(void) {
  free(NULL);
  blocks_of_early_library[0] = malloc(16);
  blocks_of_early_library[1] = calloc(1, 40000);
  blocks_of_early_library[2] = realloc(malloc(3 << 20), 4 << 20);
  for (int i = 0; i < 3; ++i) strcpy(blocks_of_early_library[i], "early");
  // dlsym of what is not there makes the linker allocate its message.
  (void)dlsym(RTLD_NEXT, "no such symbol, and a long name that takes some room");
  (void)dlerror();
  (void)getenv("HOME");
}
