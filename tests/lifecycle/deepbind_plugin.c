// A plugin loaded RTLD_DEEPBIND allocates with libc's malloc; the program frees, resizes and
// measures its blocks. They are recognised and go where they came from.
#include "support/program.h"

static void* (*allocate)(size_t);
static void* (*allocate_in_thread)(size_t);
static void* (*align)(size_t, size_t);
static char* (*duplicate)(const char*);

static void check_contents(const unsigned char* block, size_t size, size_t pattern) {
  REQUIRE(block != NULL);
  for (size_t i = 0; i < size; i += 97) EXPECT(block[i] == pattern % 251);
}

static void use(void* (*get)(size_t), size_t size) {
  void* block = get(size);
  check_contents(block, size, size);
  EXPECT(malloc_usable_size(block) >= size && malloc_usable_size(block) < size + 8192);
  free(block);
  block = get(size);
  block = realloc(block, size * 2 + 1);
  check_contents(block, size, size);
  block = realloc(block, size / 2 + 1);
  check_contents(block, size / 2, size);
  free(block);
  errno = 4711;
  free(get(size));
  EXPECT(errno == 4711);
}

int main(void) {
  begin(20);
  char path[4096];
  REQUIRE(getenv("TEST_PLUGINS") != NULL);
  snprintf(path, sizeof path, "%s/deep.so", getenv("TEST_PLUGINS"));
  void* plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (plugin == NULL) say(dlerror());
  REQUIRE(plugin != NULL);
  void* (*its_malloc)(void) = (void* (*)(void))dlsym(plugin, "plugin_malloc_address");
  allocate = (void* (*)(size_t))dlsym(plugin, "plugin_allocate");
  allocate_in_thread = (void* (*)(size_t))dlsym(plugin, "plugin_allocate_in_thread");
  align = (void* (*)(size_t, size_t))dlsym(plugin, "plugin_align");
  duplicate = (char* (*)(const char*))dlsym(plugin, "plugin_duplicate");
  REQUIRE(its_malloc != NULL && allocate != NULL && align != NULL && duplicate != NULL);
  REQUIRE(!is_of_hakmem(its_malloc()));
  for (size_t size = 1; size < 40 * MIB; size = size * 3 + 1) {
    use(allocate, size);
    use(allocate_in_thread, size);
    for (size_t alignment = 16; alignment <= MIB; alignment *= 16) {
      void* block = align(alignment, size);
      check_contents(block, size, size);
      free(block);
    }
  }
  char* copy = duplicate("a word");
  EXPECT(strcmp(copy, "a word") == 0);
  free(copy);
  return finish();
}
