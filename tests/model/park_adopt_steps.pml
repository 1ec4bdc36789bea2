/* park_adopt_steps.pml: the steps of park_adopt.pml, whose head states the properties and the mutants.
 *
 * Names every caller declares: b (block in hand), m (mail taken), t (bitmap read), y and z (tag read),
 * s (slab), l (list read), om[] (open messages of one address), first; a thread also c (its cache) and adopted.
 */
inline take_lock(x) { atomic { !lock[x] -> lock[x] = 1 } }
inline drop_lock(x) { lock[x] = 0 }

inline pick_live(b)
{
  atomic {
    if
    :: place[0] == LIVE -> b = 0
    :: place[1] == LIVE -> b = 1
    :: NS > 1 && place[NB - 2] == LIVE -> b = NB - 2
    :: NS > 1 && place[NB - 1] == LIVE -> b = NB - 1
    :: else -> b = NONE
    fi;
    if
    :: b != NONE -> place[b] = HAND
    :: else
    fi
  }
}

inline set_bit(b, x, t)           /* plain data under lock[x]; releases the slab when it is the last bit */
{
  t = bits[SLAB(b)];
  atomic {
    assert(owner[SLAB(b)] == x && tag[b] == x && !(t & BIT(b)));
    assert(place[b] == HAND || place[b] == HOLE || place[b] == STACK);
    bits[SLAB(b)] = t | BIT(b); place[b] = HOME; t = SLAB(b); b = NONE
  }
  if
  :: bits[t] == 3 && !(RETIRE && !parked[x]) -> release(t, x)
  :: else -> t = 0                               /* RETIRE: a live owner keeps it for the next refill */
  fi
}

inline release(s, x)
{
  l = slabs[x];
  atomic {
    assert(owner[s] == x && tag[2 * (s)] == x && tag[2 * (s) + 1] == x && (LIST_LATER || (l & (1 << (s)))));
    assert(place[2 * (s)] == HOME && place[2 * (s) + 1] == HOME);
    slabs[x] = l & ~(1 << (s)); owner[s] = 3; bits[s] = 0; adoptions[s] = 0;
    tag[2 * (s)] = 3; tag[2 * (s) + 1] = 3; place[2 * (s)] = POOL; place[2 * (s) + 1] = POOL;
    l = 0; s = 0
  }
}

inline push(x)                    /* one address in om[x]; the pusher onto an empty inbox tells the list */
{
  atomic { assert(place[om[x]] == OPEN); first = (inbox[x] == 0); place[om[x]] = INBOX;
           inbox[x] = inbox[x] | (1 << om[x]); om[x] = NONE }
#ifndef MUTANT_14
  if
  :: first -> first = 0;
       if
       :: parked[x] -> listed[x] = 1
       :: else
       fi
  :: else
  fi
#endif
}

inline append(x, b)               /* never drains: also used while draining */
{
  if
  :: om[x] != NONE -> push(x)
  :: else
  fi;
  atomic { assert(place[b] == HAND); om[x] = b; place[b] = OPEN; b = NONE }
}

inline unload(b)                  /* next address of the taken mail m */
{
  atomic { b = LOW(m); m = m & ~(1 << b); assert(place[b] == INBOX); place[b] = HAND }
}

inline forward(y, b)
{
  atomic { assert(y < NC); forwards[b]++; assert(forwards[b] <= adoptions[SLAB(b)]) }
  append(y, b); y = 0
}

inline drain(x)                   /* under lock[x], by anybody: into bitmaps; foreign tags go on */
{
  atomic { m = inbox[x]; inbox[x] = 0 }
  do
  :: m == 0 -> break
  :: m != 0 -> unload(b);
       y = tag[b];
       if
#ifdef MUTANT_3
       :: true -> set_bit(b, y, t); y = 0
#else
       :: y == x -> y = 0; set_bit(b, x, t)
       :: else -> forward(y, b)
#endif
       fi
  od
}

inline walk(x)                    /* drain a listed parked cache; the caller holds no lock */
{
#ifndef MUTANT_5
  listed[x] = 0;
#endif
  if
  :: away[x]                                     /* the notice is taken, and the walk meets no such cache */
  :: atomic { !away[x] && !lock[x] -> lock[x] = 1 };
       if
       :: parked[x] -> drain(x)
       :: else
       fi;
#ifdef MUTANT_5
       listed[x] = 0;
#endif
       drop_lock(x)
#ifdef MUTANT_11
  :: !away[x] && lock[x]
#else
  :: !away[x] && lock[x] -> listed[x] = 1
#endif
  fi
}

inline flush_stack(x)
{
  do
  :: stack[x] == 0 -> break
  :: stack[x] != 0 ->
       atomic { b = LOW(stack[x]); stack[x] = stack[x] & ~(1 << b) }
       set_bit(b, x, t)
  od
}

inline free_block()               /* by the live owner of cache c */
{
  pick_live(b);
  if
  :: b == NONE
  :: else ->
       z = tag[b];
       if
       :: z == c -> atomic { assert(place[b] == HAND && tag[b] == c && !parked[c]);
                             stack[c] = stack[c] | (1 << b); place[b] = STACK; b = NONE }
       :: else -> assert(z < NC); append(z, b);
            if
            :: inbox[z] != 0 ->                  /* deep: help; no other lock is held here */
                 if
                 :: atomic { !lock[z] -> lock[z] = 1 }; drain(z); drop_lock(z)
                 :: lock[z]
                 fi
            :: else
            fi
       fi;
       z = 0
  fi
}

inline read_mail()                /* the owner, without its lock, straight onto its stack */
{
  atomic { m = inbox[c]; inbox[c] = 0 }
  do
  :: m == 0 -> break
  :: m != 0 -> unload(b);
#ifdef MUTANT_8
       y = c;
#else
       y = tag[b];
#endif
       if
       :: y == c -> atomic { assert(tag[b] == c && !parked[c]); stack[c] = stack[c] | (1 << b);
                             place[b] = STACK; b = NONE; y = 0 }
       :: else -> forward(y, b)
       fi
  od
}

inline adopt(x, s)                /* holding lock[c], so only try */
{
  if
#ifdef MUTANT_1
  :: true ->
#else
  :: atomic { !lock[x] && !away[x] -> lock[x] = 1; adopting[x] = 1 };
#endif
       if
#ifdef MUTANT_12
       :: slabs[x] != 0 ->
#else
       :: parked[x] && slabs[x] != 0 ->
#endif
            atomic { s = LOW(slabs[x]); l = slabs[x] }
            if
            :: bits[s] != 0 ->
                 slabs[x] = l & ~(1 << s);
                 if
                 :: LIST_LATER -> atomic { adopted = s + 1; l = 0 }
#ifndef MUTANT_17
                      t = bits[s];               /* the pin: this bit stays 0 in the adopter's hands */
                      atomic { b = 2 * s + LOW(t); assert(place[b] == HOME && (t & BIT(b)));
                               bits[s] = t & ~BIT(b); place[b] = HAND; t = 0 }
#endif
                 :: else -> l = slabs[c];
                      atomic { assert(!(l & (1 << s)) && owner[s] == x); slabs[c] = l | (1 << s); l = 0 }
                 fi;
                 atomic { assert(owner[s] == x); owner[s] = c; adoptions[s]++ }
                 tag[2 * s] = c; tag[2 * s + 1] = c
            :: else -> l = 0
            fi
       :: else
       fi;
#ifndef MUTANT_1
       atomic { drop_lock(x); adopting[x] = 0 }
  :: lock[x] || away[x]
#endif
  fi;
  s = 0
}

inline take_bit(s, k)             /* under lock[c]: from a slab on the own list onto the stack */
{
  t = bits[s];
  atomic { b = 2 * (s) + k; assert(place[b] == HOME && owner[s] == c && tag[b] == c && (t & BIT(b)));
           bits[s] = t & ~BIT(b); place[b] = STACK; stack[c] = stack[c] | (1 << b); b = NONE; t = 0 }
}

inline refill()
{
  if
  :: (slabs[c] & 1) && (bits[0] & 1) -> take_bit(0, 0)
  :: (slabs[c] & 1) && bits[0] == 2 -> take_bit(0, 1)
  :: NS > 1 && (slabs[c] & 2) && (bits[NS - 1] & 1) && !((slabs[c] & 1) && bits[0]) -> take_bit(NS - 1, 0)
  :: NS > 1 && (slabs[c] & 2) && bits[NS - 1] == 2 && !((slabs[c] & 1) && bits[0]) -> take_bit(NS - 1, 1)
  :: else
  fi
}

inline list_adopted()             /* LIST_LATER, under lock[c]; drainers may have been at the slab already */
{
  if
#ifdef MUTANT_17
  :: adopted != 0 && owner[adopted - 1] == c ->
       l = slabs[c]; slabs[c] = l | (1 << (adopted - 1)); l = 0
#else
  :: adopted != 0 -> l = slabs[c];
       atomic { assert(owner[SLAB(b)] == c && tag[b] == c && place[b] == HAND && adopted == SLAB(b) + 1);
                slabs[c] = l | (1 << SLAB(b)); l = 0; place[b] = STACK; stack[c] = stack[c] | (1 << b); b = NONE }
#endif
  :: else
  fi;
  adopted = 0
}

inline malloc_block()
{
  if
  :: stack[c] == 0 -> read_mail()
  :: else
  fi;
  if
  :: stack[c] == 0 ->
       take_lock(c);
       refill();
#ifndef MUTANT_13
       if
       :: LIST_LATER -> drop_lock(c)
       :: else
       fi;
#else
       drop_lock(c);
#endif
       if
       :: stack[c] == 0 && c != 0 && parked[0] -> adopt(0, s)
       :: stack[c] == 0 && c != 1 && parked[1] -> adopt(1, s)
       :: stack[c] == 0 && (owner[0] == 3 || NS > 1 && owner[NS - 1] == 3) ->  /* acquire from the pool */
            atomic { if :: owner[0] == 3 -> s = 0 :: owner[0] != 3 && owner[NS - 1] == 3 -> s = NS - 1
                        :: else -> s = NONE fi;
                     if :: s != NONE -> assert(place[2 * s] == POOL && place[2 * s + 1] == POOL);
                             owner[s] = c; tag[2 * s] = c; tag[2 * s + 1] = c; bits[s] = 3;
                             place[2 * s] = HOME; place[2 * s + 1] = HOME; slabs[c] = slabs[c] | (1 << s)
                        :: else fi; s = 0 }
       :: else
       fi;
#ifndef MUTANT_13
       if
       :: LIST_LATER -> take_lock(c); list_adopted()
       :: else
       fi;
#else
       take_lock(c);
#endif
       refill();
       drop_lock(c)
  :: else
  fi;
  if
  :: stack[c] != 0 -> atomic { b = LOW(stack[c]); assert(place[b] == STACK && tag[b] == c);
                               stack[c] = stack[c] & ~(1 << b); place[b] = LIVE; forwards[b] = 0; b = NONE }
  :: listed[0] && stack[c] == 0 -> walk(0)       /* before the system is asked for memory */
  :: listed[1] && stack[c] == 0 -> walk(1)
  :: else
  fi
}

inline send_open()
{
  do
  :: om[0] != NONE -> push(0)
  :: om[0] == NONE && om[1] != NONE -> push(1)
  :: om[0] == NONE && om[1] == NONE && om[2] != NONE -> push(2)
  :: else -> break
  od
}

inline park()                     /* mail, then open messages, then stacks, then `parked`, then look again */
{
#ifndef MUTANT_7
  take_lock(c); drain(c); drop_lock(c);
#endif
  send_open();
#ifdef MUTANT_7
  take_lock(c); drain(c); drop_lock(c);
#endif
  take_lock(c);
#ifdef MUTANT_4
  first = (inbox[c] != 0);
#endif
#ifdef MUTANT_6
  parked[c] = 1; drop_lock(c); flush_stack(c)
#else
  flush_stack(c);
  atomic { parked[c] = 1; away[c] = RETIRE }     /* not on the list yet */
  drop_lock(c)
#endif
#ifdef MUTANT_19
  if
  :: inbox[c] != 0 -> listed[c] = 1
  :: else
  fi;
#endif
  away[c] = 0;
#ifdef MUTANT_4
  if
  :: first -> listed[c] = 1; first = 0
#elif !defined(MUTANT_19)
  if
  :: inbox[c] != 0 -> listed[c] = 1
#else
  if
  :: false
#endif
  :: else
  fi
}

inline retire(x)                  /* by another thread: unlinked it belongs to the retirer, and is linked again */
{
  if
#ifdef MUTANT_20
  :: atomic { parked[x] && !away[x] -> away[x] = 0 };
#else
  :: atomic { parked[x] && !away[x] && !adopting[x] -> away[x] = 1 };
#endif
       assert(stack[x] == 0);
       take_lock(x); drain(x); drop_lock(x);
       send_open();
       take_lock(x);
       if
       :: (slabs[x] & 1) && bits[0] == 3 ->      /* the kept slab */
            assert(owner[0] == x && parked[x]); t = 0; release(t, x)
       :: else
       fi;
       drop_lock(x);
       assert(parked[x] && stack[x] == 0);       /* nobody took it over meanwhile */
       away[x] = 0;
#ifndef MUTANT_18
       if
       :: inbox[x] != 0 -> listed[x] = 1
       :: else
       fi
#endif
  :: true
  fi
}

inline take_over(x)               /* a new thread: under the lock, so no adopter is at work */
{
#ifndef MUTANT_2
  take_lock(x);
#endif
  if
  :: atomic { parked[x] && !away[x] -> parked[x] = 0; c = x }
  :: else
  fi;
#ifndef MUTANT_2
  drop_lock(x)
#endif
}

inline late_free()                /* departed: no cache; at once, and nothing stays behind */
{
  pick_live(b);
  if
  :: b == NONE
  :: b != NONE ->
#ifdef MUTANT_9
       z = tag[b];
       if
       :: z == c -> atomic { stack[c] = stack[c] | (1 << b); place[b] = STACK; b = NONE }
       :: else -> append(z, b); push(z)
       fi
#else
       if
       :: z = tag[b]; append(z, b);              /* either a message of one address */
#ifndef MUTANT_15
          push(z)
#endif
       :: do                                     /* or the bit, under the present owner's lock */
          :: z = tag[b]; take_lock(z);
#ifdef MUTANT_16
             break
#else
             if
             :: tag[b] == z -> break
             :: else -> drop_lock(z)
             fi
#endif
          od;
          set_bit(b, z, t); drop_lock(z)
       fi
#endif
  fi;
  z = 0
}
