/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stats.h"

struct vmo_stats vmo_stats;
bool vmo_stats_alone;

static const char *const counter_names[] = {
#define X(id, doc) #id,
#include "counters.def"
#undef X
};

static const char *const reason_names[] = {
#define X(id, text) #id,
#include "reasons.def"
#undef X
};

static const char *const reason_texts[] = {
#define X(id, text) text,
#include "reasons.def"
#undef X
};

static const char *const call_names[] = {
#define X(name) #name,
#include "calls.def"
#undef X
};

void vmo_fall_through_to(struct vmo_flow *flow, enum vmo_reason reason, uint64_t bytes)
{
	if (vmo_unlikely(vmo_detailed))
		vmo_flow_count(flow, VMO_WAY_FELL, bytes, 0, 1);
	__atomic_fetch_add(&vmo_stats.reason_messages[reason], 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&vmo_stats.reason_bytes[reason], bytes, __ATOMIC_RELAXED);
}

void vmo_fall_through(enum vmo_reason reason, uint64_t bytes)
{
	vmo_fall_through_to(NULL, reason, bytes);
}

const char *vmo_reason_text(enum vmo_reason reason)
{
	return reason_texts[reason];
}

const char *vmo_reason_name(enum vmo_reason reason)
{
	return reason_names[reason];
}

const char *vmo_counter_name(enum vmo_counter counter)
{
	return counter_names[counter];
}

const char *vmo_call_name(enum vmo_call call)
{
	return call_names[call];
}

uint64_t vmo_fallen_bytes(const struct vmo_stats *sum)
{
	uint64_t bytes = 0;

	for (int i = 0; i < VMO_REASONS; i++)
		bytes += sum->reason_bytes[i];
	return bytes;
}

uint64_t vmo_fallen_messages(const struct vmo_stats *sum)
{
	uint64_t messages = 0;

	for (int i = 0; i < VMO_REASONS; i++)
		messages += sum->reason_messages[i];
	return messages;
}

/* Bytes within one-copy messages that were copied twice: partial pages, and what a receiver had to copy once more. */
struct vmo_split vmo_split_of(const struct vmo_stats *sum)
{
	uint64_t one = sum->counter[VMO_C_onecopy_bytes], staged = sum->counter[VMO_C_staged_bytes];
	uint64_t twice = sum->counter[VMO_C_edge_bytes] + sum->counter[VMO_C_bounced_bytes];

	twice = twice < one ? twice : one;
	return (struct vmo_split){ one - twice, staged + twice, vmo_fallen_bytes(sum) };
}
