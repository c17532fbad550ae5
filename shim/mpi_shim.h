/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mpi_shim.h: the MPI floor. Compiled once per MPI, because handles and statuses differ.
 *
 *   mpi_real.c   the functions underneath, by dlsym on the MPI's own handle
 *   mpi_init.c   MPI_Init, MPI_Finalize             mpi_report.c  what ranks say of the job, and of options
 *   mpi_muster.c has every rank the library? asked in MPI_Init, before all else
 *   mpi_host.c   the ranks of one host find each other, in MPI_Init
 *   mpi_comm.c   rank in a communicator -> peer
 *   mpi_type.c   count x datatype -> bytes and shape; packing       mpi_flatten.c  a datatype as strips
 *   mpi_op.c     requests that the shim must know about; progress
 *   mpi_send.c   sends        mpi_recv.c  receives        mpi_pull.c  what an RTS leads to
 *   mpi_send_c.c sends of MPI 4   mpi_small.h the short way of small messages
 *   mpi_onecopy.c the life of a send that goes one-copy   mpi_landing.c  receives that share a buffer
 *   mpi_persist.c, mpi_persist_send.c persistent requests
 *   mpi_probe.c  probes and matched receives               mpi_held.c  messages that a probe took in
 *   mpi_wait.c, mpi_waitany.c, mpi_batch.c completion     mpi_request.c  other calls on one request
 *   mpi_sendrecv.c the combined calls
 *   mpi_isendrecv.c MPI_Isendrecv                         mpi_error.c  where an error is raised
 *   mpi_window.c windows for one-sided access
 *   mpi_api.c    what a program asks through include/vmonecopy.h
 *   mpi_in.h     what comes in: the functions of mpi_pull, mpi_recv, mpi_landing and mpi_held
 *   mpi_coll.h   collectives: a room of its own
 *
 * REQUESTS
 *   A receive keeps its native handle, posted into the user's buffer. Where an RTS may come, an op
 *   remembers buffer and layout under that handle.
 *   A nonblocking one-copy send returns a generalized request (a native small send's handle is not
 *   unique); the op completes it when the transfer needs the user's buffer no more.
 *
 * WAITING
 *   With nothing outstanding in the shim a wait goes straight to MPI. Otherwise the shim polls MPI's
 *   nonblocking completion and makes progress between: transfers as sender, pulls for receives whose
 *   RTS has come, deliveries after a refusal. There is no hidden thread.
 *
 * THREADS
 *   vmo_enter/vmo_leave guard ops and held messages, only under MPI_THREAD_MULTIPLE; never held
 *   during a copy or a call of MPI that may block. A handle known to the shim is completed or polled
 *   natively only inside.
 */
#ifndef VMO_MPI_SHIM_H
#define VMO_MPI_SHIM_H

#include <mpi.h>

#include "bind.h"
#include "fault.h"
#include "giveback.h"
#include "hash.h"
#include "log.h"
#include "progress.h"
#include "rndv.h"
#include "room.h"


#if MPI_VERSION >= 4
#define X4(name) X(name)
#else
#define X4(name)
#endif

struct vmo_real {
#define X(name) __typeof__(&MPI_##name) name;
#include "calls.def"
#include "uses.def"
#undef X
};

/* What was found out about a datatype; an attribute of it (mpi_type.c). */
struct vmo_type {
	int refs;
	MPI_Datatype type;
	MPI_Count size;
	bool named, contiguous, takes_rts;
	bool flat;			/* the rest is filled: one element's strips */
	int64_t extent;
	struct vmo_bounds bounds;
	struct vmo_strips strips;
};

/* Bytes and shape of count elements of a datatype. */
struct vmo_layout {
	MPI_Count bytes;
	MPI_Count count;
	MPI_Datatype type;
	struct vmo_type *known;		/* after vmo_layout_examine */
	bool contiguous;	/* in memory order, without gaps, from the buffer's address on */
};

/* A communicator's ranks (of the remote group of an intercommunicator) as peers. */
struct vmo_comm_map {
	int refs;
	int size;
	bool any_on;
	bool receives_only;		/* perhaps a session's: nothing is sent one-copy */
	bool inter;			/* of an intercommunicator */
	bool foreign;			/* some rank is not of this MPI_COMM_WORLD */
	bool unknown;			/* no memory for the real one: a rank is asked for when it matters */
	bool no_coll;			/* agreed: no collectives here, and no record of why */
	struct vmo_coll *coll;		/* mpi_coll.h; NULL: no large collective yet */
	struct vmo_peer *peer[];	/* NULL: not of this MPI_COMM_WORLD */
};

/* Where a receive wants its message. */
struct vmo_rx {
	void *buf;
	char *landing;			/* posted there as bytes instead (mpi_landing.c); else NULL */
	struct vmo_layout to;
	MPI_Comm comm;
	struct vmo_comm_map *map;	/* a reference */
};

enum vmo_op_kind { VMO_OP_RECV, VMO_OP_SEND, VMO_OP_PERSISTENT_SEND };

struct vmo_op {
	UT_hash_handle hh;
	MPI_Request handle;		/* key */
	UT_hash_handle by_buffer;	/* receives, by rx.buf: the first of those pending there */
	struct vmo_op *same_next, *same_prev;	/* those */
	bool indexed;			/* among those */
	struct vmo_op *next, *prev;	/* in shim.recvs or shim.sends */
	enum vmo_op_kind kind;
	bool orphan;			/* the user freed the request: completed here */
	/* receive */
	struct vmo_rx rx;
	bool unhashed;			/* there was no memory to put it into by_handle: in shim.unhashed */
	struct vmo_op *next_unhashed;
	bool own_type;			/* rx.to.type is a duplicate of the user's */
	bool own_facts;			/* rx.to.known is referenced */
	bool persistent, started;
	bool delivered;			/* persistent, started, and fed from a held message */
	bool listed;			/* in shim.recvs: its RTS may still come */
	bool pulling;			/* a thread copies right now */
	bool pulled;			/* bytes, error, source and tag below are the message's */
	MPI_Count bytes;
	int error;
	int source, tag;
	int want_source, want_tag;	/* of a persistent receive */
	enum vmo_reason reason;		/* a persistent send's, why it falls through */
	/* send */
	struct vmo_xfer *xfer;
	struct vmo_rts rts;
	MPI_Request rts_request;
	MPI_Request again;		/* delivery by MPI after a refusal */
	bool rts_done;
	bool delivering;		/* `again` is under way */
	struct vmo_room copy;		/* of what it sends, if the message had gaps */
	bool complete;			/* the user's buffer is free */
	bool detaching;			/* a thread does that right now */
	bool aside;			/* a persistent send under way here, inactive for MPI */
	struct vmo_peer *peer;		/* a persistent send's */
	bool kept;			/* without a handle, its owner's to free; complete when it was pulled, not sooner */
	uint64_t asked_ns;		/* since when the user waits; 0: not yet */
	struct vmo_pair *pair;		/* MPI_Isendrecv's request, while its halves are under way */
};

struct vmo_held;
struct vmo_pair;

struct vmo_shim {
	struct vmo_real mpi;
	struct vmo_engine engine;
	struct vmo_host host;
	MPI_Comm private_comm;
	MPI_Count threshold;
	MPI_Count least;		/* of all ranks' thresholds: what has no more room is sent by MPI */
	uint64_t patience_ns;
	bool active;
	bool sessions;			/* MPI_Session_init was called */
	bool probes;			/* a probe was called, with `multiple` */
	bool multiple;			/* MPI_THREAD_MULTIPLE */
	pthread_mutex_t lock;
	uint32_t handles;		/* known: in by_handle or unhashed */
	struct vmo_op *by_handle;	/* uthash */
	struct vmo_op *unhashed;	/* utlist: those that it had no memory for */
	struct vmo_op *by_buffer;	/* uthash: pending receives; one for each buffer */
	struct vmo_op *recvs, *sends;	/* what progress looks at */
	struct vmo_op *spare;
	struct vmo_held *held;
	struct vmo_pair *pairs;
	struct vmo_comm_map *world;
	int comm_keyval, type_keyval;
	int count_at;			/* where a status holds its bytes (mpi_pull.c); negative: not known */
	struct {			/* collectives (mpi_coll.h); the same on all ranks */
		bool usable;
		MPI_Count pair, alltoall, gather, bcast, reduce, reduce_scatter;	/* thresholds, bytes */
	} coll;
};

extern VMO_HIDDEN struct vmo_shim shim;

static inline void vmo_enter(void)
{
	if (vmo_unlikely(shim.multiple))
		pthread_mutex_lock(&shim.lock);
}

static inline void vmo_leave(void)
{
	if (vmo_unlikely(shim.multiple))
		pthread_mutex_unlock(&shim.lock);
}

/* mpi_real.c */
int vmo_real_load(const struct vmo_host *host);
void vmo_slots_fill(bool wrappers);
/* The collectives' wrappers alone: a rank with no peer of its own takes part in others' collectives. */
void vmo_slots_collectives(void);
int vmo_real_irecv(void *buf, MPI_Count count, MPI_Datatype type, int source, int tag, MPI_Comm comm,
                   MPI_Request *request);
int vmo_real_recv(void *buf, MPI_Count count, MPI_Datatype type, int source, int tag, MPI_Comm comm,
                  MPI_Status *status);
int vmo_real_mrecv(void *buf, MPI_Count count, MPI_Datatype type, MPI_Message *message, MPI_Status *status);
int vmo_real_imrecv(void *buf, MPI_Count count, MPI_Datatype type, MPI_Message *message, MPI_Request *request);
int vmo_real_isend(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
                   MPI_Request *request);

/* mpi_init.c */
/*
 * In MPI_Finalize: waits for a request of the library's own. False: a peer is dead, or has found so and gone on, or MPI says
 * that it failed. MPI's own MPI_Finalize shall say what then becomes of the job. The request may stay under way, so what
 * it reads and writes has to stay too.
 */
bool vmo_end_wait(MPI_Request *request, MPI_Status *status);

/* mpi_report.c */
/*
 * Both on all ranks. At the end: the report; false: a rank died, or MPI failed, before it was complete. At the start:
 * mistakes in the environment, and options that differ.
 */
bool vmo_report_all(const struct vmo_config *config);
void vmo_report_mistakes(const struct vmo_config *config);

/* mpi_api.c */
extern const struct vmo_api vmo_mpi_api;

/* mpi_muster.c */
/* Before the MPI's own start-up, however it is started. */
void vmo_muster_announce(void);
/* After it: have all ranks of MPI_COMM_WORLD the library? The same on all that have it; if not, the first of them says so. */
bool vmo_muster(int rank, int ranks, const struct vmo_config *config);

/* mpi_host.c */
/*
 * Finds the ranks of this host, and starts the engine, which has opened Xen, among them. Collective over the private
 * communicator. Tells mistakes in the environment. 0, or -errno: what all ranks agreed to be wrong; or what broke amid the
 * rounds of this host.
 */
int vmo_host_start(const struct vmo_config *config, struct vmo_memhook *hook);

/* mpi_comm.c */
/* Before the peers are met, because a rank that fails here must not agree; and after. */
int vmo_comm_setup(int ranks);
void vmo_comm_know(void);
void vmo_comm_cleanup(void);
/* The communicator's map with a reference for the caller, or NULL (then the call is MPI's alone). */
struct vmo_comm_map *vmo_comm_map(MPI_Comm comm);
void vmo_map_drop(struct vmo_comm_map *map);
/* The same without a reference: good while the communicator is. */
struct vmo_comm_map *vmo_comm_known(MPI_Comm comm);
/* The peer behind a destination, one that is off and says why, or NULL: MPI itself shall say what is wrong. */
struct vmo_peer *vmo_comm_peer(MPI_Comm comm, int rank);
/* The peer behind a source that is not a wildcard, or NULL: not of this MPI_COMM_WORLD, or no such rank. */
struct vmo_peer *vmo_map_peer(const struct vmo_comm_map *map, MPI_Comm comm, int source);
/* May a message from this source (or MPI_ANY_SOURCE) be an RTS? */
bool vmo_map_may_rts(const struct vmo_comm_map *map, int source);

/* mpi_type.c */
int vmo_type_setup(void);
void vmo_type_cleanup(void);
/* false: invalid arguments; MPI itself shall say so. */
bool vmo_layout_of(MPI_Count count, MPI_Datatype type, struct vmo_layout *out);
/* Looks at the type itself: contiguous? what shape? Without memory: neither. false: not committed; then MPI's alone. */
bool vmo_layout_examine(struct vmo_layout *layout);
/* The layout as a shape; false: not flattened. */
bool vmo_layout_shape(const struct vmo_layout *layout, struct vmo_shape *out);
/* The layout as what is sent; shape: room for it. false: MPI must pack it. */
bool vmo_layout_source(const void *buf, const struct vmo_layout *layout, struct vmo_shape *shape,
                       struct vmo_source *out);
/* The layout as where a message goes. Neither contiguous nor shaped: MPI must unpack it. */
struct vmo_sink vmo_layout_sink(void *buf, const struct vmo_layout *layout);
/* NULL: not committed, or no memory. Borrowed. */
struct vmo_type *vmo_type_of(MPI_Datatype type);
bool vmo_type_contiguous(MPI_Datatype type);
struct vmo_type *vmo_type_hold(struct vmo_type *type);
void vmo_type_drop(struct vmo_type *type);
/* May an RTS be received into this type as it is? Else by a landing (mpi_landing.c). */
bool vmo_type_takes_rts(MPI_Datatype type);
/* Copies the first `bytes` of the buffer, in type map order, to `to`. MPI error code. */
int vmo_pack_head(const void *buf, const struct vmo_layout *layout, void *to, size_t bytes);
/* Whole message in and out. `bytes` may end within an element. MPI error code. */
int vmo_pack(const void *buf, const struct vmo_layout *layout, void *to);
int vmo_unpack(const void *from, MPI_Count bytes, void *buf, const struct vmo_layout *layout);

/* mpi_flatten.c */
/* One element's strips; the caller frees them. 0, -ENOTSUP, -E2BIG, -ENOMEM. */
int vmo_flatten(MPI_Datatype type, struct vmo_strips *out);
int vmo_type_combiner(MPI_Datatype type);
/* Is a basic element complete when so many bytes of such elements have come? */
bool vmo_type_ends_after(MPI_Datatype type, int64_t bytes);

/* mpi_op.c */
struct vmo_op *vmo_op_new(enum vmo_op_kind kind);
void vmo_op_free(struct vmo_op *op);
void vmo_op_drop_layout(struct vmo_op *op);	/* its own datatype, or what it holds of the program's */
void vmo_op_track(struct vmo_op *op);		/* under op->handle, and in its list */
void vmo_op_untrack(struct vmo_op *op);
struct vmo_op *vmo_op_find(MPI_Request handle);
/* Is its handle still the program's? Else MPI may have given it out again. */
static inline bool vmo_op_tracked(const struct vmo_op *op)
{
	return op->hh.tbl || op->unhashed;
}
/* Into shim.recvs, where progress looks for its RTS; a receive with room for small messages only need not be there. */
static inline void vmo_op_list(struct vmo_op *op)
{
	if (op->rx.to.bytes < shim.least)
		return;
	op->listed = true;
	DL_APPEND(shim.recvs, op);
}
/*
 * Nothing outstanding needs the shim's progress: a call may block inside MPI. Requests may be known that need a look once
 * they are complete: receives of small messages, inactive persistent ones. Nearly all calls ask it: giveback's turn, too.
 */
static inline bool vmo_calm(void)
{
	vmo_giveback_turn(&shim.engine);
	return !((uintptr_t)shim.recvs | (uintptr_t)shim.sends | (uintptr_t)shim.pairs |
	         (uintptr_t)__atomic_load_n(&shim.engine.draining, __ATOMIC_RELAXED));
}
/* And no request is known: a wait may go straight to MPI. */
static inline bool vmo_idle(void)
{
	return vmo_calm() && !shim.handles;
}

/* The program waits for this op now. Inside. */
void vmo_op_asked(struct vmo_op *op);
/* One round of everybody's work; `but` (or NULL) is polled by the caller itself. */
void vmo_mpi_progress(const struct vmo_op *but);
/*
 * A round of MPI's own work, for waiters that call nothing else of MPI: what the program sent buffered or nonblocking
 * must get on while any of its calls waits (MPI 3.1, 3.5 "Progress").
 */
void vmo_mpi_poke(void);

/* mpi_persist_send.c */
/* Starts a large persistent send, whichever way. */
int vmo_persistent_start(struct vmo_op *op, MPI_Request *request);
/* Forgets an inactive persistent request. */
void vmo_persistent_forget(struct vmo_op *op);

/* mpi_onecopy.c */
/* Takes a slot and pages, and makes the RTS. 0, or -errno: falls through, counted. */
int vmo_send_offer(struct vmo_op *op, struct vmo_peer *peer, const void *buf, const struct vmo_layout *from);
/* Its RTS was sent: counts it, and lets staged bytes follow. MPI error code. */
int vmo_send_launched(struct vmo_op *op, const void *buf, const struct vmo_layout *from);
/* Its RTS could not be sent. */
void vmo_send_withdraw(struct vmo_op *op);
/* One round for one send; true when the user's buffer is free. waited: the user waits for it now. */
bool vmo_send_advance(struct vmo_op *op, bool waited);
void vmo_send_wait(struct vmo_op *op);

/* mpi_send.c */
/* MPI_Isend in any mode; standard 'S', synchronous 'Y', ready 'R'. */
int vmo_isend(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
              char mode, MPI_Request *request);
int vmo_send(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm, char mode);
/* Would such a send go one-copy if pages can be had? Counts nothing. */
bool vmo_send_eligible(MPI_Count count, MPI_Datatype type, int dest, MPI_Comm comm);
/* Is it a large message to a known rank? *reason is changed to why that rank is off, if it is. */
bool vmo_send_is_large(MPI_Count count, MPI_Datatype type, int dest, MPI_Comm comm, enum vmo_reason *reason,
                       MPI_Count *bytes);
/* Counts a large message that MPI sends for this reason. */
void vmo_send_count_native(MPI_Count count, MPI_Datatype type, int dest, MPI_Comm comm, enum vmo_reason reason);
/*
 * Offers a message to a peer that is on and sends its RTS in standard mode; progress does the rest once the caller has
 * tracked the op. 0 or -errno: falls through, counted; *error: MPI's word on the RTS (then op->xfer is NULL).
 */
int vmo_send_begin(struct vmo_op *op, struct vmo_peer *peer, const void *buf, const struct vmo_layout *from, int dest,
                   int tag, MPI_Comm comm, int *error);
/* For rndv's draining transfers that were refused. */
void vmo_send_refused(struct vmo_xfer *xfer);

/* mpi_sendrecv.c */
/* Does some half concern the shim? If not, and it is large, it is counted. */
bool vmo_sendrecv_concerns(MPI_Count sendcount, MPI_Datatype sendtype, int dest, void *recvbuf, MPI_Count recvcount,
                           MPI_Datatype recvtype, int source, MPI_Comm comm);
/* The sending half, of any length. */
int vmo_sendrecv_send(const void *buf, MPI_Count count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
                      MPI_Request *request);
/* What leaves in place of a buffer that the incoming message may overwrite; the caller frees the copy. */
struct vmo_outgoing {
	void *copy;
	MPI_Count count;
	MPI_Datatype type;
};
int vmo_sendrecv_copy(const void *buf, MPI_Count count, MPI_Datatype type, struct vmo_outgoing *out);

/* mpi_isendrecv.c */
/* One round for one of them. No lock held. */
void vmo_pairs_progress(void);
/* The program waits for it: its sending half's patience runs. Inside. */
void vmo_pair_asked(struct vmo_pair *pair);

/* mpi_error.c */
/* An error of a message that a completion call met. in_status: the call returns MPI_ERR_IN_STATUS. */
void vmo_raise_completed(MPI_Comm comm, int error, bool in_status);
/* Between the two, MPI_Test does not raise; the second raises on the communicator unless MPI_Test has. */
struct vmo_hush {
	MPI_Errhandler was;
	bool on;
};
void vmo_hush(struct vmo_hush *hush);
int vmo_unhush(struct vmo_hush *hush, MPI_Comm comm, int error);

/* mpi_wait.c; statuses: mpi_batch.c */
int vmo_wait(MPI_Request *request, MPI_Status *status);
/* The same as MPI_Wait, as a part of a blocking call on that communicator. */
int vmo_wait_for(MPI_Comm comm, MPI_Request *request, MPI_Status *status);
/* The same as MPI_Test, as a part of another request. waited: the program waits for that. True: *error is its result. */
bool vmo_test_half(MPI_Request *request, bool waited, MPI_Status *status, int *error);
/* Copies all but MPI_ERROR, which MPI leaves alone unless it reports an error there (MPI 3.1, 3.2.5). */
void vmo_status_copy(MPI_Status *to, const MPI_Status *from);
void vmo_status_empty(MPI_Status *status);

/* Every wrapper: the same prototype as the MPI's. */
#define X(name) extern __typeof__(MPI_##name) vmo_##name;
#include "calls.def"
#undef X

#include "mpi_in.h"

#endif
