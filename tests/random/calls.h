/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* calls.h: the MPI's send and receive calls by way, with large counts where the plan and the MPI have them. */
#ifndef CALLS_H
#define CALLS_H

#include "exec.h"

void call_send(struct side *side);		/* Send, Ssend, Bsend, Rsend */
void call_isend(struct side *side);		/* Isend, ... */
void call_send_init(struct side *side);
void call_irecv(struct side *side, int source, int tag);
void call_recv_init(struct side *side);
int call_recv(struct side *side, int source, int tag, MPI_Status *status);
void call_mrecv(struct side *side, MPI_Status *status);
void call_imrecv(struct side *side);
void call_sendrecv(struct side *out, struct side *in, MPI_Status *status);
void call_sendrecv_replace(struct side *out, struct side *in, MPI_Status *status);
/* Begin it only; where the MPI has none, false. */
bool call_isendrecv(struct side *out, struct side *in, bool replace);

#endif
