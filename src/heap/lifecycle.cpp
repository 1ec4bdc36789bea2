#include "heap/lifecycle.h"

#include <pthread.h>

#include "os/libc_malloc.h"
#include "os/pages.h"
#include "os/process.h"
#include "config/config.h"
#include "superslab/meta_arena.h"
#include "front/cache_list.h"
#include "large/huge.h"

namespace hakmem::lifecycle {

namespace {

// sync: options. Set once, after the snapshot was written; whoever sees it set reads the snapshot.
constinit std::atomic<bool> g_options_sealed{false};
constinit std::atomic<bool> g_pass_through{false};
// sync: key. Threads that start before the constructor ran have no exit handler: there is at most
// the main one.
constinit std::atomic<bool> g_key_made{false};
constinit pthread_key_t g_key = 0;

// Options are read at the first slow path at which the environment exists, in the only thread.
void seal_options() {
  if (g_options_sealed.load(std::memory_order_acquire)) return;
  const char* const* environment = os::environment();
  if (environment == nullptr) return;
  os::LockGuard guard(cache_list().lock());
  if (g_options_sealed.load(std::memory_order_relaxed)) return;
  const ConfigIssueSink to_stderr{
      [](void*, TextView line) { os::write_stderr(line.data, line.size); }, nullptr};
  const ParsedConfig parsed = parse_config(environment, os::is_secure_process(), to_stderr);
  if (parsed.must_exit) os::exit_process(kExitBadConfiguration);
  seal(parsed.config);
  os::make_readable(sealed_page().address, Bytes(sealed_page().size_bytes));
  g_pass_through.store(!parsed.config.tiny_use_superslab && os::libc_malloc_present(),
                       std::memory_order_relaxed);
  g_options_sealed.store(true, std::memory_order_release);
}

// Other keys' destructors may run after ours and still allocate, so the cache stays for one round
// more; what comes after that is served as a departed thread.
void on_thread_exit(void* value) {
  ThreadCache* cache = static_cast<ThreadCache*>(value);
  if (cache->take_exit_round() && pthread_setspecific(g_key, cache) == 0) return;
  t_front = const_cast<CacheFront*>(&kBusyFront);
  cache->retire();
  cache_list().park(cache);
  t_front = const_cast<CacheFront*>(&kDepartedFront);
}

void watch_exit_of(ThreadCache* cache) {
  if (g_key_made.load(std::memory_order_acquire)) pthread_setspecific(g_key, cache);
}

// Locks that this thread held already when it forked, in a signal handler: they stay its own.
struct ForkHeld {
  bool list, huge, purge, grow, pool, meta;
  ThreadCache* cache;
};
constinit ForkHeld g_fork_held{};

bool lock_unless_mine(os::Lock& lock) {
  if (lock.held_by_me()) return true;
  lock.lock();
  return false;
}

void before_fork() {
  ForkHeld held{};
  held.list = lock_unless_mine(cache_list().lock());
  cache_list().for_each([&held](ThreadCache& cache) {
    if (lock_unless_mine(cache.lock())) held.cache = &cache;
  });
  held.huge = lock_unless_mine(huge_blocks().lock());
  held.purge = lock_unless_mine(pool().purge_lock());
  held.grow = lock_unless_mine(pool().grow_lock());
  held.pool = lock_unless_mine(pool().lock());
  held.meta = lock_unless_mine(meta_arena().lock());
  g_fork_held = held;
}

void after_fork_in_parent() {
  const ForkHeld held = g_fork_held;
  if (!held.meta) meta_arena().lock().unlock();
  if (!held.pool) pool().lock().unlock();
  if (!held.grow) pool().grow_lock().unlock();
  if (!held.purge) pool().purge_lock().unlock();
  if (!held.huge) huge_blocks().lock().unlock();
  cache_list().for_each([&held](ThreadCache& cache) {
    if (&cache != held.cache) cache.lock().unlock();
  });
  if (!held.list) cache_list().lock().unlock();
}

void after_fork_in_child() {
  const ForkHeld held = g_fork_held;
  if (!held.meta) meta_arena().lock().reset_in_child();
  if (!held.pool) pool().lock().reset_in_child();
  if (!held.grow) pool().grow_lock().reset_in_child();
  if (!held.purge) pool().purge_lock().reset_in_child();
  if (!held.huge) huge_blocks().lock().reset_in_child();
  cache_list().for_each([&held](ThreadCache& cache) {
    if (&cache != held.cache) cache.lock().reset_in_child();
  });
  if (!held.list) cache_list().lock().reset_in_child();
  cache_list().park_all_but(os::thread_identity());
  pool().repair_in_child();
}

// Priority 101 is the first a program may use: our fork handler is then among the last to run.
[[gnu::constructor(101)]] void on_load() {
  seal_options();
  if (pthread_key_create(&g_key, on_thread_exit) == 0) {
    g_key_made.store(true, std::memory_order_release);
  }
  pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  if (!is_constant(t_front)) watch_exit_of(static_cast<ThreadCache*>(t_front));
}

// A signal handler interrupted this thread while it was getting its cache.
bool interrupted_start() {
  return cache_list().lock().held_by_me() || meta_arena().lock().held_by_me();
}

}  // namespace

ThreadCache* current_cache() {
  CacheFront* front = t_front;
  if (!is_constant(front)) [[likely]]
    return static_cast<ThreadCache*>(front);
  if (front != &kEmptyFront || interrupted_start()) return nullptr;
  seal_options();
  if (passes_through()) return nullptr;
  if (registry().reservations() == 0) registry().open();
  ThreadCache* cache = cache_list().take_over();
  if (cache == nullptr) return nullptr;
  cache->set_owner_thread(os::thread_identity());
  t_front = cache;
  watch_exit_of(cache);
  return cache;
}

bool passes_through() { return g_pass_through.load(std::memory_order_relaxed); }

}  // namespace hakmem::lifecycle
