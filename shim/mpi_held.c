/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages that a probe took in.
 *
 * A probe must report the true size of a message, which for a one-copy message stands in its RTS
 * alone. So the RTS is received and held here, in order of arrival; every later receive and probe
 * looks here first. A genuine message of the RTS's size cannot be told apart before it is received,
 * so it is held too.
 *
 *   MPI_Iprobe --> native probe finds 64 bytes from a co-resident peer --> received, held
 *   MPI_Recv   --> a held message matches? --> pulled (or copied) from here
 *
 * The message must not overtake earlier ones of its sender which the probe's tag did not match: these are
 * taken in as well, matched but not received (`early`).
 *
 * Under MPI_THREAD_MULTIPLE another thread may be about to receive what is taken in. So a probe, with all that
 * it takes in, is one step under the shim's lock, and so is every receive: a look here, then the native post.
 * A receive that blocks inside MPI is no such step; from the first probe on (vmo_probes_race) there is none.
 *
 * A matched probe (MPI_Mprobe) must return a message handle: a genuine one, of an empty message to
 * oneself on the private communicator, is bound to the held message.
 */
#include "mpi_shim.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MESSAGE_TAG 1000	/* on the private communicator; below are the slots' numbers */

struct vmo_held {
	struct vmo_held *next, *prev;
	MPI_Comm comm;
	struct vmo_comm_map *map;
	struct vmo_peer *peer;		/* an RTS of this peer; NULL: a genuine message */
	MPI_Message message;		/* MPI_MESSAGE_NULL: not bound */
	MPI_Message early;		/* matched, still MPI's to receive; else MPI_MESSAGE_NULL */
	MPI_Count early_bytes;
	int source, tag;
	char data[VMO_RTS_BYTES];
};

static MPI_Count held_bytes(const struct vmo_held *held)
{
	const struct vmo_rts *rts = (const struct vmo_rts *)(const void *)held->data;

	if (held->early != MPI_MESSAGE_NULL)
		return held->early_bytes;
	return held->peer && rts->bytes <= VMO_MESSAGE_MOST ? (MPI_Count)rts->bytes : VMO_RTS_BYTES;
}

/* Fills a status of the user's, which may hold anything. */
static void set_whole(MPI_Status *status, int source, int tag, MPI_Count bytes)
{
	if (status == MPI_STATUS_IGNORE)
		return;
	vmo_status_set(status, source, tag, bytes);
	shim.mpi.Status_set_cancelled(status, 0);
}

static void show(const struct vmo_held *held, MPI_Status *status)
{
	set_whole(status, held->source, held->tag, held_bytes(held));
}

/* Could this probed message be an RTS? */
static bool suspect(const struct vmo_comm_map *map, MPI_Comm comm, MPI_Status *status)
{
	int bytes, source = status->MPI_SOURCE;
	struct vmo_peer *peer = map && source >= 0 ? vmo_map_peer(map, comm, source) : NULL;

	return peer && peer->on && shim.mpi.Get_count(status, MPI_BYTE, &bytes) == MPI_SUCCESS && bytes == VMO_RTS_BYTES;
}

/* The empty message to oneself whose handle the user gets. */
static int genuine_message(MPI_Message *message)
{
	int self = (int)shim.engine.rank;
	MPI_Request request;
	int rc = shim.mpi.Isend(NULL, 0, MPI_BYTE, self, MESSAGE_TAG, shim.private_comm, &request);

	if (rc == MPI_SUCCESS)
		rc = shim.mpi.Mprobe(self, MESSAGE_TAG, shim.private_comm, message, MPI_STATUS_IGNORE);
	if (rc == MPI_SUCCESS)
		rc = shim.mpi.Wait(&request, MPI_STATUS_IGNORE);
	return rc;
}

static struct vmo_held *new_held(MPI_Comm comm, const MPI_Status *status)
{
	struct vmo_held *held = vmo_fault(held) ? NULL : calloc(1, sizeof *held);

	if (held) {
		held->comm = comm;
		held->map = vmo_comm_map(comm);
		held->source = status->MPI_SOURCE;
		held->tag = status->MPI_TAG;
		held->message = held->early = MPI_MESSAGE_NULL;
	}
	return held;
}

static void drop(struct vmo_held *held)
{
	vmo_map_drop(held->map);
	free(held);
}

static void append(struct vmo_held *held)
{
	vmo_count(held_messages, 1);
	vmo_enter();
	DL_APPEND(shim.held, held);
	vmo_leave();
}

/* What was received is an RTS, or a genuine message. */
static void identify(struct vmo_held *held)
{
	if (vmo_rndv_is_rts(&shim.engine, held->data))
		held->peer = vmo_map_peer(held->map, held->comm, held->source);
}

static int receive_matched(struct vmo_held *held, MPI_Message *message)
{
	int rc = shim.mpi.Mrecv(held->data, VMO_RTS_BYTES, MPI_BYTE, message, MPI_STATUS_IGNORE);

	if (rc == MPI_SUCCESS)
		identify(held);
	return rc;
}

/* One more message of that source that came before the probed one. False: it is left to MPI. */
static bool take_in_earlier(MPI_Comm comm, MPI_Message *message, MPI_Status *status)
{
	struct vmo_held *held = new_held(comm, status);
	int rc = MPI_SUCCESS;

	if (!held)
		return false;
	if (suspect(held->map, comm, status)) {
		rc = receive_matched(held, message);
	} else {
		held->early = *message;
		shim.mpi.Get_elements_x(status, MPI_BYTE, &held->early_bytes);
	}
	if (rc == MPI_SUCCESS)
		append(held);
	else
		drop(held);
	return rc == MPI_SUCCESS;
}

/* The oldest message of the source first, up to the probed one, which is the first with its tag. */
static int receive_in_order(struct vmo_held *held)
{
	MPI_Message message;
	MPI_Status status;
	int rc;

	while ((rc = shim.mpi.Mprobe(held->source, MPI_ANY_TAG, held->comm, &message, &status)) == MPI_SUCCESS) {
		if (status.MPI_TAG == held->tag)
			return receive_matched(held, &message);
		if (!take_in_earlier(held->comm, &message, &status))
			return MPI_ERR_NO_MEM;
	}
	return rc;
}

static int take_in(struct vmo_held *held, MPI_Message *message)
{
	if (!message)
		return receive_in_order(held);
	int rc = receive_matched(held, message);
	return rc == MPI_SUCCESS ? genuine_message(message) : rc;
}

/* The first one lets receives that are on their way into MPI get there: they were called before it. */
void vmo_probe_enter(void)
{
	const struct timespec a_while = { 0, 2000000 };

	if (!shim.multiple)
		return;
	if (!__atomic_exchange_n(&shim.probes, true, __ATOMIC_SEQ_CST))
		nanosleep(&a_while, NULL);
	vmo_enter();
}

int vmo_hold(MPI_Comm comm, MPI_Message *message, MPI_Status *status)
{
	struct vmo_comm_map *map = vmo_comm_map(comm);
	bool may = suspect(map, comm, status);
	struct vmo_held *held = may ? new_held(comm, status) : NULL;

	vmo_map_drop(map);
	if (!held)
		return may ? MPI_ERR_NO_MEM : MPI_SUCCESS;
	int rc = take_in(held, message);
	if (rc != MPI_SUCCESS) {
		drop(held);
		return rc;
	}
	if (message)
		held->message = *message;
	show(held, status);
	append(held);
	return MPI_SUCCESS;
}

static struct vmo_held *find(MPI_Comm comm, int source, int tag)
{
	struct vmo_held *held;

	DL_FOREACH(shim.held, held)
		if (held->message == MPI_MESSAGE_NULL && held->comm == comm &&
		    (source == MPI_ANY_SOURCE || source == held->source) && (tag == MPI_ANY_TAG || tag == held->tag))
			return held;
	return NULL;
}

bool vmo_held_peek(MPI_Comm comm, int source, int tag, MPI_Status *status)
{
	vmo_enter();
	struct vmo_held *held = find(comm, source, tag);
	if (held)
		show(held, status);
	vmo_leave();
	return held != NULL;
}

struct vmo_held *vmo_held_take(MPI_Comm comm, int source, int tag)
{
	vmo_enter();
	struct vmo_held *held = find(comm, source, tag);
	if (held)
		DL_DELETE(shim.held, held);
	vmo_leave();
	return held;
}

bool vmo_held_match(MPI_Comm comm, int source, int tag, MPI_Message *message, MPI_Status *status)
{
	struct vmo_held *held = vmo_held_take(comm, source, tag);

	if (!held)
		return false;
	show(held, status);
	if (held->early != MPI_MESSAGE_NULL) {	/* it is matched already: MPI's own from now on */
		*message = held->early;
		drop(held);
		return true;
	}
	if (genuine_message(message) == MPI_SUCCESS)
		held->message = *message;
	vmo_enter();
	DL_PREPEND(shim.held, held);
	vmo_leave();
	return true;
}

struct vmo_held *vmo_held_take_message(MPI_Message *message)
{
	struct vmo_held *held = NULL;

	vmo_enter();
	if (*message != MPI_MESSAGE_NULL)
		DL_FOREACH(shim.held, held)
			if (held->message == *message)
				break;
	if (held)
		DL_DELETE(shim.held, held);
	vmo_leave();
	if (held)
		shim.mpi.Mrecv(NULL, 0, MPI_BYTE, message, MPI_STATUS_IGNORE);
	return held;
}

static void receive_early(struct vmo_held *held, void *buf, MPI_Count count, MPI_Datatype type, MPI_Count *bytes,
                          int *error)
{
	MPI_Status status;

	*error = vmo_real_mrecv(buf, count, type, &held->early, &status);
	shim.mpi.Get_elements_x(&status, MPI_BYTE, bytes);
}

static void deliver_genuine(const struct vmo_held *held, const struct vmo_rx *rx, MPI_Count *bytes, int *error)
{
	*error = rx->to.bytes < VMO_RTS_BYTES ? MPI_ERR_TRUNCATE : MPI_SUCCESS;
	*bytes = *error == MPI_SUCCESS ? VMO_RTS_BYTES : rx->to.bytes;
	int rc = *bytes ? vmo_unpack(held->data, *bytes, rx->buf, &rx->to) : MPI_SUCCESS;
	if (rc != MPI_SUCCESS)
		*error = rc;
}

void vmo_held_deliver(struct vmo_held *held, void *buf, MPI_Count count, MPI_Datatype type, int *source, int *tag,
                      MPI_Count *bytes, int *error)
{
	struct vmo_rx rx = { .buf = buf, .comm = held->comm, .map = held->map };

	*source = held->source;
	*tag = held->tag;
	*bytes = 0;
	if (!vmo_layout_of(count, type, &rx.to) || !vmo_layout_examine(&rx.to)) {
		*error = MPI_ERR_TYPE;
	} else if (held->early != MPI_MESSAGE_NULL) {
		receive_early(held, buf, count, type, bytes, error);
	} else {
		if (held->peer)
			vmo_pull_surely(&rx, held->peer, held->data, bytes, error);
		else
			deliver_genuine(held, &rx, bytes, error);
	}
	drop(held);
}

int vmo_held_recv(struct vmo_held *held, void *buf, MPI_Count count, MPI_Datatype type, bool matched,
                  MPI_Status *status)
{
	MPI_Comm comm = held->comm;
	int source, tag, error;
	MPI_Count bytes;

	if (held->early != MPI_MESSAGE_NULL) {
		struct vmo_hush hush;
		vmo_hush(&hush);
		error = vmo_real_mrecv(buf, count, type, &held->early, status);
		drop(held);
		return vmo_unhush(&hush, comm, error);
	}
	vmo_held_deliver(held, buf, count, type, &source, &tag, &bytes, &error);
	set_whole(status, source, tag, bytes);
	if (matched)
		vmo_raise_completed(comm, error, false);
	else
		vmo_raise(comm, error);
	return error;
}

int vmo_held_irecv(struct vmo_held *held, void *buf, MPI_Count count, MPI_Datatype type, MPI_Request *request)
{
	MPI_Comm comm = held->comm;
	int source, tag, error;
	MPI_Count bytes;

	if (held->early != MPI_MESSAGE_NULL) {
		error = vmo_real_imrecv(buf, count, type, &held->early, request);
		drop(held);
		return error;
	}
	vmo_held_deliver(held, buf, count, type, &source, &tag, &bytes, &error);
	return vmo_request_done(request, comm, source, tag, bytes, error);
}
