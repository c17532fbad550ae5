/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ranks of one host find each other, in MPI_Init (peer.h): on the way each gets as many messages as there are levels in a
 * tree of ranks, and the leaders of VMs one from each other.
 *
 *   private communicator            terms; are there VMs with different domids at all?
 *     VM communicators              split by 31 bits of what names a VM, and again while a part holds two of them
 *     leaders' communicator         the lowest rank of each (peer_host.h)
 *   host communicators              split by the colour that the leaders found; the engine's rounds run here
 *
 * A rank without Xen is in none of them, and no communicator outlives MPI_Init.
 *
 * Nobody may wait for a rank that gave up: after each step that may fail on one rank, all agree whether it went well, and
 * stop together.
 */
#include "mpi_shim.h"

#include "mistakes.h"
#include "peer_host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define VM_WORDS (sizeof(struct vmo_vm) / sizeof(uint64_t))
#define ATTEMPTS 8		/* to tell VMs apart by bits of their hashes; then each rank is a VM of its own */

struct meeting {
	MPI_Comm vm, leaders, host;	/* MPI_COMM_NULL: not in one */
	struct vmo_vm own;
	bool leads;
	struct vmo_found found;
};

static int exchange(void *context, const void *out, void *in, size_t bytes)
{
	MPI_Comm comm = *(MPI_Comm *)context;

	if (comm == MPI_COMM_NULL) {	/* alone */
		memcpy(in, out, bytes);
		return 0;
	}
	return shim.mpi.Alltoall(out, (int)bytes, MPI_BYTE, in, (int)bytes, MPI_BYTE, comm) == MPI_SUCCESS ? 0 : -EIO;
}

static int gather(void *context, const void *out, void *in, size_t bytes)
{
	return shim.mpi.Allgather(out, (int)bytes, MPI_BYTE, in, (int)bytes, MPI_BYTE, *(MPI_Comm *)context) == MPI_SUCCESS
	       ? 0 : -EIO;
}

/* What went wrong anywhere: the same on all ranks of the communicator. */
static int worst(int rc, MPI_Comm comm)
{
	int mine = rc, least = -EIO;

	return shim.mpi.Allreduce(&mine, &least, 1, MPI_INT, MPI_MIN, comm) == MPI_SUCCESS ? least : -EIO;
}

static void drop(MPI_Comm *comm)
{
	if (*comm != MPI_COMM_NULL)
		shim.mpi.Comm_free(comm);
}

/* Collective over `comm`, whose ranks' order stays. 0 or -errno, to be agreed upon. */
static int split(MPI_Comm comm, int colour, MPI_Comm *out)
{
	*out = MPI_COMM_NULL;
	if (shim.mpi.Comm_split(comm, colour, (int)shim.engine.rank, out) != MPI_SUCCESS)
		return -EIO;
	if (*out != MPI_COMM_NULL)
		shim.mpi.Comm_set_errhandler(*out, MPI_ERRORS_RETURN);
	return vmo_fault(split) ? -errno : 0;
}

/* Are all ranks of this communicator of one VM? 1, 0, or -errno, alike on all of them. */
static int same_vm(const struct meeting *m)
{
	uint64_t mine[2 * VM_WORDS], least[2 * VM_WORDS];

	memcpy(mine, &m->own, sizeof m->own);
	for (size_t i = 0; i < VM_WORDS; i++)
		mine[VM_WORDS + i] = ~mine[i];
	if (shim.mpi.Allreduce(mine, least, 2 * VM_WORDS, MPI_UINT64_T, MPI_MIN, m->vm) != MPI_SUCCESS)
		return -EIO;
	for (size_t i = 0; i < VM_WORDS; i++)	/* the least is the greatest */
		if (least[i] != ~least[VM_WORDS + i])
			return 0;
	return 1;
}

/* Splits a VM communicator until all its ranks are of one VM. -errno: on all of them. */
static int tell_apart(struct meeting *m)
{
	int same = same_vm(m);

	for (int attempt = 1; !same; attempt++) {
		MPI_Comm mixed = m->vm;
		int rc = split(mixed, attempt < ATTEMPTS ? vmo_vm_bits(&m->own, attempt) : (int)shim.engine.rank, &m->vm);
		rc = worst(rc, mixed);
		drop(&mixed);
		same = rc ? rc : same_vm(m);
	}
	return same < 0 ? same : 0;
}

/* The leader's part. */
static int lead(struct meeting *m)
{
	int self = 0, leaders = 0;

	shim.mpi.Comm_rank(m->leaders, &self);
	shim.mpi.Comm_size(m->leaders, &leaders);
	struct vmo_leaders *room = vmo_leaders_new((uint32_t)leaders, VMO_HOST_BATCH);
	int rc = worst(room ? 0 : -ENOMEM, m->leaders);
	if (!rc)
		rc = vmo_leaders_find(room, &shim.engine, (uint32_t)self, gather, exchange, &m->leaders, &m->found);
	vmo_leaders_free(room);
	return rc;
}

/* What the leader found, or why it could not, on all ranks of its VM. */
static int hear_of_it(struct meeting *m, int rc)
{
	struct { int32_t rc; struct vmo_found found; } word = { rc, m->found };

	if (m->vm == MPI_COMM_NULL)
		return rc;
	if (shim.mpi.Bcast(&word, sizeof word, MPI_BYTE, 0, m->vm) != MPI_SUCCESS)
		return -EIO;
	m->found = word.found;
	return word.rc;
}

static int find_vm(struct meeting *m)
{
	bool xen = shim.engine.xen;
	int rank = -1;
	int rc = worst(split(shim.private_comm, xen ? vmo_vm_bits(&m->own, 0) : MPI_UNDEFINED, &m->vm), shim.private_comm);

	if (rc || !xen)
		return rc;
	rc = tell_apart(m);
	if (!rc)
		shim.mpi.Comm_rank(m->vm, &rank);
	m->leads = !rank;
	return rc;
}

/* 0, or what went wrong here: to be agreed upon. */
static int find_host(struct meeting *m)
{
	int rc = worst(find_vm(m), shim.private_comm);

	if (!rc)
		rc = worst(split(shim.private_comm, m->leads ? 0 : MPI_UNDEFINED, &m->leaders), shim.private_comm);
	if (rc)
		return rc;
	rc = hear_of_it(m, m->leads ? lead(m) : 0);
	shim.engine.others = m->found.others;
	int missed = split(shim.private_comm, shim.engine.xen && !rc ? (int)m->found.colour : MPI_UNDEFINED, &m->host);
	return rc ? rc : missed;
}

static int prepare(const struct meeting *m)
{
	int self = 0, ranks = 1;

	if (m->host != MPI_COMM_NULL) {
		shim.mpi.Comm_rank(m->host, &self);
		shim.mpi.Comm_size(m->host, &ranks);
	}
	return vmo_engine_prepare(&shim.engine, (uint32_t)self, (uint32_t)ranks);
}

/* What the whole job must know of all ranks. *near: there are VMs with different domids. */
static int agree_on_terms(const struct vmo_config *config, vmo_domid domid, bool *near)
{
	struct vmo_engine *e = &shim.engine;
	struct vmo_terms terms;

	if (!e->rank)
		vmo_engine_propose(e, &terms);
	if (shim.mpi.Bcast(&terms, sizeof terms, MPI_BYTE, 0, shim.private_comm) != MPI_SUCCESS)
		return -EIO;
	vmo_engine_accept(e, &terms);
	int64_t mine[] = {
		config->threshold, vmo_engine_differs(e, &terms) ? -1 : 0, vmo_mistakes_any() ? e->rank : VMO_NOBODY,
		e->xen ? domid : INT64_MAX, e->xen ? -(int64_t)domid : INT64_MAX,
	};
	int64_t least[sizeof mine / sizeof *mine];
	if (shim.mpi.Allreduce(mine, least, sizeof mine / sizeof *mine, MPI_INT64_T, MPI_MIN, shim.private_comm) != MPI_SUCCESS)
		return -EIO;
	shim.least = least[0];
	e->options_differ = least[1];
	e->complains = (uint32_t)least[2];
	*near = least[4] != INT64_MAX && least[3] < -least[4];
	return 0;
}

static int start(const struct vmo_config *config, struct vmo_memhook *hook, struct meeting *m)
{
	bool near = false;
	int rc;

	vmo_vm_of(&shim.engine, &m->own);
	rc = agree_on_terms(config, m->own.domid, &near);
	if (rc)
		return rc;
	if (near)
		rc = find_host(m);
	if (!rc)
		rc = prepare(m);
	rc = worst(rc, shim.private_comm);
	if (rc) {
		snprintf(shim.engine.why, sizeof shim.engine.why, "%s for start-up on some rank",
		         rc == -ENOMEM ? "no memory" : "no communicator");
		return rc;
	}
	vmo_report_mistakes(config);	/* a matter of all ranks; what follows is each host's */
	return vmo_engine_start(&shim.engine, hook, exchange, &m->host);
}

int vmo_host_start(const struct vmo_config *config, struct vmo_memhook *hook)
{
	struct meeting m = { .vm = MPI_COMM_NULL, .leaders = MPI_COMM_NULL, .host = MPI_COMM_NULL };
	int rc = start(config, hook, &m);

	drop(&m.vm);
	drop(&m.leaders);
	drop(&m.host);
	return rc;
}
