#include "heap/lifecycle.h"

#include <pthread.h>

#include "os/libc_malloc.h"
#include "os/pages.h"
#include "os/process.h"
#include "os/residency.h"
#include "os/sandbox.h"
#include "config/config.h"
#include "superslab/meta_arena.h"
#include "front/cache_list.h"
#include "front/hole_purge.h"
#include "heap/inside.h"
#include "heap/scavenger.h"
#include "large/guarded.h"
#include "large/huge.h"
#include "profile/profiler.h"

namespace hakmem::lifecycle {

namespace {

// sync: options. Set once, after the snapshot was written; whoever sees it set reads the snapshot.
constinit std::atomic<bool> g_options_sealed{false};
constinit std::atomic<bool> g_pass_through{false};
// sync: hooks. Claimed by one thread, made once, with the first cache: the fork handlers of libraries
// loaded later then run before ours, and after ours in the child.
constinit std::atomic<bool> g_hooks_claimed{false};
// sync: key. Written once, by who claimed the hooks; release there, acquire in start_thread(), which uses g_key.
enum class KeyState : uint8_t { kUnknown, kMade, kRefused };
constinit std::atomic<KeyState> g_key_state{KeyState::kUnknown};
// The thread that is between the handlers of its fork; it holds every lock.
constinit std::atomic<uintptr_t> g_forking{0};
constinit pthread_key_t g_key = 0;

void say_options(const Config& options) {
  LineWriter line;
  line.append("hakmem " HAKMEM_VERSION ": reserve ").append_bytes(options.reserve_bytes);
  line.append(", decay ").append_decimal(options.decay_ms).append(" ms, cache_limit ");
  line.append_bytes(options.cache_limit_bytes).append(" (0: automatic), tiny_use_superslab ");
  line.append(options.tiny_use_superslab ? "on" : "off").append(", tiny_ss_shared ");
  line.append(options.tiny_ss_shared ? "on" : "off").end_line();
  os::write_stderr(line.data(), line.size());
}

void profile_if_wanted() {
  if (config().profile && !passes_through()) profiler().start(Bytes(0));
}

// Options are read at the first slow path at which the environment exists, in the only thread.
void seal_options() {
  if (g_options_sealed.load(std::memory_order_acquire)) return;
  const char* const* environment = os::environment();
  if (environment == nullptr) return;
  const Inside inside;
  os::LockGuard guard(cache_list().lock());
  if (g_options_sealed.load(std::memory_order_relaxed)) return;
  const ConfigIssueSink to_stderr{
      [](void*, TextView line) { os::write_stderr(line.data, line.size); }, nullptr};
  const ParsedConfig parsed = parse_config(environment, os::is_secure_process(), to_stderr);
  os::note_sandbox_at_start();
  os::cpu_count();  // asked of the system now, for a process that puts itself in a sandbox later
  if (parsed.must_exit) os::exit_process(kExitBadConfiguration);
  seal(parsed.config);
  os::make_readable(sealed_page().address, Bytes(sealed_page().size_bytes));
  if (parsed.config.verbose) say_options(parsed.config);
  if constexpr (!kHardened) guarded_blocks().open(parsed.config.guard_rate);
  g_pass_through.store(!parsed.config.tiny_use_superslab && os::libc_malloc_present(),
                       std::memory_order_relaxed);
  profile_if_wanted();
  g_options_sealed.store(true, std::memory_order_release);
}

// Other keys' destructors may run after ours and still allocate, so the cache stays for one round
// more; what comes after that is served as a departed thread.
void on_thread_exit(void* value) {
  ThreadCache* cache = static_cast<ThreadCache*>(value);
  if (cache->take_exit_round() && pthread_setspecific(g_key, cache) == 0) return;
  t_front = const_cast<CacheFront*>(&kBusyFront);
  cache->leave();
  cache_list().park(cache);
  if (cache_list().live() == 0) scavenger::end_with_program();
  t_front = const_cast<CacheFront*>(&kDepartedFront);
}

// Locks that this thread held already when it forked, in a signal handler: they stay its own.
struct ForkHeld {
  bool list, holes, huge, purge, grow, meta, profile, guarded, look;
  bool shards[SharedPool::kShards];
  // Adoption holds two.
  ThreadCache* caches[2];

  void add(ThreadCache* cache) { caches[caches[0] == nullptr ? 0 : 1] = cache; }
  bool has(const ThreadCache* cache) const { return cache == caches[0] || cache == caches[1]; }
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
  held.holes = lock_unless_mine(hole_purge().lock());
  cache_list().for_each([&held](ThreadCache& cache) {
    if (lock_unless_mine(cache.lock())) held.add(&cache);
  });
  held.huge = lock_unless_mine(huge_blocks().lock());
  held.purge = lock_unless_mine(pool().purge_lock());
  held.grow = lock_unless_mine(pool().grow_lock());
  for (uint32_t i = 0; i < SharedPool::kShards; ++i) held.shards[i] = lock_unless_mine(pool().shard_lock(i));
  held.meta = lock_unless_mine(meta_arena().lock());
  held.profile = lock_unless_mine(profiler().lock());
  held.guarded = lock_unless_mine(guarded_blocks().lock());
  held.look = lock_unless_mine(os::look_lock());
  g_fork_held = held;
  g_forking.store(os::thread_identity(), std::memory_order_relaxed);
}

void after_fork_in_parent() {
  const ForkHeld held = g_fork_held;
  if (!held.look) os::look_lock().unlock();
  if (!held.guarded) guarded_blocks().lock().unlock();
  if (!held.profile) profiler().lock().unlock();
  if (!held.meta) meta_arena().lock().unlock();
  for (uint32_t i = SharedPool::kShards; i-- > 0;) {
    if (!held.shards[i]) pool().shard_lock(i).unlock();
  }
  if (!held.grow) pool().grow_lock().unlock();
  if (!held.purge) pool().purge_lock().unlock();
  if (!held.huge) huge_blocks().lock().unlock();
  cache_list().for_each([&held](ThreadCache& cache) {
    if (!held.has(&cache)) cache.lock().unlock();
  });
  if (!held.holes) hole_purge().lock().unlock();
  if (!held.list) cache_list().lock().unlock();
  g_forking.store(0, std::memory_order_relaxed);
}

void take_front(ThreadCache* cache) {
  Inside inside;
  inside.set_front(front_of(cache));
}

void after_fork_in_child() {
  const ForkHeld held = g_fork_held;
  if (!held.look) os::look_lock().reset_in_child();
  if (!held.guarded) guarded_blocks().lock().reset_in_child();
  if (!held.profile) profiler().lock().reset_in_child();
  if (!held.meta) meta_arena().lock().reset_in_child();
  for (uint32_t i = SharedPool::kShards; i-- > 0;) {
    if (!held.shards[i]) pool().shard_lock(i).reset_in_child();
  }
  if (!held.grow) pool().grow_lock().reset_in_child();
  if (!held.purge) pool().purge_lock().reset_in_child();
  if (!held.huge) huge_blocks().lock().reset_in_child();
  cache_list().for_each([&held](ThreadCache& cache) {
    if (!held.has(&cache)) cache.lock().reset_in_child();
  });
  if (!held.holes) hole_purge().lock().reset_in_child();
  if (!held.list) cache_list().lock().reset_in_child();
  cache_list().park_all_but(os::thread_identity());
  // Forked by a handler that interrupted the allocator: what this thread has begun it will finish.
  if (t_front != &kBusyFront) pool().repair_in_child();
  scavenger::forget_in_child();
  // Forked by a handler that interrupted the profiler under its lock: what this thread has begun it finishes,
  // in the parent's file, and that was the last sample.
  if (held.profile) {
    profiler().end_in_child();
  } else {
    profiler().forget_in_child();
    profile_if_wanted();
  }
  guarded_blocks().begin_in_child();
  os::note_process_of_sandbox();
  // The parent's profile is not the child's.
  if (is_cache(t_front)) take_front(static_cast<ThreadCache*>(t_front));
  g_forking.store(0, std::memory_order_relaxed);
}

void make_hooks() {
  if (g_hooks_claimed.exchange(true, std::memory_order_acq_rel)) return;
  const bool made = pthread_key_create(&g_key, on_thread_exit) == 0;
  g_key_state.store(made ? KeyState::kMade : KeyState::kRefused, std::memory_order_release);
  pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

// In case nobody has allocated before; 101 is the first priority a program may use.
[[gnu::constructor(101)]] void on_load() {
  seal_options();
  make_hooks();
  if (is_cache(t_front)) take_front(static_cast<ThreadCache*>(t_front));
}

// Between its fork handlers a thread holds every lock, and can only use what it has on its stacks.
bool in_fork() {
  const uintptr_t forking = g_forking.load(std::memory_order_relaxed);
  return forking != 0 && forking == os::thread_identity();
}

ThreadCache* start_thread() {
  if (g_key_state.load(std::memory_order_acquire) == KeyState::kRefused) {
    // All of the process's keys were taken before ours: nobody will say that this thread ends, and a cache
    // of its own would be lost with it. It is served as if it had left already.
    t_front = const_cast<CacheFront*>(&kDepartedFront);
    return nullptr;
  }
  ThreadCache* cache;
  {
    const Inside inside;
    cache = cache_list().take_over();
  }
  if (cache == nullptr) return nullptr;
  cache->set_owner_thread(os::thread_identity());
  t_front = cache;
  make_hooks();
  if (g_key_state.load(std::memory_order_acquire) == KeyState::kMade) {
    pthread_setspecific(g_key, cache);
  }
  take_front(cache);
  return cache;
}

}  // namespace

ThreadCache* current_cache() {
  CacheFront* front = t_front;
  if (in_fork()) [[unlikely]] return nullptr;
  if (is_cache(front)) [[likely]] return static_cast<ThreadCache*>(front);
  if (front == &kSampledFront) return static_cast<ThreadCache*>(pthread_getspecific(g_key));
  if (front != &kEmptyFront) return nullptr;
  seal_options();
  return passes_through() ? nullptr : start_thread();
}

// Guarded blocks are drawn on slow paths, so a thread that takes part is given no other. Its cache is where its
// exit handler finds it.
CacheFront* front_of(ThreadCache* cache) {
  if (profiler().attend(cache) || !guarded_blocks().on()) return cache;
  const bool key_has_it = g_key_state.load(std::memory_order_acquire) == KeyState::kMade &&
                          pthread_getspecific(g_key) == cache;
  return key_has_it ? const_cast<CacheFront*>(&kSampledFront) : cache;
}

bool busy() { return t_front == &kBusyFront || in_fork(); }

bool passes_through() { return g_pass_through.load(std::memory_order_relaxed); }

}  // namespace hakmem::lifecycle
