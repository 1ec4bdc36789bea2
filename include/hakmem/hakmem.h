/* hakmem.h: hakmem under its own names, for programs that do not want interposition.
 *
 * Every function is usable before main(), from any thread, and after fork() in the child. Blocks of
 * the hak_ functions and of malloc are the same when libhakmem is the process's malloc. Failure is
 * NULL with errno ENOMEM; calls that succeed leave errno alone. MIT licence. */
#ifndef HAKMEM_HAKMEM_H
#define HAKMEM_HAKMEM_H

#include <stddef.h>
#include <stdint.h>

/* Of this header. Two digits each for minor and patch: version 1.2.3 is 10203. */
#define HAK_VERSION_MAJOR 0
#define HAK_VERSION_MINOR 1
#define HAK_VERSION_PATCH 0
#define HAK_VERSION (HAK_VERSION_MAJOR * 10000 + HAK_VERSION_MINOR * 100 + HAK_VERSION_PATCH)

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HAK_API __attribute__((visibility("default")))
#else
#define HAK_API
#endif

/* Bytes; blocks are aligned to 16. hak_malloc(0) returns a block that can be freed. */
HAK_API void* hak_malloc(size_t size);
HAK_API void* hak_calloc(size_t count, size_t size);
HAK_API void* hak_realloc(void* block, size_t size);
HAK_API void hak_free(void* block);

/* alignment: a power of two, up to any size; else NULL with errno EINVAL. */
HAK_API void* hak_aligned_alloc(size_t alignment, size_t size);

/* As C23's free_sized and free_aligned_sized. hak_free_sized: a block of hak_malloc, hak_calloc (size: the
 * product) or hak_realloc, with the size last asked for. hak_free_aligned_sized: one of hak_aligned_alloc, with
 * its two arguments. A size that does not fit the block is counted and reported once, and the block is freed;
 * the hardened flavour ends the program. */
HAK_API void hak_free_sized(void* block, size_t size);
HAK_API void hak_free_aligned_sized(void* block, size_t alignment, size_t size);

/* Bytes that may be used behind the block; 0 for NULL. */
HAK_API size_t hak_usable_size(const void* block);

/* What hak_malloc(size) would round up to, so that a program may ask for all of it at once; never less than
 * size, and itself a good size. 0: nobody gets that much. Of a block that was asked for with less, use what
 * hak_usable_size() says: it is less where blocks are guarded, and up to a quarter more above 2 MiB, where a block ends
 * with a huge page. The hardened flavour says size. */
HAK_API size_t hak_good_size(size_t size);

/* Gives back what can be given back, of all threads but for what live threads have cached.
 * Returns 1 when pages went back to the system. */
HAK_API int hak_trim(void);

/* Empties the calling thread's cache: for a thread that is going to sleep for long. */
HAK_API void hak_thread_idle(void);

/* Walks the heap and checks its equations. NULL when all is well, else the first violation as text (valid until
 * the next call); NULL, too, in a signal handler that interrupted the allocator.
 *
 * hak_check: while other threads run, and only what locks protect: that bitmaps, counts and owners of partly free
 * slabs agree.
 *
 * hak_check_stopped: all of it, also the states and tags of every slot, large slabs, pages given back, blocks that
 * are cached or on their way, and what the pool counts. Only while no other thread of the process is inside the
 * allocator or comes into it, and after what the others did there: they have been joined, say, or wait for this one.
 * hakmem's own thread is waited for. It maps 1/128 of the heap for the time being. */
HAK_API const char* hak_check(void);
HAK_API const char* hak_check_stopped(void);

/* One number that the library counts. `name` says what, and never changes its meaning: a later version
 * may have more counters, and drops a name rather than use it otherwise. So look for a name, not for a
 * place. The texts are constants. */
struct hak_counter {
  const char* name;
  const char* unit;
  const char* help; /* one line */
  uint64_t value;   /* since the start of the process; only grows */
};

/* Fills at most `capacity` counters and returns how many there are: ask with 0 first. Takes no lock and
 * allocates nothing; other threads go on meanwhile, so the values are not of one moment. */
HAK_API size_t hak_counters(struct hak_counter* counters, size_t capacity);

/* "0.1.0", of the library that is loaded; HAK_VERSION is what the program was compiled with. */
HAK_API const char* hak_version(void);

#ifdef __cplusplus
}
#endif

#endif
