/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mpi_coll.h: collectives. MPI's own never call the public MPI_Send, so large ones are done here.
 *
 *   mpi_coll_comm.c     what a communicator's ranks agree upon: who is where, the private communicator
 *   mpi_coll_exchange.c pieces to and from many ranks at once: records, pulls, the rest by MPI
 *   mpi_coll_later.c    nonblocking ones: MPI's, counted; mpi_coll_init.c: persistent ones likewise
 *   mpi_coll_alltoall.c Alltoall, Alltoallv, Alltoallw
 *   mpi_coll_gather.c   Gather, Gatherv, Scatter, Scatterv, Allgather, Allgatherv
 *   mpi_coll_bcast.c    Bcast
 *   mpi_coll_reduce.c   Reduce, Allreduce, Reduce_scatter, Reduce_scatter_block
 *   mpi_coll_operand.c  a reduction that reads its operand in the peer's pages
 *   mpi_coll_op.c       which reductions those may be
 *
 * ONE EXCHANGE (all collectives are made of these)
 *
 *   rank i                                              rank j
 *   offer of the piece for j (rndv.h), then
 *   record, 64 bytes, private communicator    ----->    posted before; the piece is pulled into its place, or
 *                                             <- FIN -  read as the operand of a reduction
 *   an empty record and the piece by MPI      ----->    where the offer found no pages
 *   the piece by MPI, no record               ----->    pairs in one VM, on two hosts, and pieces below the threshold
 *
 * Each rank reads straight from every co-resident peer: no tree, no leader and no ring of copies, for a mapping may
 * be read by all at once. A leader for a VM would copy once more, so there is none.
 *
 * THE DECISION whether a call is done here or by MPI must be the same on all ranks: a rank that decides alone is a
 * deadlock. It uses only
 *   1. what was agreed in MPI_Init: all ranks of MPI_COMM_WORLD can take part and some pair is on (shim.coll.usable),
 *      the thresholds (the greatest that any rank has);
 *   2. the communicator: is it an intercommunicator, has it ranks of another MPI_COMM_WORLD (then every one of its
 *      ranks sees a foreign one), and what its ranks agreed upon at their first collective that may be large;
 *   3. bytes of arguments whose type signature MPI demands to be equal on all ranks (MPI 3.1): Bcast (5.4: "the amount
 *      of data sent must be equal to the amount received, pairwise between each process and the root"), Gather 5.5,
 *      Scatter 5.6, Allgather 5.7, Alltoall 5.8, Reduce 5.9.1, Allreduce 5.9.6, Reduce_scatter 5.10; Allgatherv's
 *      and Reduce_scatter's array of counts is the same on all ranks. Where the root's own argument is
 *      MPI_IN_PLACE, its other one counts. MPI_IN_PLACE itself is given by all ranks or none in Alltoall*;
 *   4. sizes that only a pair knows (Alltoallv and w, Gatherv, Scatterv) decide nothing alone: the largest piece of
 *      any rank is agreed at the 1st, 2nd, 4th ... call and then at each 128th (vmo_coll_v_large); all ranks count
 *      the same calls. Between, one algorithm for all, which chooses for each pair, by the bytes that its two ends
 *      both know (5.8: "the type signature associated with sendcounts[j], sendtypes[j] at process i must be equal to
 *      the type signature associated with recvcounts[i], recvtypes[i] at process j").
 * Whether a pair is on was agreed by its two ends in MPI_Init. Which pages can be had is known to the sender alone:
 * its record says so. Wrong arguments are MPI's to report: the call goes there; in a program where only some ranks
 * call wrongly the others then wait, as they would in MPI.
 *
 * MORE THAN TWO DOMAINS: a page is granted to one domain. Pieces that differ by target (Alltoall*, Scatter*, the
 * reductions' segments) lie in different pages, so each goes in place to its own domain. One piece for all (Bcast,
 * Allgather*) is in place for the first domain and staged for the others. Gather* has one target.
 *
 * COMMUNICATORS WITH SEVERAL HOSTS: pairs apart exchange by MPI on the private communicator, Bcast within all that
 * the root is not on with by MPI's own MPI_Bcast.
 *
 * WAITING: all ranks are within the call or must come, so no sender detaches; whoever waits makes everybody's progress.
 *
 * THREADS: any; collectives on one communicator never run at once (MPI 3.1, 12.4.3), so its state needs no lock.
 *
 * NOT HANDLED, MPI's own then and counted where large: intercommunicators, MPI_IN_PLACE of Alltoall*, communicators of
 * more than VMO_COLL_RANKS ranks, Scan and Exscan, neighbourhood collectives, nonblocking and persistent ones. Packed
 * types are staged as in point-to-point.
 */
#ifndef VMO_MPI_COLL_H
#define VMO_MPI_COLL_H

#include "mpi_shim.h"

#define VMO_COLL_RANKS 1024

/* Tags on the private communicator. Order is MPI's: between two ranks each is used in the order of the calls. */
enum { VMO_COLL_RECORD = 1, VMO_COLL_DATA = 2 };

/* What one rank is to another. */
enum { VMO_COLL_APART, VMO_COLL_SAME_VM, VMO_COLL_ON };

/* One piece on its way in. */
struct vmo_coll_in {
	struct vmo_peer *peer;
	struct vmo_rx rx;		/* where it goes */
	bool used;
	bool hold;			/* the caller takes it from its record */
	bool offered;			/* the record is here, not yet pulled from */
	char record[VMO_RTS_BYTES];
};

/* What the ranks of one communicator agreed upon, and room for one collective of theirs. */
struct vmo_coll {
	bool on;			/* collectives may be done here */
	int rank, size;
	MPI_Comm comm;			/* private: the same ranks in the same order */
	const struct vmo_comm_map *map;
	uint8_t *relation;		/* [size][size] */
	/* calls whose sizes only pairs know */
	struct vmo_coll_v { uint32_t calls, agree_at; bool large; uint64_t largest; } v[3];
	/* Bcast by MPI among the ranks that the root is not on with; by the lowest root with the same such ranks */
	struct vmo_coll_rest { bool known; MPI_Comm comm; } *rest;	/* [size] */
	MPI_Count least;		/* bytes of a piece from which on it goes by record: of this call, the same on all ranks */
	/* two exchanges: the second may begin while others still take the pieces of the first */
	int round;			/* 0, 1: which one is being filled */
	struct vmo_coll_in *in;		/* [2][size], by source */
	struct vmo_op **out;		/* [2][size], by target */
	MPI_Request *request;		/* [2][3][size]: of in; of records out; of data out */
	int *index;			/* [2 * 3 * size] */
	MPI_Status *status;		/* [2 * 3 * size] */
	int error;
	/* kept from call to call, so that its pages can stay in place */
	char *scratch[2];
	size_t scratch_bytes[2];
};

enum vmo_coll_v_kind { VMO_COLL_ALLTOALLV, VMO_COLL_GATHERV, VMO_COLL_SCATTERV };

/* mpi_coll_comm.c */
/* In MPI_Init, collective: may collectives be done here at all? willing: this rank can take part. */
void vmo_coll_setup(const struct vmo_config *config, bool willing);
/*
 * The communicator's state if a collective with this many bytes on all ranks is done here; else NULL: MPI does it, and
 * what is large is counted, with `mine` bytes that this rank sends, `to_all` others or once. Collective at a
 * communicator's first large one. With NULL *rc is -1, or, raised, the error of a rank that has no memory to tell
 * what the others will do.
 */
struct vmo_coll *vmo_coll_for(MPI_Comm comm, MPI_Count bytes, MPI_Count threshold, MPI_Count mine, bool to_all, int *rc);
/* The communicator's map; NULL and *rc likewise. */
struct vmo_comm_map *vmo_coll_map(MPI_Comm comm, int *rc);
/*
 * The same for calls whose sizes only pairs know, each small one of which comes here: so the caller has looked the map
 * up. largest: of this rank's pieces; mine: all that it sends.
 */
struct vmo_coll *vmo_coll_for_v(MPI_Comm comm, struct vmo_comm_map *map, enum vmo_coll_v_kind kind, MPI_Count largest,
                                MPI_Count mine);
/* This rank in the communicator, or -1. */
static inline int vmo_coll_rank(MPI_Comm comm, const struct vmo_comm_map *map)
{
	int rank = -1;

	if (vmo_likely(map->coll != NULL))
		return map->coll->rank;
	shim.mpi.Comm_rank(comm, &rank);
	return rank;
}
void vmo_coll_free(struct vmo_coll *coll);
/* Scratch memory of the communicator, or NULL. Two of them. */
char *vmo_coll_scratch(struct vmo_coll *coll, int which, size_t bytes);

/* mpi_coll_exchange.c */
/* Pieces to and from every rank but oneself, each at most once; empty ones need not be named. */
void vmo_coll_begin(struct vmo_coll *coll);
/* The second exchange; what comes in the first is here already. vmo_coll_end ends both. */
void vmo_coll_begin_second(struct vmo_coll *coll);
void vmo_coll_recv(struct vmo_coll *coll, int source, void *buf, MPI_Count count, MPI_Datatype type);
/* The same, but a record is left for vmo_coll_await; by MPI the piece comes to buf. */
void vmo_coll_recv_held(struct vmo_coll *coll, int source, void *buf, MPI_Count count, MPI_Datatype type);
void vmo_coll_send(struct vmo_coll *coll, int target, const void *buf, MPI_Count count, MPI_Datatype type);
/* In the exchange begun last: waits until the piece from there is in its buffer (false) or its record is here (true). */
bool vmo_coll_await(struct vmo_coll *coll, int source);
/* Brings a held piece into its buffer. */
void vmo_coll_take(struct vmo_coll *coll, int source);
/* Waits until the own pieces have been taken and all others are here. MPI error code. */
int vmo_coll_end(struct vmo_coll *coll);
/* A typed copy within this rank. */
void vmo_coll_self(struct vmo_coll *coll, const void *from, MPI_Count sendcount, MPI_Datatype sendtype, void *to,
                   MPI_Count recvcount, MPI_Datatype recvtype);
void vmo_coll_note(struct vmo_coll *coll, int error);

/* Which rank is served at this step: starts at the next one, so that not all run to the same. */
static inline int vmo_coll_turn(const struct vmo_coll *coll, int step)
{
	return (coll->rank + step) % coll->size;
}

/* An argument's bytes, or -1: it is wrong, MPI shall say so. */
static inline MPI_Count vmo_coll_bytes(MPI_Count count, MPI_Datatype type)
{
	struct vmo_layout layout;

	return vmo_layout_of(count, type, &layout) ? layout.bytes : -1;
}

static inline MPI_Aint vmo_coll_extent(MPI_Datatype type)
{
	MPI_Aint lb, extent = 0;

	shim.mpi.Type_get_extent(type, &lb, &extent);
	return extent;
}

/* A null buffer where there must be one: MPI shall say so. */
static inline bool vmo_coll_null(const void *buf, MPI_Count bytes, MPI_Datatype type)
{
	return vmo_unlikely(!buf) && bytes > 0 && vmo_type_contiguous(type);
}

#ifdef MPICH_NUMVERSION
#define VMO_COLL_ALIASES_REFUSED true
#else
#define VMO_COLL_ALIASES_REFUSED false
#endif

/*
 * Two buffers that may not be the same one (MPI 3.1, 5.1 to 5.10). MPICH says so on the rank that errs, before anything
 * is sent: it shall. Open MPI does not look, and here such a call is as good as one in place.
 */
static inline bool vmo_coll_alias(const void *a, const void *b, MPI_Count bytes)
{
	return VMO_COLL_ALIASES_REFUSED && vmo_unlikely(a == b) && bytes > 0 && a != MPI_IN_PLACE && a != MPI_BOTTOM;
}

/* Arrays of counts or displacements: int, or of the large-count calls. */
struct vmo_coll_array {
	const int *narrow;
	const void *wide;	/* MPI_Count or MPI_Aint: both of 64 bits */
};

static inline MPI_Count vmo_coll_at(struct vmo_coll_array array, int i)
{
	return array.narrow ? array.narrow[i] : ((const MPI_Count *)array.wide)[i];
}

/* A buffer with a piece for each rank, uniform or by arrays. Displacements count extents, or bytes where `types`. */
struct vmo_coll_side {
	const void *buf;
	MPI_Count count;
	MPI_Datatype type;
	MPI_Aint extent;	/* of type; vmo_coll_piece needs it */
	bool arrays;
	struct vmo_coll_array counts, displs;
	const MPI_Datatype *types;
};

struct vmo_coll_piece {
	void *at;
	MPI_Count count;
	MPI_Datatype type;
};

struct vmo_coll_piece vmo_coll_piece(const struct vmo_coll_side *side, int rank);

struct vmo_coll_sizes {
	MPI_Count largest, sum;
	bool wrong;		/* some argument is: MPI shall say so */
};

/* Bytes of the pieces of all ranks but one (-1: of all). */
struct vmo_coll_sizes vmo_coll_sizes(const struct vmo_coll_side *side, int size, int but);

static inline struct vmo_coll_side vmo_coll_even(const void *buf, MPI_Count count, MPI_Datatype type)
{
	return (struct vmo_coll_side){ .buf = buf, .count = count, .type = type };
}

static inline struct vmo_coll_side vmo_coll_narrow(const void *buf, const int *counts, const int *displs,
                                                   MPI_Datatype type, const MPI_Datatype *types)
{
	return (struct vmo_coll_side){ .buf = buf, .type = type, .types = types, .arrays = true,
	                               .counts.narrow = counts, .displs.narrow = displs };
}

static inline struct vmo_coll_side vmo_coll_wide(const void *buf, const MPI_Count *counts, const MPI_Aint *displs,
                                                 MPI_Datatype type, const MPI_Datatype *types)
{
	return (struct vmo_coll_side){ .buf = buf, .type = type, .types = types, .arrays = true,
	                               .counts.wide = counts, .displs.wide = displs };
}

/* Is this rank's own piece of the side the other buffer itself? */
static inline bool vmo_coll_alias_own(struct vmo_coll_side side, int rank, const void *buf, MPI_Count bytes,
                                      MPI_Datatype type)
{
	if (!VMO_COLL_ALIASES_REFUSED || side.type != type || side.types)
		return false;
	side.extent = vmo_coll_extent(type);
	return vmo_coll_alias(vmo_coll_piece(&side, rank).at, buf, bytes);
}

/* mpi_coll_op.c */
/* Right for MPI: a predefined operation on a type that it is defined for. */
bool vmo_coll_op_plain(MPI_Op op, MPI_Datatype type);
/* The user's own. */
bool vmo_coll_op_own(MPI_Op op);

/* mpi_coll_operand.c */
/*
 * inout = operand op inout, for all elements. The operand is what the awaited record of `source` offers: read in its
 * pages where `direct`, else (or where they can't be mapped) pulled into the piece's buffer first. Finishes it.
 */
void vmo_coll_operand(struct vmo_coll *coll, int source, void *inout, MPI_Op op, bool direct);
/* inout = from op inout. */
void vmo_coll_apply(struct vmo_coll *coll, const void *from, void *inout, MPI_Count count, MPI_Datatype type, MPI_Op op);

#endif
