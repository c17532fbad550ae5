/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests that the shim must know about, and the one round of work that every waiter does. */
#include "mpi_shim.h"

#include <stdlib.h>
#include <string.h>

#define POLLS_PER_ROUND 8	/* one poll costs up to 640 ns on MPICH over TCP */

/*
 * A lock of its own, taken last: MPICH frees generalized requests, and so their ops, under its global
 * lock, while others call MPI under the shim's.
 */
static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;

static void lock_spare(void)
{
	if (vmo_unlikely(shim.multiple))
		pthread_mutex_lock(&spare_lock);
}

static void unlock_spare(void)
{
	if (vmo_unlikely(shim.multiple))
		pthread_mutex_unlock(&spare_lock);
}

struct vmo_op *vmo_op_new(enum vmo_op_kind kind)
{
	lock_spare();
	struct vmo_op *op = shim.spare;
	if (op)
		shim.spare = op->next;
	unlock_spare();
	if (!op)
		op = vmo_fault(op) ? NULL : malloc(sizeof *op);
	if (op) {
		memset(op, 0, sizeof *op);
		op->kind = kind;
		op->handle = op->rts_request = op->again = MPI_REQUEST_NULL;
	}
	return op;
}

void vmo_op_drop_layout(struct vmo_op *op)
{
	if (op->own_facts)
		vmo_type_drop(op->rx.to.known);
	if (op->own_type)
		shim.mpi.Type_free(&op->rx.to.type);
	op->own_facts = op->own_type = false;
}

void vmo_op_free(struct vmo_op *op)
{
	vmo_op_drop_layout(op);
	vmo_room_leave(&op->copy);
	vmo_landing_free(&op->rx);
	vmo_map_drop(op->rx.map);
	lock_spare();
	op->next = shim.spare;
	shim.spare = op;
	unlock_spare();
}

/* uthash gives an empty table back, and most programs empty it all the time: one that is no request's stays in it. */
static struct vmo_op anchor;

static void add_by_handle(struct vmo_op *op)
{
	if (vmo_unlikely(!shim.by_handle)) {
		anchor.handle = MPI_REQUEST_NULL;
		HASH_ADD(hh, shim.by_handle, handle, sizeof anchor.handle, &anchor);
	}
	HASH_ADD(hh, shim.by_handle, handle, sizeof op->handle, op);
	op->unhashed = !op->hh.tbl;
	if (vmo_unlikely(op->unhashed))
		LL_PREPEND2(shim.unhashed, op, next_unhashed);
	shim.handles++;
}

void vmo_op_track(struct vmo_op *op)
{
	if (op->handle != MPI_REQUEST_NULL)
		add_by_handle(op);
	if (op->kind == VMO_OP_SEND)
		DL_APPEND(shim.sends, op);
	else if (!op->persistent || op->started)
		vmo_op_list(op);
}

void vmo_op_untrack(struct vmo_op *op)
{
	shim.handles -= vmo_op_tracked(op);
	if (op->handle != MPI_REQUEST_NULL && op->hh.tbl)
		HASH_DEL(shim.by_handle, op);
	op->hh.tbl = NULL;
	if (op->unhashed)
		LL_DELETE2(shim.unhashed, op, next_unhashed);
	op->unhashed = false;
	if (op->kind == VMO_OP_SEND) {
		DL_DELETE(shim.sends, op);
	} else {
		if (op->listed)
			DL_DELETE(shim.recvs, op);
		op->listed = false;
	}
}

struct vmo_op *vmo_op_find(MPI_Request handle)
{
	struct vmo_op *op = NULL;

	if (handle != MPI_REQUEST_NULL && shim.by_handle)
		HASH_FIND(hh, shim.by_handle, &handle, sizeof handle, op);
	if (vmo_unlikely(shim.unhashed && !op && handle != MPI_REQUEST_NULL))
		LL_SEARCH_SCALAR2(shim.unhashed, op, handle, handle, next_unhashed);
	return op;
}

/* A freed receive: once its message is in, its native request goes too. */
static bool finish_orphan(struct vmo_op *op)
{
	MPI_Request native = op->handle;	/* the table's key must outlive the native handle */
	MPI_Status status;
	int flag = 0, rc = shim.mpi.Test(&native, &flag, &status);

	if (rc != MPI_SUCCESS)
		vmo_recv_failed(op);
	else if (flag)
		vmo_recv_complete(op, &status);
	else
		return false;
	if (native != MPI_REQUEST_NULL)		/* a persistent one */
		shim.mpi.Request_free(&native);
	return true;
}

/* The next round begins where this one ended: `op` becomes the head of the (circularly linked) list. */
static void rotate(struct vmo_op *op)
{
	struct vmo_op *head = shim.recvs, *tail = head->prev;

	tail->next = head;	/* utlist: head->prev is the tail, tail->next is NULL */
	op->prev->next = NULL;
	shim.recvs = op;
}

static void poll_receives(const struct vmo_op *but)
{
	struct vmo_op *op = shim.recvs;

	for (int polls = 0; op && polls < POLLS_PER_ROUND; polls++) {
		struct vmo_op *next = op->next;
		if (op->orphan ? finish_orphan(op) : op != but && vmo_recv_poll(op))
			return;		/* `next` may be gone */
		op = next;
	}
	if (op && op != shim.recvs)
		rotate(op);
}

#if MPI_VERSION >= 4
static void pairs_progress(void)
{
	if (vmo_unlikely(shim.pairs != NULL))
		vmo_pairs_progress();
}

static void pair_asked(struct vmo_pair *pair)
{
	vmo_pair_asked(pair);
}
#else
static void pairs_progress(void)
{
}

static void pair_asked(struct vmo_pair *pair)
{
}
#endif

void vmo_op_asked(struct vmo_op *op)
{
	if (op->kind == VMO_OP_SEND || op->aside)
		vmo_send_advance(op, true);
	else if (op->pair)
		pair_asked(op->pair);
}

void vmo_mpi_poke(void)
{
	int flag;

	shim.mpi.Iprobe((int)shim.engine.rank, VMO_POKE_TAG, shim.private_comm, &flag, MPI_STATUS_IGNORE);
}

void vmo_mpi_progress(const struct vmo_op *but)
{
	vmo_giveback_turn(&shim.engine);
	if (shim.engine.draining)
		vmo_rndv_reap(&shim.engine);
	pairs_progress();
	vmo_enter();
	for (struct vmo_op *op = shim.sends, *next; op; op = next) {
		next = op->next;
		if (op != but)
			vmo_send_advance(op, false);
	}
	if (shim.recvs) {
		struct vmo_hush hush;	/* an error is raised where the program completes its request, not here */
		vmo_hush(&hush);
		poll_receives(but);
		vmo_unhush(&hush, MPI_COMM_NULL, MPI_SUCCESS);
	}
	vmo_leave();
}
