// main() leaves by pthread_exit() and other threads go on: the process ends with the last of them. The thread that
// gives memory back does not keep it alive, whether it works or sleeps at that time.
#include <dirent.h>
#include <pthread.h>
#include <sched.h>

#include "support/program.h"

#define WORKERS 2
#define BLOCKS 40000
#define SIZE 900

static pthread_barrier_t all_grown;
static int waits_for_sleep;

// Without malloc, which would wake the thread that is looked at.
static size_t read_text(const char* path, char* text, size_t room) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  const ssize_t length = read(file, text, room - 1);
  close(file);
  text[length > 0 ? length : 0] = '\0';
  return length > 0 ? (size_t)length : 0;
}

static int find_scavenger(void) {
  int found = 0;
  DIR* tasks = opendir("/proc/self/task");
  for (struct dirent* entry; (entry = readdir(tasks)) != NULL;) {
    char path[64], name[64];
    snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", entry->d_name);
    if (read_text(path, name, sizeof name) != 0 && strcmp(name, "hak-scavenger\n") == 0) found = atoi(entry->d_name);
  }
  closedir(tasks);
  return found;
}

static long times_slept(int task) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/self/task/%d/status", task);
  REQUIRE(read_text(path, text, sizeof text) != 0);
  const char* line = strstr(text, "\nvoluntary_ctxt_switches:");
  REQUIRE(line != NULL);
  return strtol(strchr(line, ':') + 1, NULL, 10);
}

// Its rounds are 10 ms apart while it has something to do.
static void wait_for_no_more_rounds(int task) {
  for (long before = -1, slept; (slept = times_slept(task)) != before; before = slept) {
    const uint64_t end = now_ms() + 400;
    while (now_ms() < end) sched_yield();
  }
}

static int main_has_left(void) {
  char text[512];
  REQUIRE(read_text("/proc/self/stat", text, sizeof text) != 0);
  return strncmp(strrchr(text, ')'), ") Z", 3) == 0;
}

static void* work(void* unused) {
  char** blocks = malloc(BLOCKS * sizeof *blocks);
  for (int i = 0; i < BLOCKS; ++i) {
    blocks[i] = malloc(SIZE);
    mark(blocks[i], SIZE);
  }
  pthread_barrier_wait(&all_grown);
  // Somebody has to call for it to be started.
  while (find_scavenger() == 0) free(malloc(SIZE));
  for (int i = 0; i < BLOCKS; ++i) {
    EXPECT(is_marked(blocks[i], SIZE));
    free(blocks[i]);
  }
  free(blocks);
  while (!main_has_left()) sched_yield();
  if (waits_for_sleep) {
    const int scavenger = find_scavenger();
    if (scavenger != 0) wait_for_no_more_rounds(scavenger);
  }
  return unused;
}

static int leave(const char* how) {
  begin(40);
  waits_for_sleep = strcmp(how, "asleep") == 0;
  REQUIRE(pthread_barrier_init(&all_grown, NULL, WORKERS) == 0);
  for (int i = 0; i < WORKERS; ++i) {
    pthread_t worker;
    REQUIRE(pthread_create(&worker, NULL, work, NULL) == 0);
  }
  pthread_exit(NULL);
}

static void expect_to_end(const char* program, const char* how, const char* decay) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    setenv("HAKMEM_SCAVENGER", "auto", 1);
    setenv("HAKMEM_DECAY", decay, 1);
    execl(program, program, how, (char*)NULL);
    _exit(99);
  }
  const int status = wait_at_most(child, 30);
  EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char** argv) {
  if (argc > 1) return leave(argv[1]);
  begin(70);
  expect_to_end(argv[0], "at work", "1s");
  expect_to_end(argv[0], "asleep", "20ms");
  return finish();
}
