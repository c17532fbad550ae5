/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan_print.c: a plan in words, for --verbose and failures. */
#include "plan.h"

static const char *const comm_name[MAX_COMMS] = {
	"world", "dup", "reversed", "half", "cart", "inter", "self", "anytag", "any", "fresh0", "fresh1", "fresh2", "fresh3",
};
static const char *const unit_name[UNITS] = { "byte", "char", "short", "int", "long", "double", "record", "mixed" };
static const char *const send_name[SEND_WAYS] = {
	"Send", "Ssend", "Bsend", "Rsend", "combined", "Isend", "Issend", "Ibsend", "Irsend", "Send_init", "Ssend_init",
	"Bsend_init", "Rsend_init",
};
static const char *const recv_name[RECV_WAYS] = {
	"Recv", "Probe+Recv", "Iprobe+Recv", "Mprobe+Mrecv", "Improbe+Mrecv", "combined", "Mprobe+Imrecv", "Improbe+Imrecv",
	"Probe+Irecv", "Mprobe+late Mrecv", "Irecv", "Recv_init",
};
static const char *const ring_name[RING_WAYS] = { "Sendrecv", "Sendrecv_replace", "Isendrecv", "Isendrecv_replace" };
static const char *const make_name[MAKE_WAYS] = { "dup", "idup", "split, reversed", "dup of inter" };

void plan_print_msg(const struct msg *m, FILE *out)
{
	fprintf(out, "message %d: %d -> %d, %s, tag %d, %ld bytes (%ld %s, room %ld); %s", m->id, m->src, m->dst,
	        comm_name[m->comm], m->tag, m->units * unit_bytes(m->unit), m->units, unit_name[m->unit], m->room,
	        m->send == S_COMBINED ? ring_name[m->ring] : send_name[m->send]);
	fprintf(out, " %d-%d, %s %d-%d", m->s_start, m->s_end, recv_name[m->recv], m->r_start, m->r_end);
	fprintf(out, "%s%s%s%s%s%s%s", m->any_source ? ", any source" : "", m->any_tag ? ", any tag" : "",
	        m->s_large ? ", send_c" : "", m->r_large ? ", recv_c" : "", m->truncated ? ", truncated" : "",
	        m->freed ? ", send freed" : "", m->ignore ? ", no status" : "");
	if (m->group >= 0)
		fprintf(out, ", group %d", m->group);
	if (m->shares != m->id)
		fprintf(out, ", sends the buffer of %d", m->shares);
	if (m->s_chain != m->id)
		fprintf(out, ", sent by the request of %d", m->s_chain);
	if (m->r_chain != m->id)
		fprintf(out, ", received by the request of %d", m->r_chain);
	fputc('\n', out);
}

static void print_event(const struct event *e, int step, FILE *out)
{
	switch (e->kind) {
	case E_TOKEN:
		fprintf(out, "%4d  token %d -> %d for message %d\n", step, e->from, e->to, e->msg);
		break;
	case E_PEEK:
		fprintf(out, "%4d  %d probes for message %d\n", step, e->to, e->msg);
		break;
	case E_BARRIER:
		fprintf(out, "%4d  barrier on %s\n", step, comm_name[e->comm]);
		break;
	case E_IBARRIER:
		fprintf(out, "%4d  nonblocking barrier on %s, ends in %d\n", step, comm_name[e->comm], e->end);
		break;
	case E_ALLREDUCE:
		fprintf(out, "%4d  sum on %s\n", step, comm_name[e->comm]);
		break;
	case E_BCAST:
		fprintf(out, "%4d  broadcast of %ld bytes from %d on %s\n", step, e->bytes, e->from, comm_name[e->comm]);
		break;
	case E_ALLTOALL:
		fprintf(out, "%4d  all-to-all of %ld bytes on %s\n", step, e->bytes, comm_name[e->comm]);
		break;
	case E_COMM_MAKE:
		fprintf(out, "%4d  %s is made: %s\n", step, comm_name[e->comm], make_name[e->make]);
		break;
	case E_COMM_FREE:
		fprintf(out, "%4d  %s is freed\n", step, comm_name[e->comm]);
		break;
	default:
		break;
	}
}

void plan_print(const struct plan *plan, int first, int last, FILE *out)
{
	fprintf(out, "seed %llu, %d ranks: %d messages in %d steps; ranges are steps of start and end\n",
	        (unsigned long long)plan->seed, plan->ranks, plan->msgs, plan->steps);
	for (int s = first; s <= last && s < plan->steps; s++) {
		print_event(&plan->event[s], s, out);
		for (int i = 0; i < plan->msgs; i++)
			if (plan->msg[i].step == s && !plan->msg[i].dropped) {
				fprintf(out, "%4d  ", s);
				plan_print_msg(&plan->msg[i], out);
			}
	}
	fflush(out);
}
