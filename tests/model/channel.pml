/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * channel.pml: the protocol of slots, channels and granted pages, for spin. `make model` checks it.
 *
 *   2 senders, 2 receivers, a channel with one slot for each pair (so that slots are used again), and for each
 *   sender one pool of BLOCKS granted blocks that both receivers read (so that pages are used again). Each sender
 *   has one user's buffer, writes a new value into it before each of its SENDS sends, and sends to whom it likes.
 *   Any process may die at any point (DEATHS of them). What is done with the sender's lock held, or by stores that
 *   nobody looks at yet, is one step.
 *
 *   transition   here                        in the code ("Model: ..." stands at each)
 *   offer        offer                       vmo_rndv_offer_source      (rndv.c)
 *   fill         Sender: fill                vmo_rndv_fill              (rndv.c)
 *   detach       detach                      vmo_rndv_detach            (rndv.c)
 *   reuse        recycle                     recycle                    (rndv.c)
 *   sleep        Sender: sleep               vmo_rndv_sleep             (rndv.c)
 *   deliver      deliver                     deliver_by_mpi             (mpi_onecopy.c)
 *   accept       Receiver: accept            vmo_rndv_accept            (rndv_pull.c)
 *   pull         Receiver: pull              vmo_rndv_pull_into         (rndv_pull.c)
 *   done         Receiver: done              vmo_rndv_finish            (rndv_pull.c)
 *   refuse       Receiver: refuse            vmo_rndv_refuse            (rndv_pull.c)
 *   death        dead[]                      vmo_channel_alive          (channel.h)
 *
 * MPI itself is a reliable channel for each pair, in order, which takes all that is sent (a send of 64 bytes is
 * buffered). A nap of the sender ends by its event, or when nothing else in the world can move: then nothing may
 * have been there to see, else an event was lost.
 *
 * Checked: every value read is the value that was sent (no page is read after its reuse, none before it is filled);
 * each message is received once, and completed once at its sender; nobody waits for ever; nothing is
 * missing at the end, unless somebody died; all blocks and slots are free at the end.
 *
 * MUTATION=n breaks the model in one place, so that one sees that the checks check: run.py has the list.
 * Not in the model: memory hooks, fork, several pieces of one message, gaps, numbers of runs and their generations
 * (mapcache.h), weak memory ordering (spin's memory is sequentially consistent; tests/unit/rndv_threads runs under
 * ThreadSanitizer).
 */
#ifndef SENDS
#define SENDS 2		/* of sender 0 */
#endif
#ifndef SENDS1
#define SENDS1 SENDS	/* of sender 1 */
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef NAPS
#define NAPS 0		/* 1: senders sleep */
#endif
#ifndef BLOCKS
#define BLOCKS 2
#endif
#ifndef MUTATION
#define MUTATION 0
#endif

#define SENDERS 2
#define RECEIVERS 2
#define NONE 255
#define SENDS_OF(s) (s == 0 -> SENDS : SENDS1)
#define CH(s, r) ((s) * RECEIVERS + (r))
#define BL(s, b) ((s) * BLOCKS + (b))

mtype = { PLAIN, RTS };

/* What Xen and MPI give. Processes: senders 0 and 1, receivers 2 and 3. */
bool dead[SENDERS + RECEIVERS];
byte deaths;
chan mpi[SENDERS * RECEIVERS] = [SENDS] of { mtype, byte, byte };	/* kind, sequence, value (ghost, of an RTS) */
chan again[SENDERS * RECEIVERS] = [SENDS] of { byte, byte };		/* refused messages: sequence, value */
bool event[SENDERS];

/* Shared pages: the channels' one slot each, and the pool's content. */
typedef slot_t { byte sequence; byte block; bool filled; byte done; byte refused; bool sleeps };
slot_t slot[SENDERS * RECEIVERS];
byte content[SENDERS * BLOCKS];

/* A sender's own. */
byte refs[SENDERS * BLOCKS];
byte association[SENDERS];		/* the block under the user's buffer, or NONE */
typedef xfer_t { byte sequence; byte block; bool used; bool draining };
xfer_t xfer[SENDERS * RECEIVERS];

/* Ghosts: what an onlooker counts. */
byte underway[SENDERS * RECEIVERS];	/* messages sent and not yet received */
bool open[SENDERS];			/* the sender's call has not completed yet */
bool ended[SENDERS + RECEIVERS];

#define dead_receiver(r) (dead[SENDERS + (r)] && MUTATION != 8)

/* Model: reuse. The only place where a slot and its pages become free. */
inline recycle(i_, j_)
{
	refs[BL(i_, xfer[CH(i_, j_)].block)]--;
	if
	:: refs[BL(i_, xfer[CH(i_, j_)].block)] == 0 -> content[BL(i_, xfer[CH(i_, j_)].block)] = 0
	:: else
	fi;
	slot[CH(i_, j_)].sequence = 0;
	slot[CH(i_, j_)].block = 0;		/* what nobody looks at any more is cleared: fewer states */
	slot[CH(i_, j_)].filled = false;
#if MUTATION != 4
	slot[CH(i_, j_)].done = 0;
#endif
	slot[CH(i_, j_)].refused = 0;
	xfer[CH(i_, j_)].sequence = 0;
	xfer[CH(i_, j_)].block = 0;
	xfer[CH(i_, j_)].used = false;
	xfer[CH(i_, j_)].draining = false
}

/* Model: deliver. A refused message: MPI sends it out of its pages. */
inline deliver(i_, j_)
{
	again[CH(i_, j_)]!xfer[CH(i_, j_)].sequence, content[BL(i_, xfer[CH(i_, j_)].block)];
	if
	:: MUTATION == 9 && xfer[CH(i_, j_)].draining && len(again[CH(i_, j_)]) < SENDS ->
		again[CH(i_, j_)]!xfer[CH(i_, j_)].sequence, content[BL(i_, xfer[CH(i_, j_)].block)]
	:: else
	fi
}

#define IS_DONE(s, r) (MUTATION == 4 -> slot[CH(s, r)].done != 0 : slot[CH(s, r)].done == xfer[CH(s, r)].sequence)
#define IS_REFUSED(s, r) (slot[CH(s, r)].refused == xfer[CH(s, r)].sequence)

#define ready(s, r) (xfer[CH(s, r)].draining && (IS_DONE(s, r) || IS_REFUSED(s, r) || dead_receiver(r)))

/* One transfer that its call no longer waits for, if it can go. */
inline reap(i_, j_)
{
	if
	:: xfer[CH(i_, j_)].draining && (IS_DONE(i_, j_) || dead_receiver(j_)) -> recycle(i_, j_)
	:: xfer[CH(i_, j_)].draining && !IS_DONE(i_, j_) && IS_REFUSED(i_, j_) -> deliver(i_, j_); recycle(i_, j_)
	:: else
	fi
}

inline write_slot(i_, j_)
{
	slot[CH(i_, j_)].block = xfer[CH(i_, j_)].block;
	slot[CH(i_, j_)].filled = MUTATION == 3;
	slot[CH(i_, j_)].sequence = xfer[CH(i_, j_)].sequence
}

inline find_block(i_, b_)
{
	b_ = 0;
	do
	:: b_ < BLOCKS && refs[BL(i_, b_)] != 0 -> b_++
	:: b_ < BLOCKS && refs[BL(i_, b_)] == 0 -> break
	:: b_ == BLOCKS -> b_ = NONE; break
	od
}

inline complete(i_)
{
	assert(open[i_]);		/* each call completes once */
	open[i_] = false
}

/*
 * Model: offer. In place if the buffer is substituted or (inplace) may be now, else staged; b == NONE: neither, or the
 * slot is taken, or the peer is gone. Nobody looks at a slot whose RTS has not come, so all is one step.
 */
inline offer(inplace)
{
	n++;
	open[me] = true;
	if	/* the program writes its buffer; where it is substituted, that is the block */
	:: association[me] != NONE -> content[BL(me, association[me])] = n
	:: else
	fi;
	reap(me, 0);
	reap(me, 1);
	b = NONE;
	staged = association[me] == NONE && !inplace;
	if
	:: xfer[CH(me, r)].used || dead_receiver(r)
	:: !xfer[CH(me, r)].used && !dead_receiver(r) && association[me] != NONE ->
		b = association[me];
		refs[BL(me, b)]++
	:: else ->
		find_block(me, b);
		if
		:: b != NONE && staged -> refs[BL(me, b)] = 1
		:: b != NONE && !staged -> refs[BL(me, b)] = 2; content[BL(me, b)] = n; association[me] = b
		:: else
		fi
	fi;
	if
	:: b != NONE ->
		xfer[CH(me, r)].sequence = n;	/* never used twice */
		xfer[CH(me, r)].block = b;
		xfer[CH(me, r)].used = true;
		if
		:: MUTATION != 5 -> write_slot(me, r)
		:: else
		fi
	:: else
	fi
}

inline send_plain()
{
	mpi[CH(me, r)]!PLAIN(0, n);
	underway[CH(me, r)]++;
	complete(me)
}

/* The call ends before the receiver has answered. */
inline leave_draining()
{
	complete(me);
	xfer[CH(me, r)].draining = true;
	if
	:: MUTATION == 2 -> recycle(me, r)
	:: else
	fi
}

/* Model: detach. The buffer gets other pages of the pool, or private ones. */
inline detach()
{
	find_block(me, fresh);
	if
	:: MUTATION == 6	/* forgets it */
	:: MUTATION != 6 && fresh != NONE ->
		content[BL(me, fresh)] = content[BL(me, b)];
		refs[BL(me, fresh)] = 1;
		refs[BL(me, b)]--;
		association[me] = fresh
	:: MUTATION != 6 && fresh == NONE ->
		refs[BL(me, b)]--;
		association[me] = NONE
	fi;
	leave_draining()
}

inline check_all_free()
{
	if
	:: association[me] != NONE -> refs[BL(me, association[me])]--; association[me] = NONE
	:: else
	fi;
	b = 0;
	do
	:: b < BLOCKS -> assert(refs[BL(me, b)] == 0); b++
	:: else -> break
	od;
	b = 0;
	assert(!xfer[CH(me, 0)].used && !xfer[CH(me, 1)].used);
	assert(!open[me]);
	ended[me] = true
}

#define SEEN(r) (IS_DONE(me, r) || IS_REFUSED(me, r) || dead_receiver(r))

proctype Sender(byte me)
{
	byte n, r, b, fresh;
	bool staged, napped;

	{
	do
	:: n == SENDS_OF(me) -> break
	:: n < SENDS_OF(me) ->
		atomic {
			if	/* the receivers are alike: the first one is the first */
			:: r = 0
			:: n || me -> r = 1
			fi;
			if
			:: d_step { true -> offer(true) }
			:: d_step { association[me] == NONE -> offer(false) }
			fi
		};
		if
		:: d_step { b == NONE -> send_plain() }		/* falls through */
		:: d_step { b != NONE && MUTATION != 5 -> recycle(me, r); b = NONE; send_plain() }	/* withdrawn: no RTS has gone */
		:: d_step { b != NONE -> mpi[CH(me, r)]!RTS(n, n); underway[CH(me, r)]++ }
		fi;
#if MUTATION == 5
		if
		:: d_step { b != NONE -> write_slot(me, r) }
		:: else
		fi;
#endif
		if
		:: b != NONE ->			/* Model: fill. All of it, or what lies in place but for the edges. */
			if
			:: staged -> content[BL(me, b)] = n
			:: else
			fi;
			slot[CH(me, r)].filled = true
		:: else
		fi;
		do
		:: b == NONE -> break
		:: d_step { b != NONE && IS_DONE(me, r) -> complete(me); recycle(me, r) }; break
		:: d_step { b != NONE && !IS_DONE(me, r) && IS_REFUSED(me, r) -> deliver(me, r); complete(me); recycle(me, r) }; break
		:: d_step { b != NONE && !IS_DONE(me, r) && !IS_REFUSED(me, r) && dead_receiver(r) -> complete(me); recycle(me, r) }; break
		:: d_step { b != NONE && staged -> leave_draining() }; break	/* filled: the buffer is not needed */
		:: d_step { b != NONE && !staged -> detach() }; break		/* out of patience */
		:: d_step { ready(me, 1 - r) -> if :: r == 0 -> reap(me, 1) :: else -> reap(me, 0) fi }
		:: NAPS && b != NONE && !napped ->	/* Model: sleep. Ask first, then look again. */
			slot[CH(me, r)].sleeps = true;
			if
			:: MUTATION != 1 && SEEN(r)
			:: MUTATION == 1 || !SEEN(r) ->
				if
				:: event[me] -> event[me] = false
				:: dead_receiver(r)
				:: timeout -> assert(!IS_DONE(me, r) && !IS_REFUSED(me, r)); napped = true
				fi
			fi;
			slot[CH(me, r)].sleeps = false
		od;
		atomic { b = 0; fresh = 0; r = 0; staged = false; napped = false }	/* fewer states */
	od;
	do	/* MPI_Finalize: what drains is waited for */
	:: d_step { ready(me, 0) -> reap(me, 0) }
	:: d_step { ready(me, 1) -> reap(me, 1) }
	:: d_step { !xfer[CH(me, 0)].draining && !xfer[CH(me, 1)].draining -> check_all_free() }; break
	od
	} unless { dead[me] }
}

inline answer(i_, j_)
{
	if
	:: slot[CH(i_, j_)].sleeps -> event[i_] = true
	:: else
	fi
}

proctype Receiver(byte me)
{
	byte s, sequence, b, value, seen, number;
	mtype kind;

	{
	skip;
next:
	atomic { s = 0; sequence = 0; b = 0; value = 0; seen = 0; number = 0; kind = 0 };	/* fewer states */
	atomic {
		if
		:: mpi[CH(0, me)]?kind, sequence, value -> s = 0
		:: mpi[CH(1, me)]?kind, sequence, value -> s = 1
		:: (ended[0] || dead[0]) && (ended[1] || dead[1]) && empty(mpi[CH(0, me)]) && empty(mpi[CH(1, me)]) -> goto over
		fi;
		assert(underway[CH(s, me)]);	/* once */
		if
		:: kind == PLAIN -> goto received
		:: else ->	/* Model: accept. The slot stays as it is until it is answered. */
			assert(slot[CH(s, me)].sequence == sequence);
			b = slot[CH(s, me)].block
		fi
	};
	if
	:: true ->
		/* Model: pull. Read at any time between accept and done. */
#if MUTATION == 7
		atomic { slot[CH(s, me)].done = sequence; answer(s, me) };
#endif
		if
		:: slot[CH(s, me)].filled
		:: dead[s] && !slot[CH(s, me)].filled -> goto next	/* the sender died while filling */
		fi;
		assert(content[BL(s, b)] == value);
		/* Model: done. */
#if MUTATION != 7
		slot[CH(s, me)].done = sequence;
#if NAPS
		answer(s, me)
#endif
#endif
	:: true ->
		/* Model: refuse. */
		slot[CH(s, me)].refused = sequence;
#if NAPS
		answer(s, me);
#endif
		if
		:: again[CH(s, me)]?number, seen ->
			assert(number == sequence);
			assert(seen == value)
		:: dead[s] && empty(again[CH(s, me)]) -> goto next
		fi
	fi;
received:
	underway[CH(s, me)]--;
	goto next;
over:
	atomic {
		assert(empty(again[CH(0, me)]) || dead[0]);
		assert(empty(again[CH(1, me)]) || dead[1]);
		ended[SENDERS + me] = true
	}
	} unless { dead[SENDERS + me] }
}

/* One of them dies at some point, or nobody; who has ended can't. */
proctype Death()
{
	if
	:: d_step { deaths < DEATHS && !ended[0] -> dead[0] = true; deaths++ }
	:: d_step { deaths < DEATHS && !ended[1] -> dead[1] = true; deaths++ }
	:: d_step { deaths < DEATHS && !ended[2] -> dead[2] = true; deaths++ }
	:: d_step { deaths < DEATHS && !ended[3] -> dead[3] = true; deaths++ }
	:: true
	fi
}

init
{
	byte i;

	atomic {
		association[0] = NONE;
		association[1] = NONE;
		run Sender(0);
		run Sender(1);
		run Receiver(0);
		run Receiver(1);
		if
		:: DEATHS -> run Death()
		:: else
		fi
	};
	(ended[0] || dead[0]) && (ended[1] || dead[1]) && (ended[2] || dead[2]) && (ended[3] || dead[3]);
	/* Nothing is missing. */
	atomic {
		i = 0;
		do
		:: i < SENDERS * RECEIVERS -> assert(deaths || !underway[i]); i++
		:: else -> break
		od
	}
}
