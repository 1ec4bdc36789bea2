// malloc_trim gives back what sixteen other threads left and hold, while they sleep: EMPTY slots, pages in
// slabs with live blocks, mail that nobody fetched, retained large blocks. It says 1 for that, and 0 when
// called again. Nothing goes back by itself here (HAKMEM_DECAY=never).
#include <pthread.h>
#include <semaphore.h>

#include "support/program.h"

#define THREADS 16
#define BLOCKS 40000
#define SIZE 120
#define LARGE_BLOCKS 8
#define LARGE_SIZE (600 * KIB)
#define SENT 2000

static char* blocks[THREADS][BLOCKS];
// Of each thread, for its neighbour to free.
static char* sent[THREADS][SENT];
static pthread_barrier_t barrier;
static sem_t let_go;

// Runs of a hundred.
static int survives(int i) { return i / 100 % 20 == 0; }

static void fill(int self) {
  for (int i = 0; i < BLOCKS; ++i) {
    blocks[self][i] = malloc(SIZE);
    mark(blocks[self][i], SIZE);
  }
  for (int i = 0; i < SENT; ++i) {
    sent[self][i] = malloc(1000);
    mark(sent[self][i], 1000);
  }
  char* large[LARGE_BLOCKS];
  for (int i = 0; i < LARGE_BLOCKS; ++i) {
    large[i] = malloc(LARGE_SIZE);
    memset(large[i], 1, LARGE_SIZE);
  }
  for (int i = 0; i < LARGE_BLOCKS; ++i) free(large[i]);
}

static void* live(void* argument) {
  const int self = (int)(intptr_t)argument;
  fill(self);
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < SENT; ++i) free(sent[(self + 1) % THREADS][i]);
  for (int i = 0; i < BLOCKS; ++i) {
    if (!survives(i)) free(blocks[self][i]);
  }
  pthread_barrier_wait(&barrier);  // the main thread trims
  while (sem_wait(&let_go) != 0) {
  }
  for (int i = 0; i < BLOCKS; ++i) {
    if (!survives(i)) continue;
    EXPECT(is_marked(blocks[self][i], SIZE));
    free(blocks[self][i]);
  }
  return NULL;
}

static int trim_what_others_have(void) {
  begin(60);
  pthread_t threads[THREADS];
  pthread_barrier_init(&barrier, NULL, THREADS + 1);
  sem_init(&let_go, 0, 0);
  const size_t before = resident_bytes();
  for (int i = 0; i < THREADS; ++i) {
    REQUIRE(pthread_create(&threads[i], NULL, live, (void*)(intptr_t)i) == 0);
  }
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  const size_t asleep = resident_bytes();
  EXPECT(malloc_trim(0) == 1);
  // What stays: a twentieth of the small blocks, and what each thread has on its stacks and in the messages
  // it is still writing, a MiB each: nobody but the thread itself touches those.
  const size_t left = resident_bytes();
  // The hardened flavour's survivors lie apart, and its threads have blocks in quarantine.
  EXPECT(left < before + (asleep - before) / (is_hardened() ? 2 : 3));
  EXPECT(malloc_trim(0) == 0);
  EXPECT_SOUND_HEAP();
  for (int i = 0; i < THREADS; ++i) sem_post(&let_go);
  for (int i = 0; i < THREADS; ++i) pthread_join(threads[i], NULL);
  EXPECT(malloc_trim(0) == 1);
  EXPECT(resident_bytes() < left);
  EXPECT(malloc_trim(0) == 0);
  return finish();
}

int main(int argc, char** argv) {
  if (argc > 1) return trim_what_others_have();
  setenv("HAKMEM_DECAY", "never", 1);
  execl(argv[0], argv[0], "again", (char*)NULL);
  return 1;
}
