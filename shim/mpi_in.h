/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mpi_in.h: the receiving half of the MPI floor; a part of mpi_shim.h, which includes it and has the types and the rules.
 *
 *   receive or probe --> what came is a message of MPI's own  --> as MPI left it, or out of its landing
 *                    \-> what came is an RTS                   --> the one copy (mpi_pull.c), at once, or when the message
 *                                                                 that a probe took in is received (mpi_held.c)
 */
#ifndef VMO_MPI_IN_H
#define VMO_MPI_IN_H

#include "mpi_shim.h"

/* mpi_pull.c */
/* Fills rx (with a map reference) if a message for it may be an RTS. */
bool vmo_rx_may_rts(struct vmo_rx *rx, void *buf, MPI_Count count, MPI_Datatype type, int source, MPI_Comm comm);
/* The same if a message for it may be held by then (mpi_held.c): of any size. */
bool vmo_rx_may_held(struct vmo_rx *rx, void *buf, MPI_Count count, MPI_Datatype type, int source, MPI_Comm comm);
/* Is what lies in the receive buffer an RTS? Then its bytes go to rts and the peer is returned. */
struct vmo_peer *vmo_rx_rts(struct vmo_rx *rx, const MPI_Status *status, void *rts);
/*
 * Pulls the message the RTS speaks of. 0, and *bytes is its true length, *error MPI_SUCCESS or
 * MPI_ERR_TRUNCATE (no error handler is called); or -errno: nothing was pulled, nothing said.
 */
int vmo_pull(const struct vmo_rx *rx, struct vmo_peer *peer, const void *rts, MPI_Count *bytes, int *error);
/* The same; where pulling fails, refuses and receives by MPI, making progress meanwhile. */
void vmo_pull_surely(const struct vmo_rx *rx, struct vmo_peer *peer, const void *rts, MPI_Count *bytes, int *error);
/* After a native receive: if it brought an RTS, pulls and mends the status. MPI error code, not raised. */
int vmo_rx_finish(struct vmo_rx *rx, MPI_Status *status);
/* The same of a receive that MPI has done, where it may have been one; raised. */
int vmo_recv_settled(void *buf, int count, MPI_Datatype type, int source, MPI_Comm comm, MPI_Status *status);
void vmo_status_set(MPI_Status *status, int source, int tag, MPI_Count bytes);
int vmo_raise(MPI_Comm comm, int error);

/* Tags on the private communicator; those below are mpi_held.c's. */
#define VMO_POKE_TAG 1999	/* of nothing */

/* Of a refused message. */
static inline int vmo_refused_tag(uint64_t sequence)
{
	return 2000 + (int)(sequence % 30000);	/* MPI_TAG_UB is 32767 at least (MPI 3.1, 8.1.2) */
}

/* mpi_recv.c */
int vmo_irecv(void *buf, MPI_Count count, MPI_Datatype type, int source, int tag, MPI_Comm comm,
              MPI_Request *request);
int vmo_recv(void *buf, MPI_Count count, MPI_Datatype type, int source, int tag, MPI_Comm comm,
             MPI_Status *status);
/*
 * Before a receive is posted: all memory that following it needs, so that it can be refused while nothing has
 * happened. NULL: none; the rx's map is dropped.
 */
struct vmo_op *vmo_recv_prepare(struct vmo_rx *rx);
/* Remembers a native receive handle; takes over the rx's map and landing. */
void vmo_recv_track(struct vmo_op *op, const struct vmo_rx *rx, MPI_Request handle, bool persistent);
/* It was not posted after all. */
void vmo_recv_unprepare(struct vmo_op *op, struct vmo_rx *rx);
/* The native handle of this op is complete with *status: pulls if need be, mends *status. */
int vmo_recv_complete(struct vmo_op *op, MPI_Status *status);
/* Looks whether the RTS has come and pulls; lets go of the lock during the copy. True: it copied. */
bool vmo_recv_poll(struct vmo_op *op);
/* The native handle is complete with *status: the message gets where the user wants it, whatever it takes. */
void vmo_recv_settle(struct vmo_op *op, const MPI_Status *status);
/* MPI completed the native handle with an error: the op is done. */
void vmo_recv_failed(struct vmo_op *op);
/* A completed request that carries this result; the error is raised when it is waited for. */
int vmo_request_done(MPI_Request *request, MPI_Comm comm, int source, int tag, MPI_Count bytes, int error);
/* One that is not complete yet: the caller sets the op's result and `pulled`, then completes the request. */
int vmo_request_new(MPI_Request *request, MPI_Comm comm, struct vmo_op **out);
/* Gives it up again. */
void vmo_request_drop(MPI_Request *request, struct vmo_op *op);

/* mpi_landing.c */

/* With MPI_THREAD_MULTIPLE: a thread's receive into this buffer itself is being posted, or blocks. */
struct vmo_claim {
	bool held;
	const void *buf;
	struct vmo_layout to;
	struct vmo_claim *next, *prev;
};

/*
 * False: a receive into this buffer is pending already, or claims what overlaps. Else until unclaim, which may come
 * without a claim, too.
 */
bool vmo_landing_claim(struct vmo_claim *claim, const struct vmo_rx *rx);
void vmo_landing_unclaim(struct vmo_claim *claim);
/*
 * If it needs one, rx gets a landing: where to post a receive instead of in its buffer. False: no memory for it.
 * Else the claim is to be given up once the receive is tracked, or was not posted.
 */
bool vmo_landing_for(struct vmo_rx *rx, struct vmo_claim *claim);
/* Where only the type counts; *buf, *count and *type then speak of the landing. */
bool vmo_landing_place(struct vmo_rx *rx, void **buf, MPI_Count *count, MPI_Datatype *type);
void vmo_landing_index(struct vmo_op *op);
void vmo_landing_unindex(struct vmo_op *op);
/* Another pending receive that is posted into the op's buffer itself, one that overlaps rather than others; or NULL. */
struct vmo_op *vmo_landing_direct(const struct vmo_op *op);
/*
 * Lock held: the message of a receive with a landing is here. Where the request to send of one that overlaps may still come
 * into the buffer, or waits there to be read, the message stays in the landing.
 */
void vmo_landing_keep(struct vmo_op *op);
/* The native receive brought a message, not an RTS: hands it to the user's buffer. MPI error code. */
int vmo_landing_deliver(struct vmo_rx *rx, const MPI_Status *status);
void vmo_landing_free(struct vmo_rx *rx);

/* mpi_held.c */
/* A probe's look and all that it takes in are between this and vmo_leave. */
void vmo_probe_enter(void);
/* Another thread may probe: no receive may be posted outside vmo_enter. */
static inline bool vmo_probes_race(void)
{
	return vmo_unlikely(__atomic_load_n(&shim.probes, __ATOMIC_RELAXED));
}
/*
 * If the message that a native probe found may be an RTS, receives it and holds it. `message`: a
 * matched one to receive by, or NULL. *status shows its real size. An MPI error code, not raised: it may be
 * one, and cannot be held.
 */
int vmo_hold(MPI_Comm comm, MPI_Message *message, MPI_Status *status);
/* The oldest held message that matches: left where it is, or taken out for vmo_held_deliver. */
bool vmo_held_peek(MPI_Comm comm, int source, int tag, MPI_Status *status);
struct vmo_held *vmo_held_take(MPI_Comm comm, int source, int tag);
/* Matched probes: binds the held message to a genuine MPI_Message; it then matches only through that. */
bool vmo_held_match(MPI_Comm comm, int source, int tag, MPI_Message *message, MPI_Status *status);
/* The one bound to this message, taken out; the genuine message is received and *message is null. */
struct vmo_held *vmo_held_take_message(MPI_Message *message);
/* Delivers and frees it. Outputs as of vmo_pull. */
void vmo_held_deliver(struct vmo_held *held, void *buf, MPI_Count count, MPI_Datatype type, int *source,
                      int *tag, MPI_Count *bytes, int *error);
/* The same as a blocking or a nonblocking receive would. matched: as MPI_Mrecv would. */
int vmo_held_recv(struct vmo_held *held, void *buf, MPI_Count count, MPI_Datatype type, bool matched,
                  MPI_Status *status);
int vmo_held_irecv(struct vmo_held *held, void *buf, MPI_Count count, MPI_Datatype type, MPI_Request *request);

#endif
