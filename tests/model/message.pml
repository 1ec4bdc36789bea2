/* message.pml: remote free by messages (DESIGN 3.6), sequentially consistent.
 *
 * One cache, its owner thread, two freeing threads. Slabs of two blocks. Every shared access of the
 * inbox, a node and a bitmap is a step of its own; `place` is a ghost that says where a block is.
 *
 * Properties
 *   P1  A block is in exactly one place: every move asserts the place it leaves. So no block is
 *       handed out twice and none is put home twice.
 *   P2  A slab is released only when all its bits are set and every block is home.
 *   P3  No block is lost: once everybody is quiet, one run of the owner, or of a drainer that holds
 *       the slow-path lock, finds every address; no node and no address stays behind.
 *   P4  The bitmap, as plain data under the slow-path lock, agrees with the ghost.
 *   P5  A node is written by nobody but its holder, and read by a drainer only while it is in use.
 *   P6  No deadlock (spin's invalid end states).
 *
 * Rules shown sufficient: the owner may exchange the inbox and fill its stacks *without* its lock;
 * bitmaps only with it. A node's depth may be read from a node that is being recycled (stale, harmless:
 * nodes are type-stable), so no shared counter is needed. Nodes may be recycled at once (push + take-all).
 *
 * Mutants: 1 push by plain store, 2 take by load and store, 3 drain without the lock, 4 release counts
 * blocks in flight as free, 5 next written after the CAS, 6 no tick before a thread goes quiet, 7 node
 * recycled before it is read, 8 pop one node instead of all, 9 a failed CAS does not rewrite next.
 */
#define NB 4                      /* blocks; block b is bit b%2 of slab b/2 */
#define NN 7                      /* nodes, numbered 1..NN-1; 0 is none */
#ifndef CAP
#define CAP 1                     /* addresses in a message */
#endif
#ifndef FREES
#define FREES 2                   /* frees by each sender */
#endif
#ifndef OPS
#define OPS 2                     /* mallocs and local frees by the owner */
#endif
#define STACK_MAX 1
#define DEEP 2                    /* from this depth on the sender tries to drain */
#define NONE 15

#define SLAB(b) ((b) / 2)
#define BIT(b) (1 << ((b) % 2))

#define LIVE 0                    /* with the program */
#define HAND 1                    /* in a register of one thread */
#define OPEN 2                    /* in a sender's open message */
#define INBOX 3                   /* in a pushed message */
#define STACK 4
#define HOME 5                    /* bit set */
#define POOL 6                    /* its slab is released */

byte place[NB];
byte bits[NB / 2];
bool acquired[NB / 2];
bool lock;
byte head;
byte next[NN], depth[NN], count[NN], addr[NN * 2];
bool used[NN];
byte stack[STACK_MAX + 1];
byte sp;
byte quiet;
#ifdef MUTANT_4
byte busy[NB / 2];                /* a counter that the sender lowers itself */
#define ALL_FREE(s) (busy[s] == 0)
#else
#define ALL_FREE(s) (bits[s] == 3)
#endif

#ifdef MUTANT_6
#define TICK(n) false
#define NOTHING_OPEN(n) true
#else
#define TICK(n) (n != 0)
#define NOTHING_OPEN(n) (n == 0)
#endif

inline take_lock() { atomic { !lock -> lock = 1 } }
inline drop_lock() { lock = 0 }

inline pick_live(b)               /* the program frees some live block; else b == NONE */
{
  atomic {
    if
    :: place[0] == LIVE -> b = 0
    :: place[1] == LIVE -> b = 1
    :: place[2] == LIVE -> b = 2
    :: place[3] == LIVE -> b = 3
    :: else -> b = NONE
    fi;
    if
    :: b != NONE -> assert(acquired[SLAB(b)]); place[b] = HAND
    :: else
    fi
  }
}

inline new_node(n)
{
  d_step {
    n = 1;
    do
    :: n < NN && used[n] -> n++
    :: else -> break
    od;
    assert(n < NN);
    used[n] = 1; count[n] = 0; next[n] = 0; depth[n] = 0
  }
}

inline free_node(n) { d_step { assert(used[n]); used[n] = 0; count[n] = 0; next[n] = 0 } }

inline set_bit(b, t)              /* plain data: load, then store */
{
  t = bits[SLAB(b)];
  atomic {
    assert(place[b] == HAND && acquired[SLAB(b)] && !(t & BIT(b)));
    bits[SLAB(b)] = t | BIT(b); place[b] = HOME; t = 0
  }
}

inline release_empty(s)           /* under the lock */
{
  if
  :: atomic { acquired[s] && ALL_FREE(s) ->
       assert(bits[s] == 3 && place[2 * (s)] == HOME && place[2 * (s) + 1] == HOME);
       acquired[s] = 0; bits[s] = 0; place[2 * (s)] = POOL; place[2 * (s) + 1] = POOL }
  :: else
  fi
}

inline take_all(h)
{
#if defined(MUTANT_2)
  h = head;
  head = 0
#elif defined(MUTANT_8)
  do
  :: h = head;
     if
     :: h == 0 -> break
     :: else -> m = next[h]
     fi;
     atomic { if
     :: head == h -> head = m; next[h] = 0; m = 0; break
     :: else
     fi }
  od
#else
  atomic { h = head; head = 0 }
#endif
}

inline next_node(h, m, i)
{
#ifdef MUTANT_8
  atomic { free_node(h); h = 0; i = 0 }
  take_all(h)
#else
  m = next[h];
  atomic { free_node(h); h = m; m = 0; i = 0 }
#endif
}

inline unload(h, m, i, b)         /* leaves the i-th address of node h in b */
{
  atomic {
    assert(used[h]);              /* P5 */
    b = addr[(h) * 2 + i];
    assert(b < NB && place[b] == INBOX);
    place[b] = HAND; i++
  }
}

inline drain_to_bitmap(h, m, i, b, t)      /* under the lock, by anybody */
{
  take_all(h);
  do
  :: h == 0 -> break
  :: h != 0 && i < count[h] -> unload(h, m, i, b); set_bit(b, t); release_empty(SLAB(b)); b = NONE
  :: h != 0 && i >= count[h] -> next_node(h, m, i)
  od
}

inline push(n, h, i)
{
#ifdef MUTANT_9
  atomic { next[n] = head; depth[n] = 1 };
#endif
  do
  :: h = head;
#if !defined(MUTANT_5) && !defined(MUTANT_9)
     atomic { next[n] = h; depth[n] = (h != 0 -> depth[h] : 0) + 1;
              if :: depth[n] > DEEP -> depth[n] = DEEP :: else fi }
#endif
     atomic {
       if
#if defined(MUTANT_1)
       :: true ->
#else
       :: head == h ->
#endif
          head = n;
          do
          :: i < count[n] -> assert(place[addr[(n) * 2 + i]] == OPEN);
                             place[addr[(n) * 2 + i]] = INBOX; i++
          :: else -> break
          od;
          i = 0; break
       :: else -> h = 0
       fi
     }
  od;
#ifdef MUTANT_5
  next[n] = h;
#endif
  h = 0
}

inline send(n, h, m, i, b, t, deep)
{
  deep = 0;
  push(n, h, i);
  atomic { deep = (depth[n] >= DEEP); n = 0 }    /* a real sender keeps the depth in a register */
  if
  :: deep ->
#ifdef MUTANT_3
       drain_to_bitmap(h, m, i, b, t)
#else
       if
       :: atomic { !lock -> lock = 1 }; drain_to_bitmap(h, m, i, b, t); drop_lock()
       :: atomic { lock -> skip }                /* busy: the next sender or the owner will */
       fi
#endif
  :: else
  fi;
  deep = 0
}

proctype Sender()
{
  byte b = NONE, n, h, m, i, t, left = FREES;
  bool deep;
  do
  :: left > 0 ->
       left--;
       pick_live(b);
       if
       :: b == NONE
       :: b != NONE ->
            if
            :: n == 0 -> new_node(n)
            :: else
            fi;
            atomic { assert(used[n] && place[b] == HAND); addr[n * 2 + count[n]] = b; count[n]++;
                     place[b] = OPEN;
#ifdef MUTANT_4
                     busy[SLAB(b)]--;
#endif
                     b = NONE }
            if
            :: count[n] == CAP -> send(n, h, m, i, b, t, deep)
            :: else
            fi
       fi
  :: TICK(n) -> send(n, h, m, i, b, t, deep)
  :: left == 0 && NOTHING_OPEN(n) -> break
  od;
  quiet++
}

inline keep(b, t)                 /* on the stack; the bitmap when that is full */
{
  if
  :: atomic { sp < STACK_MAX -> assert(place[b] == HAND && acquired[SLAB(b)]);
                                 stack[sp] = b; sp++; place[b] = STACK; b = NONE }
  :: else -> take_lock(); set_bit(b, t); release_empty(SLAB(b)); drop_lock(); b = NONE
  fi
}

inline pop()
{
  atomic { sp--; assert(place[stack[sp]] == STACK && acquired[SLAB(stack[sp])]);
           place[stack[sp]] = LIVE; stack[sp] = 0 }
}

inline take_bit(k, t)             /* under the lock: plain load, plain store */
{
  t = bits[SLAB(k)];
  atomic { assert((t & BIT(k)) && place[k] == HOME); bits[SLAB(k)] = t & ~BIT(k);
           place[k] = STACK; stack[sp] = k; sp++; t = 0;
#ifdef MUTANT_4
           busy[SLAB(k)]++
#endif
         }
}

inline refill(h, m, i, b, t)
{
  take_all(h);                                   /* no lock yet */
  do
  :: h == 0 -> break
#ifdef MUTANT_7
  :: h != 0 && i == 0 -> m = next[h]; t = count[h]; used[h] = 0; unload(h, m, i, b); keep(b, t);
                         atomic { h = m; m = 0; i = 0; t = 0 }
#else
  :: h != 0 && i < count[h] -> unload(h, m, i, b); keep(b, t)
  :: h != 0 && i >= count[h] -> next_node(h, m, i)
#endif
  od;
  if
  :: sp > 0
  :: else ->
       take_lock();
       if
       :: bits[0] & 1 -> take_bit(0, t)
       :: bits[0] == 2 -> take_bit(1, t)
       :: bits[0] == 0 && (bits[1] & 1) -> take_bit(2, t)
       :: bits[0] == 0 && bits[1] == 2 -> take_bit(3, t)
       :: bits[0] == 0 && bits[1] == 0 ->        /* acquire: a released slab begins a new life */
            atomic {
              if
              :: !acquired[0] -> assert(place[0] == POOL && place[1] == POOL);
                   acquired[0] = 1; bits[0] = 3; place[0] = HOME; place[1] = HOME
              :: acquired[0] && !acquired[1] -> assert(place[2] == POOL && place[3] == POOL);
                   acquired[1] = 1; bits[1] = 3; place[2] = HOME; place[3] = HOME
              :: else
              fi
            }
       fi;
       drop_lock()
  fi
}

proctype Owner()
{
  byte b = NONE, h, m, i, t, left = OPS;
  do
  :: left > 0 -> left--;
       if
       :: sp > 0 -> pop()
       :: sp == 0 -> refill(h, m, i, b, t);
            if
            :: sp > 0 -> pop()
            :: else
            fi
       :: pick_live(b);                          /* a local free */
            if
            :: b == NONE
            :: else ->
#ifdef MUTANT_4
                 busy[SLAB(b)]--;
#endif
                 keep(b, t)
            fi
       fi
  :: left == 0 -> break
  od;
  quiet++
}

init
{
  byte b, h, m, i, t;
  atomic {
    acquired[0] = 1; acquired[1] = 1;                /* slab 0 full, slab 1 half full */
    place[3] = HOME; bits[1] = 2;
#ifdef MUTANT_4
    busy[0] = 2; busy[1] = 1;
#endif
    run Owner(); run Sender(); run Sender()
  }
  quiet == 3;
  /* Everybody is quiet: the owner, or a drainer with the lock, runs once more. */
  if
  :: b = NONE; refill(h, m, i, b, t)
  :: take_lock(); drain_to_bitmap(h, m, i, b, t); drop_lock()
  fi;
  d_step {
    assert(!lock && head == 0);
    b = 0;
    do
    :: b < NB ->
         assert(place[b] == LIVE || place[b] == STACK || place[b] == HOME || place[b] == POOL);
         assert((place[b] == HOME) == ((bits[SLAB(b)] & BIT(b)) != 0));
         assert((place[b] == POOL) == !acquired[SLAB(b)]);
         b++
    :: else -> break
    od;
    i = 1;
    do
    :: i < NN -> assert(!used[i]); i++
    :: else -> break
    od
  }
}
