/* purge.pml: slot states, purge, hole purge and "known zero" (DESIGN 3.4, 3.8, 3.9), sequentially consistent.
 *
 * Slots UNUSED / ACTIVE / EMPTY of one SuperSlab under the pool's lock; a block is a page is a slot, a
 * slab is one or two of them. Two workers acquire, calloc, write, free and release; the scavenger
 * purges EMPTY slots and holes of ACTIVE slabs; malloc_trim does the same at the same time.
 *
 * Properties
 *   P1  A slot has one owner: worker, purger or nobody; a slot is in exactly one of three states.
 *   P2  "Known zero" is never said of a page with content; calloc's block reads zero.
 *   P3  No page is zapped while a block on it is live.
 *   P4  A bit of a slab is set only by who holds the slab's slow-path lock; a slab is released with all bits set.
 *   P5  UNUSED means zero: a refused madvise (mlock) leads back to EMPTY, not to UNUSED.
 *   P6  Exhaustion is reported only when no slot is in a purger's hands.
 *   P7  madvise is called with no lock held (MUTANT 8). No deadlock.
 *
 * Mutants: 1 purge without a claim, 2 UNUSED published before madvise, 3 refused madvise published as
 * UNUSED, 4 EMPTY handed out as known zero, 5 known zero remembered as a property of the slab, 6 a slab
 * of one UNUSED and one EMPTY slot called zero, 7 hole purge leaves the bits set meanwhile, 8 madvise
 * under the pool's lock, 9 exhaustion reported while a purger holds slots, 10 hole purge gives the bits
 * back without the lock, 11 claim checked before the lock is taken.
 */
#define NSLOT 3
#define WORKERS 2
#ifndef OPS1
#define OPS1 3                    /* callocs and frees by the first worker, by the second */
#endif
#ifndef OPS2
#define OPS2 2
#endif
#ifndef LEFT1
#define LEFT1 1                   /* purges by the scavenger, by malloc_trim */
#endif
#ifndef LEFT2
#define LEFT2 1
#endif
#define UNUSED 0
#define ACTIVE 1
#define EMPTY 2
#define NOBODY 0                  /* holders: 1 and 2 the workers, 3 and 4 the purgers */
#define NONE 7
#define FULL(v) ((1 << length[v]) - 1)

byte state[NSLOT], holder[NSLOT];
bool content[NSLOT];              /* the page is not all zero */
byte live[NSLOT];                 /* worker whose program uses the block, 0 for none */
bool hole[NSLOT];                 /* claimed by a hole purge */
byte pool_lock, cache_lock[WORKERS + 1];                            /* who holds it */
byte first[WORKERS + 1], length[WORKERS + 1], bits[WORKERS + 1];    /* a worker's slab; bit i: slot first + i */
byte claimed;                     /* slots in purgers' hands, plain data under the pool's lock */
bool fresh[WORKERS + 1];          /* MUTANT 5 */
byte quiet;

#ifdef MUTANT_9
#define MAY_REPORT true
#else
#define MAY_REPORT (claimed == 0)
#endif

inline take(x) { atomic { x == 0 -> x = w } }
inline drop(x) { atomic { x = 0 } }

inline acquire(n)                 /* n slots side by side; leaves the first in s, known in zero */
{
  do
  :: take(pool_lock);
     atomic {                     /* plain data under the lock */
       if
       :: state[0] != ACTIVE && (n == 1 || state[1] != ACTIVE) -> s = 0
       :: state[1] != ACTIVE && (n == 1 || state[2] != ACTIVE) -> s = 1
       :: n == 1 && state[2] != ACTIVE -> s = 2
       :: else -> s = NONE
       fi;
       pool_lock = 0;
       if
       :: s != NONE ->
            assert(holder[s] == NOBODY && holder[s + n - 1] == NOBODY);
#if defined(MUTANT_4)
            zero = 1;
#elif defined(MUTANT_6)
            zero = (state[s] == UNUSED);
#else
            zero = (state[s] == UNUSED && state[s + n - 1] == UNUSED);
#endif
            state[s] = ACTIVE; holder[s] = w; state[s + n - 1] = ACTIVE; holder[s + n - 1] = w;
            assert(!zero || !content[s] && !content[s + n - 1]); break   /* a block may span both */
       :: s == NONE && MAY_REPORT -> assert(claimed == 0); break
       :: s == NONE && !MAY_REPORT
       fi
     };
     claimed == 0                 /* wait for the purgers, holding no lock at all; look again */
  od
}

inline release(v)                 /* under cache_lock[v], by its worker or by a purger */
{
  take(pool_lock);
  atomic {
    assert(bits[v] == FULL(v));
    n = 0;
    do
    :: n < length[v] -> assert(holder[first[v] + n] == v && !live[first[v] + n] && !hole[first[v] + n]);
         state[first[v] + n] = EMPTY; holder[first[v] + n] = NOBODY; n++
    :: else -> break
    od;
    length[v] = 0; bits[v] = 0; first[v] = 0; n = 0; pool_lock = 0
  }
}

inline take_bit(b)                /* under cache_lock[w]; NONE when no block is free */
{
  t = bits[w];
  atomic {
    if
    :: t & 1 -> bits[w] = t & 2; b = first[w]
    :: t == 2 -> bits[w] = 0; b = first[w] + 1
    :: else -> b = NONE
    fi;
    t = 0;
    if
    :: b != NONE -> assert(holder[b] == w && !live[b]);
#ifndef MUTANT_7
         assert(!hole[b]);
#endif
         live[b] = w
    :: else
    fi
  }
}

inline use(b)                     /* calloc's second half, then the program writes */
{
#ifdef MUTANT_5
  zero = fresh[w];
#endif
  if
  :: zero
  :: else -> content[b] = 0       /* memset */
  fi;
  atomic { assert(!content[b]); content[b] = 1; zero = 0; b = NONE }      /* P2 */
}

inline calloc_block()
{
  take(cache_lock[w]);
  if
  :: length[w] != 0 -> take_bit(b)
  :: else
  fi;
  drop(cache_lock[w]);
  if
  :: b != NONE -> use(b)
  :: b == NONE && length[w] != 0
  :: b == NONE && length[w] == 0 ->
       if
       :: n = 1
       :: n = 2
       fi;
       acquire(n);
       if
       :: s != NONE ->
            take(cache_lock[w]);  /* the block is taken in the same hold: zero is about this one only */
            atomic { first[w] = s; length[w] = n; bits[w] = (1 << n) - 1; s = 0; n = 0;
#ifdef MUTANT_5
                     fresh[w] = zero
#endif
                   };
            take_bit(b);
            drop(cache_lock[w]);
            assert(b != NONE);
            use(b)
       :: else -> n = 0; s = 0
       fi
  fi
}

inline free_block()
{
  if                              /* P3: what the program wrote is still there */
  :: length[w] != 0 && live[first[w]] == w -> b = first[w]
  :: length[w] == 2 && live[first[w] + 1] == w -> b = first[w] + 1
  :: else
  fi;
  if
  :: b != NONE ->
       atomic { assert(content[b]); live[b] = 0 };
       take(cache_lock[w]);
       t = bits[w];
       atomic { assert(!(t & (1 << (b - first[w])))); bits[w] = t | (1 << (b - first[w])); t = 0; b = NONE };
       if
       :: bits[w] == FULL(w) -> release(w)
       :: else
       fi;
       drop(cache_lock[w])
  :: else
  fi
}

proctype Worker(byte w; byte left)
{
  byte b = NONE, s, n, t;
  bool zero;
  do
  :: left > 0 -> left--;
       if
       :: true -> calloc_block()
       :: length[w] != 0 -> free_block()
       fi
  :: left == 0 -> break
  od;
  quiet++
}

inline madvise(k)                 /* may be refused */
{
  assert(pool_lock != w && cache_lock[1] != w && cache_lock[2] != w);     /* P7 */
  if
  :: atomic { assert(!live[k]); content[k] = 0 }
  :: refused = 1
  fi
}

inline publish(k)
{
  atomic {
#ifdef MUTANT_1
    assert(holder[k] == NOBODY);
#else
    assert(state[k] == ACTIVE && holder[k] == w);
    holder[k] = NOBODY; claimed--;
#endif
#ifdef MUTANT_3
    state[k] = UNUSED;
#else
    state[k] = (refused -> EMPTY : UNUSED);
#endif
    refused = 0
  }
}

inline purge(k)
{
#ifdef MUTANT_11
  go = (state[k] == EMPTY);
  take(pool_lock);
#else
  take(pool_lock);
  go = (state[k] == EMPTY);
#endif
  if
  :: go ->
#ifndef MUTANT_1
       atomic { state[k] = ACTIVE; assert(holder[k] == NOBODY); holder[k] = w; claimed++ };
#endif
#ifdef MUTANT_2
       publish(k);
#endif
#ifndef MUTANT_8
       drop(pool_lock);
#endif
       madvise(k);
#ifndef MUTANT_8
       take(pool_lock);
#endif
#ifndef MUTANT_2
       publish(k)
#endif
  :: else
  fi;
  drop(pool_lock); go = 0
}

inline purge_hole(v)              /* claim the free blocks of v's slab, madvise, give them back */
{
  take(cache_lock[v]);
  if
  :: length[v] == 2 && bits[v] != 0 ->
       t = bits[v];
       atomic { k = first[v] + t - 1; assert(t < 3 && holder[k] == v); hole[k] = 1;
#ifndef MUTANT_7
                bits[v] = 0
#endif
              };
       drop(cache_lock[v]);
       madvise(k);                /* a refusal changes nothing: nobody is told zero */
       refused = 0;
#ifndef MUTANT_10
       take(cache_lock[v]);
#endif
       n = bits[v];
       atomic { assert(holder[k] == v && length[v] == 2); hole[k] = 0; bits[v] = n | t; n = 0; k = 0; t = 0 };
       if
       :: bits[v] == FULL(v) -> release(v)
       :: else
       fi;
#ifdef MUTANT_10
  :: else -> drop(cache_lock[v])
  fi
#else
  :: else
  fi;
  drop(cache_lock[v])
#endif
}

proctype Purger(byte w; byte left)
{
  byte k, n, t;
  bool refused, go;
  do
  :: left > 0 -> left--;
       if
       :: k = 0; purge(k)
       :: k = 1; purge(k)
       :: k = 2; purge(k)
       :: true -> purge_hole(1)
       :: true -> purge_hole(2)
       fi;
       k = 0
  :: left == 0 -> break
  od;
  quiet++
}

init
{
  byte k;
  atomic {
    state[1] = EMPTY; content[1] = 1;            /* one EMPTY slot with old content to begin with */
    run Worker(1, OPS1); run Worker(2, OPS2); run Purger(3, LEFT1); run Purger(4, LEFT2)
  }
  quiet == 4;
  atomic {
    assert(!pool_lock && claimed == 0);
    do
    :: k < NSLOT ->
         assert(!hole[k] && (state[k] == ACTIVE) == (holder[k] != NOBODY) && holder[k] < 3);
         assert(state[k] != UNUSED || !content[k]);                      /* P5 */
         k++
    :: else -> break
    od
  }
}
