/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "flow.h"

#include "fault.h"
#include "stats.h"

#include <stdlib.h>

#define ROOM_LEAST 64

bool vmo_detailed;
struct vmo_detail vmo_detail;

static void add(struct vmo_tally *tally, uint64_t messages, uint64_t bytes)
{
	__atomic_fetch_add(&tally->messages, messages, __ATOMIC_RELAXED);
	__atomic_fetch_add(&tally->bytes, bytes, __ATOMIC_RELAXED);
}

/* Numbers wrap: adding -n takes n away. */
static void add_ways(struct vmo_tally way[VMO_WAYS], enum vmo_way which, uint64_t bytes, uint64_t twice, int sign)
{
	uint64_t unit = (uint64_t)(int64_t)sign;

	add(&way[which], unit, (bytes - twice) * unit);
	if (twice)
		add(&way[VMO_WAY_STAGED], 0, twice * unit);
}

void vmo_flow_count(struct vmo_flow *flow, enum vmo_way way, uint64_t bytes, uint64_t twice, int sign)
{
	int size = bytes ? 63 - __builtin_clzll(bytes) : 0;

	add_ways(vmo_detail.size[size < VMO_SIZES ? size : VMO_SIZES - 1], way, bytes, twice, sign);
	add_ways(flow ? flow->way : vmo_detail.unpaired, way, bytes, twice, sign);
}

uint64_t vmo_flow_clock(void)
{
	vmo_count(clock_reads, 1);
	return vmo_now_ns();
}

/* ---- the flows of many ranks ---- */

static int compare(const void *a, const void *b)
{
	const struct vmo_flow *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->to < y->to ? -1 : x->to > y->to;
}

/* One flow for each pair. */
static void combine(struct vmo_matrix *m)
{
	uint32_t kept = 0;

	if (m->n)
		qsort(m->at, m->n, sizeof *m->at, compare);
	for (uint32_t i = 0; i < m->n; i++) {
		struct vmo_flow *last = kept ? &m->at[kept - 1] : NULL;
		if (!last || compare(last, &m->at[i])) {
			m->at[kept++] = m->at[i];
			continue;
		}
		for (int way = 0; way < VMO_WAYS; way++) {
			last->way[way].messages += m->at[i].way[way].messages;
			last->way[way].bytes += m->at[i].way[way].bytes;
		}
		last->bounced += m->at[i].bounced;
	}
	m->n = kept;
}

static bool make_room(struct vmo_matrix *m)
{
	combine(m);
	if (m->room && m->n <= m->room / 2)
		return true;
	uint32_t room = m->room ? 2 * m->room : ROOM_LEAST;
	struct vmo_flow *more = vmo_fault(matrix) ? NULL : realloc(m->at, room * sizeof *more);
	if (!more)
		return m->n < m->room;
	m->at = more;
	m->room = room;
	return true;
}

void vmo_matrix_add(struct vmo_matrix *m, const struct vmo_flow *flow)
{
	if (m->n == m->room && !make_room(m))
		m->lost = true;
	else
		m->at[m->n++] = *flow;
}

void vmo_matrix_settle(struct vmo_matrix *m)
{
	combine(m);
	for (uint32_t i = 0; i < m->n; i++) {
		const struct vmo_flow back = { .from = m->at[i].to, .to = m->at[i].from };
		struct vmo_flow *sender = m->at[i].bounced ? bsearch(&back, m->at, m->n, sizeof back, compare) : NULL;
		if (!sender)
			continue;
		struct vmo_tally *one = &sender->way[VMO_WAY_ONECOPY];
		uint64_t twice = m->at[i].bounced < one->bytes ? m->at[i].bounced : one->bytes;
		one->bytes -= twice;
		sender->way[VMO_WAY_STAGED].bytes += twice;
	}
}
