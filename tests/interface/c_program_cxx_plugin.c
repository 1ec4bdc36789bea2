// A C program, without libstdc++, loads a C++ plugin RTLD_LOCAL: operator new finds the runtime
// that it has to throw with although no global symbol leads there.
#include "support/program.h"

int main(void) {
  begin(20);
  char path[4096];
  EXPECT(dlsym(RTLD_DEFAULT, "_ZSt17__throw_bad_allocv") == NULL);
  REQUIRE(getenv("TEST_PLUGINS") != NULL);
  snprintf(path, sizeof path, "%s/throwing.so", getenv("TEST_PLUGINS"));
  void* plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (plugin == NULL) say(dlerror());
  REQUIRE(plugin != NULL);
  int (*use_cxx)(int) = (int (*)(int))dlsym(plugin, "use_cxx");
  int (*catch_bad_alloc)(void) = (int (*)(void))dlsym(plugin, "catch_bad_alloc");
  int (*handler_is_called)(void) = (int (*)(void))dlsym(plugin, "handler_is_called");
  REQUIRE(use_cxx != NULL && catch_bad_alloc != NULL && handler_is_called != NULL);
  EXPECT(use_cxx(1) == 501);
  EXPECT(catch_bad_alloc() == 7);
  EXPECT(handler_is_called() == 1);
  EXPECT(catch_bad_alloc() == 7);
  EXPECT(dlclose(plugin) == 0);
  return finish();
}
