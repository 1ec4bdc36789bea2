// Loaded RTLD_DEEPBIND: its malloc is libc's own, whatever is preloaded.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

void* plugin_malloc_address(void) { return (void*)&malloc; }

void* plugin_allocate(size_t size) {
  char* block = malloc(size);
  memset(block, (int)(size % 251), size);
  return block;
}

void* plugin_align(size_t alignment, size_t size) {
  void* block = NULL;
  if (posix_memalign(&block, alignment, size) != 0) return NULL;
  memset(block, (int)(size % 251), size);
  return block;
}

void* plugin_duplicate(const char* text) { return strdup(text); }

struct request {
  size_t size;
  void* block;
};

static void* run(void* argument) {
  struct request* request = argument;
  request->block = plugin_allocate(request->size);
  return NULL;
}

// In another thread, and so from another of libc's arenas.
void* plugin_allocate_in_thread(size_t size) {
  struct request request = {size, NULL};
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, &request) != 0) return NULL;
  pthread_join(thread, NULL);
  return request.block;
}
