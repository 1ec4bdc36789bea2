/* locks.pml: lock ranks and fork (DESIGN 3.5, 3.7, 3.8, section 5).
 *
 * Ranks: round (0) -> list (1) -> holes (2) -> cache 0 (3) -> cache 1 (4) -> cache 2, parked (5) -> purge (6) -> grow (7)
 * -> the pool's shards (8, 9) -> meta (10). Two workers with caches 0 and 1 whose homes are shards 0 and 1, cache 2
 * parked, a scavenger that purges holes or slots, a walker, a forker. A lock is taken blocking only with nothing of its
 * rank or above held; everything else is a try. Only under `grow` does anybody hold two shards, in their order. Fork
 * takes list, holes and caches as the walker's standstill does, so that no block is claimed for a purge meanwhile; it
 * copies the locks as they are into the child, where only the forker's thread goes on. It does not wait for a round of
 * the scavenger: the child has none.
 *
 * Properties
 *   P1  No deadlock: no invalid end state, whoever waits for whom.
 *   P2  Ranks: a blocking take is never made with a lock of the same or a higher number held.
 *   P3  No system call with a cache's, a shard's or meta's lock held, nor with a lock held that somebody
 *       waits for with a cache's lock in his hand: so `grow`, `purge` and `holes` are never taken with a cache lock held.
 *   P4  The child of fork finds every lock free and can do a refill, a growth and a take-over.
 *   P5  Who walks a heap whose threads stand still, the round's lock in his hand, finds nothing on the scavenger's way.
 *
 * What follows for a refill that finds nothing: drop the own lock, grow (commit slots and metadata
 * ahead, with `grow` alone), wait for a purge to give up its claims, look at all shards at one moment, take the own lock
 * again, look again. Parked caches are walked with the
 * own lock dropped; with it held, the list's lock is only tried. The draining sender holds one cache
 * lock, so what it forwards may neither drain nor block on the list: mail is announced without a lock.
 *
 * Found on the way: the order of the caches matters to nobody as long as every other thread holds at most
 * one of them blocking, and the list's lock serialises those who take all; rising order is kept as a habit.
 *
 * Mutants: 1 adopter blocks on the other cache, 2 walker holds its own cache and blocks on the list,
 * 3 fork takes the caches before the list, 4 fork takes pool before the caches, 5 fork forgets meta,
 * 6 parker holds its cache and blocks on the list, 7 growth under the own cache lock, 8 metadata grows
 * under the pool's lock, 9 nested drain blocks, 10 fork forgets grow, 11 child does not unlock,
 * 12 a tick purges holes with the own cache's lock held, 13 fork forgets holes, 14 fork takes holes after the caches,
 * 15 holes are purged with their cache's lock held, 16 a round without its lock, 17 the other shard is taken with the home
 * held, 18 a purge is waited for with the own cache's lock held, 19 fork forgets purge, 20 the child keeps the round,
 * 21 slots are purged with their shard's lock held.
 */
#ifndef ROUNDS1
#define ROUNDS1 2                 /* actions of the first worker, of the second */
#endif
#ifndef ROUNDS2
#define ROUNDS2 1
#endif
#ifndef WALKER
#define WALKER 0                  /* 1: somebody walks the heap */
#endif
#define ROUND 0
#define LIST 1
#define HOLES 2
#define CACHE(c) (3 + (c))
#define PURGE 6
#define GROW 7
#define SHARD(s) (8 + (s))
#define META 10
#define NLOCK 11
#define CACHES ((1 << CACHE(0)) | (1 << CACHE(1)) | (1 << CACHE(2)))
#define SHARDS ((1 << SHARD(0)) | (1 << SHARD(1)))

byte lock[NLOCK];                 /* 0 free, else who + 1 */
byte child[NLOCK];                /* the child's memory */
byte parked = 4;                  /* mask of parked caches, under LIST to change */
byte done;
short held[5];                    /* ghost: mask of the locks each thread holds */
bool on_way;                      /* ghost: the scavenger has taken something out of the heap */

#if defined(MUTANT_1) || defined(MUTANT_2) || defined(MUTANT_3) || defined(MUTANT_4) || \
    defined(MUTANT_6) || defined(MUTANT_9) || defined(MUTANT_12) || defined(MUTANT_14) || defined(MUTANT_17)
#define RANKED(x) true            /* let the deadlock itself be found, not the broken rank */
#else
#define RANKED(x) ((held[me] >> (x)) == 0)
#endif

inline take(x)
{
  assert(RANKED(x));
  atomic { lock[x] == 0 -> lock[x] = me + 1; held[me] = held[me] | (1 << (x)) }
}
inline try(x)                     /* leaves the answer in got */
{
  atomic {
    if
    :: lock[x] == 0 -> lock[x] = me + 1; held[me] = held[me] | (1 << (x)); got = 1
    :: else -> got = 0
    fi
  }
}
inline drop(x)
{
  atomic { assert(lock[x] == me + 1); lock[x] = 0; held[me] = held[me] & ~(1 << (x)) }
}
inline pass(x)                    /* taken and dropped with nothing between: to the others a wait for it */
{
  assert(RANKED(x));
  lock[x] == 0
}
inline system_call()              /* P3 */
{
  assert((held[me] & (CACHES | SHARDS | (1 << META))) == 0)
}

inline acquire_slot(home)         /* a shard, then the other; and a bitmap from metadata that is already committed */
{
#if defined(MUTANT_8)
  take(home); take(META); system_call(); drop(META); drop(home);
#elif defined(MUTANT_17)
  take(home); pass(SHARD(1) + SHARD(0) - home); drop(home);
#else
  pass(home);
#endif
  pass(SHARD(1) + SHARD(0) - home);
  pass(META)
}

inline wait_for_purge()
{
  assert((held[me] & CACHES) == 0);   /* P3 */
  pass(PURGE)
}

inline grow(home)
{
  assert((held[me] & CACHES) == 0);   /* P3 */
  take(GROW);
  system_call();
  pass(home);
  pass(META);
  drop(GROW)
}

inline find_all()                 /* before a request is refused: all shards at one moment */
{
  take(GROW); take(SHARD(0)); take(SHARD(1));
  drop(SHARD(1)); drop(SHARD(0)); drop(GROW)
}

inline purge_slots(shard)         /* under PURGE: claim, purge with the claims alone, publish */
{
  take(shard);
#ifndef MUTANT_21
  drop(shard);
#endif
  system_call();
#ifdef MUTANT_21
  drop(shard);
#endif
  pass(shard);
  drop(PURGE)
}

inline drain_try(x)               /* a sender, or a drainer that forwards: never blocks on a cache */
{
#ifdef MUTANT_9
  take(x); got = 1;
#else
  try(x);
#endif
  if
  :: got ->
       got = 0;
       if                         /* the last self was set: release */
       :: pass(SHARD(0))
       :: true
       fi;
#ifdef MUTANT_9
       if
       :: x == CACHE(0) -> take(CACHE(1)); drop(CACHE(1))
       :: x == CACHE(1) -> take(CACHE(0)); drop(CACHE(0))
       fi;
#endif
       drop(x)
  :: else
  fi
}

inline refill(x, other, home)
{
  take(x);
  if
  :: acquire_slot(home)
  :: true ->                      /* adopt from a parked cache, list lock only tried */
       try(LIST);
       if
       :: got ->
            got = 0;
#ifdef MUTANT_1
            drop(LIST);
            take(other); drop(other);
#else
            try(CACHE(2));
            if
            :: got -> got = 0; drop(CACHE(2))
            :: else
            fi;
            drop(LIST)
#endif
       :: else
       fi
#ifdef MUTANT_7
  :: grow(home)
#endif
#ifdef MUTANT_18
  :: wait_for_purge()
#endif
  :: true
  fi;
#ifdef MUTANT_2
  take(LIST); take(CACHE(2)); drop(CACHE(2)); drop(LIST);
#endif
  drop(x);
  if                              /* still nothing: the own lock is dropped first */
  :: take(LIST); try(CACHE(2)); if :: got -> got = 0; drop(CACHE(2)) :: else fi; drop(LIST)
  :: grow(home)
  :: wait_for_purge(); find_all()
  :: true
  fi
}

inline park(x, self)               /* thread exit, then the next thread of this process takes it over */
{
#ifdef MUTANT_6
  take(x); take(LIST); parked = parked | self; drop(LIST); drop(x);
#else
  take(LIST); take(x); parked = parked | self; drop(x); drop(LIST);
#endif
  take(LIST); take(x); parked = parked & ~self; drop(x); drop(LIST)
}

inline purge_holes(x)             /* under HOLES: claim, purge with the claims alone, give back */
{
  take(x);
#ifndef MUTANT_15
  drop(x);
#endif
  system_call();
#ifdef MUTANT_15
  drop(x);
#endif
  pass(x);
  pass(SHARD(0));                 /* a slab all of whose blocks are home */
  drop(HOLES)
}

inline tick(x)                    /* whoever finds the holes taken leaves them to them */
{
#ifdef MUTANT_12
  take(CACHE(2));
  take(HOLES);
  got = 1;
#else
  try(HOLES);
#endif
  if
  :: got -> got = 0;
#ifdef MUTANT_12
     drop(CACHE(2));
#endif
     purge_holes(x)
  :: else ->
     try(PURGE);                  /* or the slots, as the clock says */
     if
     :: got -> got = 0; purge_slots(SHARD(1))
     :: else
     fi
  fi
}

proctype Worker(byte me; byte rounds; byte mine; byte other; byte self; byte home)
{
  bool got;
  do
  :: rounds > 0 -> rounds--;
       if
       :: true -> refill(mine, other, home)
       :: true -> drain_try(other)
       :: true -> drain_try(CACHE(2))
       :: true -> park(mine, self)
       :: true -> tick(CACHE(2))
       :: take(META); drop(META)  /* a batch of message nodes, with no other lock */
       fi
  :: rounds == 0 -> break
  od;
  done++
}

proctype Scavenger(byte me)       /* blocks on one cache at a time, holding the round's and the holes' lock */
{
#ifndef MUTANT_16
  take(ROUND);
#endif
  if
  :: true -> take(HOLES); on_way = 1; purge_holes(CACHE(0))
  :: true -> take(HOLES); on_way = 1; purge_holes(CACHE(2))
  :: true -> take(PURGE); on_way = 1; purge_slots(SHARD(0))
  fi;
  on_way = 0;
#ifndef MUTANT_16
  drop(ROUND);
#endif
  done++
}

proctype Walker(byte me)          /* waits for the round that is under way, then for everybody */
{
  take(ROUND); take(LIST); take(HOLES); take(CACHE(0)); take(CACHE(1)); take(CACHE(2));
  assert(!on_way);                /* P5 */
  drop(CACHE(2)); drop(CACHE(1)); drop(CACHE(0)); drop(HOLES); drop(LIST); drop(ROUND);
  done++
}

inline child_take(x) { atomic { child[x] == 0 -> child[x] = me + 1 } }
inline child_drop(x) { atomic { assert(child[x] == me + 1); child[x] = 0 } }

proctype Forker(byte me)
{
  byte x;
#ifndef MUTANT_3
  take(LIST);
#endif
#if !defined(MUTANT_13) && !defined(MUTANT_14)
  take(HOLES);
#endif
#if defined(MUTANT_3)
  take(CACHE(0)); take(CACHE(1)); take(CACHE(2)); take(LIST); take(PURGE); take(GROW); take(SHARD(0)); take(SHARD(1));
#elif defined(MUTANT_4)
  take(SHARD(0)); take(SHARD(1)); take(CACHE(0)); take(CACHE(1)); take(CACHE(2)); take(PURGE); take(GROW);
#else
  take(CACHE(0)); take(CACHE(1)); take(CACHE(2));
#ifdef MUTANT_14
  take(HOLES);
#endif
#ifndef MUTANT_19
  take(PURGE);
#endif
#ifndef MUTANT_10
  take(GROW);
#endif
  take(SHARD(0)); take(SHARD(1));
#endif
#ifndef MUTANT_5
  take(META);
#endif
  d_step {                        /* fork */
    x = 0;
    do
    :: x < NLOCK -> child[x] = lock[x]; x++
    :: else -> break
    od;
    x = 0
  };
#ifndef MUTANT_11
  d_step {                        /* the child's half of the handler drops what the forker held, and the round */
    do
    :: x < NLOCK -> child[x] = (child[x] == me + 1 -> 0 : child[x]); x++
    :: else -> break
    od;
    x = 0
  };
#endif
#ifndef MUTANT_20
  child[ROUND] = 0;
#endif
#ifndef MUTANT_5
  drop(META);
#endif
  drop(SHARD(1)); drop(SHARD(0));
#ifndef MUTANT_10
  drop(GROW);
#endif
#ifndef MUTANT_19
  drop(PURGE);
#endif
  drop(CACHE(2)); drop(CACHE(1)); drop(CACHE(0));
#ifndef MUTANT_13
  drop(HOLES);
#endif
  drop(LIST);
  /* and the child lives on: take-over, refill, growth */
  child_take(ROUND); child_take(LIST); child_take(HOLES); child_take(CACHE(0)); child_take(CACHE(1)); child_take(CACHE(2));
  child_take(PURGE); child_take(GROW); child_take(SHARD(0)); child_take(SHARD(1)); child_take(META);
  child_drop(META); child_drop(SHARD(1)); child_drop(SHARD(0)); child_drop(GROW); child_drop(PURGE);
  child_drop(CACHE(2)); child_drop(CACHE(1)); child_drop(CACHE(0)); child_drop(HOLES); child_drop(LIST); child_drop(ROUND);
  done++
}

init
{
  byte x;
  atomic {
    run Worker(0, ROUNDS1, CACHE(0), CACHE(1), 1, SHARD(0)); run Worker(1, ROUNDS2, CACHE(1), CACHE(0), 2, SHARD(1));
    run Scavenger(2); run Forker(3);
    if
    :: WALKER == 1 -> run Walker(4)
    :: else -> done++
    fi
  }
  done == 5;
  atomic { do
           :: x < NLOCK -> assert(lock[x] == 0); x++
           :: else -> break
           od; assert(parked == 4) }
}
