/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * quirks.h: what the generator leaves out because an MPI by itself, without the library, does it wrongly.
 * The only such place. The generator's programs must be right and pass without the library.
 */
#ifndef QUIRKS_H
#define QUIRKS_H

#include <mpi.h>

/*
 * Open MPI 4.1.4 writes beyond the receive buffer when it truncates a message that it fetches from the
 * sender's memory (5000 bytes into 4000, say): there only messages that it sends eagerly are truncated.
 */
#ifdef OPEN_MPI
#define QUIRK_TRUNCATE_BYTES 2000
/* And it does not report that a posted receive truncated a message of one's own. */
#define QUIRK_TRUNCATE_SELF 0
#else
#define QUIRK_TRUNCATE_BYTES (1 << 20)
#define QUIRK_TRUNCATE_SELF 1
#endif

/*
 * Open MPI 4.1.4: a request of MPI_Bsend_init that is started again after its message has been received sends
 * zeros. There such requests are started once.
 */
#ifdef OPEN_MPI
#define QUIRK_BSEND_INIT_ONCE 1
#else
#define QUIRK_BSEND_INIT_ONCE 0
#endif

/* Open MPI 4.1.4 takes blocks that follow each other backwards without gaps (hvector of stride -1) for forward ones. */
#ifdef OPEN_MPI
#define QUIRK_BACKWARDS_GAP 1
#else
#define QUIRK_BACKWARDS_GAP 0
#endif

#ifdef MPICH
/*
 * MPICH 4.0.2: a buffered send or MPI_Sendrecv_replace of a structure ends with MPI_ERR_TRUNCATE at its receiver,
 * though there is room.
 */
#define QUIRK_STRUCTURES_NOT_PACKED 1
/* MPICH 4.0.2: the status of Isendrecv and Isendrecv_replace is another's. */
#define QUIRK_ISENDRECV_NO_STATUS 1
/* MPICH 4.0.2 loses messages to oneself whose send request is freed, or crashes. */
#define QUIRK_SELF_NOT_FREED 1
/*
 * MPICH 4.0.2: Isendrecv of a derived datatype takes away a reference to it once too often, and Isendrecv_replace
 * of one writes wrong bytes and crashes.
 */
#define QUIRK_ISENDRECV_BASIC 1
/* MPICH 4.0.2: where a send to MPI_PROC_NULL and a receive from it complete in one call, the status is the send's. */
#define QUIRK_PROC_NULL_STATUS 1
#else
#define QUIRK_STRUCTURES_NOT_PACKED 0
#define QUIRK_ISENDRECV_NO_STATUS 0
#define QUIRK_SELF_NOT_FREED 0
#define QUIRK_ISENDRECV_BASIC 0
#define QUIRK_PROC_NULL_STATUS 0
#endif

/*
 * Open MPI 4.1.4 knows no error handler for a receive that fails after its communicator was freed: nothing is
 * truncated on communicators that a plan frees.
 */
#define QUIRK_TRUNCATE_ON_FREED 0

/* MPI 4.0: Isendrecv and the calls with large counts. */
#if MPI_VERSION >= 4
#define HAVE_MPI4 1
#else
#define HAVE_MPI4 0
#endif

#endif
