/* park_adopt.pml: parking, adopting, forwarding, taking over (DESIGN 3.4, 3.6, 3.7), sequentially consistent.
 *
 * Cache 0's thread exits (and frees once more afterwards), cache 1's thread lives and may exit too, a
 * new thread takes a parked cache over or starts with cache 2, a scavenger purges holes or retires parked caches. Slabs of two
 * blocks that lie in different slots, so that a slab has two tags. The inbox itself is proven by
 * message.pml; here push and take-all are one step each.
 *
 * Properties
 *   P1  A block is in exactly one place (every move asserts the place it leaves); none is lost: when
 *       all threads are quiet, draining the *listed* parked caches and running the live owners once
 *       brings every address home.
 *   P2  A slab is on one cache's list at a time and the list agrees with owner and tags; two adopters
 *       never get the same slab; it is released only with all bits set, by the holder of its owner's lock.
 *   P3  An address on a stack has the tag of that live cache; its slab cannot be adopted.
 *   P4  Forwarding ends: an address is forwarded at most once for each adoption of its slab.
 *   P5  A parked cache with mail is found: it is listed, or somebody is about to list or drain it.
 *   P6  Pages claimed by a hole purge hold no live block, and come back to the slab's *present* owner.
 *   P8  RETIRE: a cache off the list of parked ones (its thread is about to link it, or a retirer has unlinked it)
 *       is nobody else's: not taken over, not adopted from, and no walk meets it; its kept slab is released once.
 *       A walk that took the notice of mail meanwhile does no harm: whoever links it looks at the inbox.
 *   P7  No deadlock (invalid end states), though a late free and a scavenger block on a cache's lock.
 *
 * LIST_LATER: the adopter does not hold its own lock while it adopts. From the first tag written on, a drainer
 * of the adopter's inbox may set the slab's last bit and release it, before the other tags are written and
 * before the slab is listed. So the adopter first takes a block under the parked cache's lock: a bit that
 * stays 0 pins the slab. Looking at the owner again later is not enough (mutant 17).
 *
 * The mail rule found here: whoever pushes onto an *empty* inbox then looks at `parked` and lists the
 * cache; whoever parks stores `parked` first and then looks at the inbox (a Dekker pair: seq_cst on
 * both sides). A walker unlists, then drains; a failed try-lock lists it again.
 *
 * Mutants: 1 adopt without the parked cache's lock, 2 take-over without it, 3 drain sets the bit whatever
 * the tag says, 4 parker looks at the inbox before it stores parked, 5 walker drains, then unlists,
 * 6 stacks flushed after parked is published, 7 at exit the inbox is drained after the open messages were
 * sent, 8 owner puts mail on its stack unchecked, 9 departed thread still uses the parked stacks, 10 hole
 * purge gives back under the old owner's lock, 11 failed try-lock does not list again, 12 adopter does not
 * look at parked again under the lock, 13 adopter does not hold its own lock, 14 nobody lists a cache that
 * was parked with an empty inbox, 15 late free left in an open message, 16 late free trusts the first tag, 17 with LIST_LATER the adopter
 * pins no block, but only looks at the owner again before it lists the slab, 18 the retirer links the cache and does
 * not look at the inbox, 19 the parker looks before it links the cache, 20 the retirer leaves the cache on the list.
 */
#ifndef NS
#define NS 1                      /* slabs */
#endif
#define NB (2 * NS)
#define NC 3                      /* caches; 3 in a tag or an owner field means none */
#ifndef OPS0
#define OPS0 1                    /* mallocs and frees by the thread of cache 0, of cache 1, by the new one */
#endif
#ifndef OPS1
#define OPS1 2
#endif
#ifndef OPS2
#define OPS2 2
#endif
#ifndef EXIT1
#define EXIT1 0                   /* cache 1's thread exits too */
#endif
#ifndef EXIT2
#define EXIT2 0                   /* and the new one's */
#endif
#ifndef LIST_LATER
#define LIST_LATER 0              /* adopt without the own lock, which is taken only to list the slab */
#endif
#ifndef SCAVENGER
#define SCAVENGER 0
#endif
#ifndef RETIRE
#define RETIRE 0                  /* caches are off the list for a while; a live owner keeps a wholly free slab */
#endif
#define NONE 7
#define SLAB(b) ((b) / 2)
#define BIT(b) (1 << ((b) % 2))
#define LOW(m) (((m) & 1) -> 0 : (((m) & 2) -> 1 : (((m) & 4) -> 2 : 3)))

#define LIVE 0
#define HAND 1
#define OPEN 2
#define INBOX 3
#define STACK 4
#define HOME 5
#define POOL 6
#define HOLE 7                    /* claimed by a hole purge */

byte place[NB], tag[NB], forwards[NB];
byte bits[NS], owner[NS], adoptions[NS];
byte slabs[NC], inbox[NC], stack[NC];     /* masks: of slabs, of blocks, of blocks */
bool parked[NC], listed[NC], lock[NC];
bool away[NC], adopting[NC];      /* off the list of parked caches; somebody holds the list to adopt from it */
byte quiet;

#include "park_adopt_steps.pml"

proctype Thread(byte c; byte left; bool fresh; bool exits)
{
  byte b = NONE, m, t, y, z, s, l, adopted;
  byte om[NC] = NONE;
  bool first;
  if
  :: fresh ->                                    /* a new thread: a parked cache, or an unused one */
       if
       :: parked[0] -> take_over(0)
       :: parked[1] -> take_over(1)
       :: true
       fi
  :: else
  fi;
  do
  :: left > 0 -> left--;
       if
       :: true -> free_block()
       :: true -> malloc_block()
       fi
  :: om[0] != NONE || om[1] != NONE || om[2] != NONE -> send_open()      /* tick */
  :: left == 0 -> break
  od;
  send_open();
  if
  :: exits -> park(); late_free()
  :: !exits
  fi;
  quiet++
}

proctype Scavenger()              /* one hole purge: claim, madvise with no lock held, give back */
{
  byte b = NONE, m, t, y, s, l;
  byte om[NC] = NONE;
  if
  :: atomic { owner[0] < 3 -> y = owner[0] };
       take_lock(y);
       if
       :: owner[0] == y && bits[0] != 0 ->
            t = bits[0];
            atomic { assert(t != 3); m = t; bits[0] = 0; b = m - 1; t = 0;
                     assert(place[b] == HOME); place[b] = HOLE };
            drop_lock(y);
            assert(place[b] == HOLE);            /* madvise */
#ifndef MUTANT_10
            do
            :: y = owner[0]; take_lock(y);
               if
               :: owner[0] == y -> break
               :: else -> drop_lock(y)
               fi
            od;
#else
            take_lock(y);
#endif
            set_bit(b, y, t);
            drop_lock(y); y = 0; m = 0
       :: else -> drop_lock(y); y = 0
       fi
  :: true
  fi;
  quiet++
}

proctype Retirer()
{
  byte b = NONE, m, t, y, s, l;
  byte om[NC] = NONE;
  bool first;
  if                              /* the scavenger drains mail first, wherever it is told of some */
  :: listed[0] -> walk(0); send_open()
  :: listed[1] -> walk(1); send_open()
  :: true
  fi;
  if
  :: retire(0)
  :: retire(1)
  fi;
  quiet++
}

init
{
  byte b = NONE, m, t, y, l, s, c;
  byte om[NC] = NONE;
  bool first;
  atomic {
    owner[0] = 0; slabs[0] = 1;                  /* block 0 live, block 1 home */
    place[0] = LIVE; place[1] = HOME; bits[0] = 2;
    if
    :: NS > 1 -> slabs[0] = 3; place[NB - 1] = STACK; stack[0] = 8   /* block 2 live, block 3 cached */
    :: else
    fi;
    run Thread(0, OPS0, 0, 1); run Thread(1, OPS1, 0, EXIT1); run Thread(2, OPS2, 1, EXIT2);
    if
    :: SCAVENGER -> run Scavenger()
    :: RETIRE -> run Retirer()
    :: else -> quiet = 1
    fi
  }
  quiet == 4;
  /* All is quiet. Listed caches are drained, live owners run; nobody looks anywhere else. */
  do
  :: listed[0] -> walk(0); send_open()
  :: listed[1] && !listed[0] -> walk(1); send_open()
  :: listed[2] && !listed[0] && !listed[1] -> walk(2); send_open()
  :: !listed[0] && !listed[1] && !parked[0] && inbox[0] -> c = 0; read_mail(); send_open()
  :: !listed[0] && !listed[1] && !parked[1] && inbox[1] && (parked[0] || !inbox[0]) ->
       c = 1; read_mail(); send_open()
  :: !listed[0] && !listed[1] && !parked[2] && inbox[2] && (parked[0] || !inbox[0]) && (parked[1] || !inbox[1]) ->
       c = 2; read_mail(); send_open()
  :: else -> break
  od;
  atomic {
    b = 0;
    do
    :: b < NB ->
         assert(place[b] == LIVE || place[b] == HOME || place[b] == POOL ||
                place[b] == STACK && !parked[tag[b]] && (stack[tag[b]] & (1 << b)));
         assert((place[b] == HOME) == ((bits[SLAB(b)] & BIT(b)) != 0));
         assert((place[b] == POOL) == (owner[SLAB(b)] == 3) && tag[b] == owner[SLAB(b)]);
         b++
    :: else -> break
    od;
    s = 0;
    do
    :: s < NC -> assert(!inbox[s] && !lock[s] && (!parked[s] || !stack[s]));
         t = 0;
         do
         :: t < NS -> assert(((slabs[s] & (1 << t)) != 0) == (owner[t] == s) && (RETIRE || bits[t] != 3)); t++
         :: else -> break
         od;
         s++
    :: else -> break
    od
  }
}
