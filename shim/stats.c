/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stats.h"

#include <inttypes.h>

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

void vmo_fall_through(enum vmo_reason reason, uint64_t bytes)
{
	__atomic_fetch_add(&vmo_stats.reason_messages[reason], 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&vmo_stats.reason_bytes[reason], bytes, __ATOMIC_RELAXED);
}

const char *vmo_reason_text(enum vmo_reason reason)
{
	return reason_texts[reason];
}

static uint64_t fallen_bytes(const struct vmo_stats *sum)
{
	uint64_t bytes = 0;

	for (int i = 0; i < VMO_REASONS; i++)
		bytes += sum->reason_bytes[i];
	return bytes;
}

static const char *human(uint64_t bytes, char text[32])
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double value = (double)bytes;
	int unit = 0;

	for (; value >= 1024 && unit < 5; unit++)
		value /= 1024;
	snprintf(text, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return text;
}

/* Every reason with its share: nothing of what fell through is hidden. */
static void print_reasons(FILE *out, const struct vmo_stats *sum, uint64_t all)
{
	const char *before = " (";

	for (int i = 0; i < VMO_REASONS; i++) {
		if (!sum->reason_bytes[i])
			continue;
		fprintf(out, "%s%s %.1f %%", before, reason_texts[i], 100.0 * (double)sum->reason_bytes[i] / (double)all);
		before = ", ";
	}
	if (*before == ',')
		fputc(')', out);
}

static void print_line(FILE *out, const struct vmo_stats *sum, bool emulated, int world)
{
	uint64_t one = sum->counter[VMO_C_onecopy_bytes], staged = sum->counter[VMO_C_staged_bytes];
	uint64_t twice = sum->counter[VMO_C_edge_bytes] + sum->counter[VMO_C_bounced_bytes];
	uint64_t fallen = fallen_bytes(sum), all = one + staged + fallen;
	char text[32];

	twice = twice < one ? twice : one;	/* bytes within one-copy messages that were copied twice */
	one -= twice;
	staged += twice;
	fprintf(out, "vmonecopy: %d ranks, %s sent in large messages", world, human(all, text));
	if (all) {
		fprintf(out, ": %.1f %% one-copy, %.1f %% staged, %.1f %% fell through",
		        100.0 * (double)one / (double)all, 100.0 * (double)staged / (double)all,
		        100.0 * (double)fallen / (double)all);
		print_reasons(out, sum, all);
	}
	fputs(emulated ? " [EMULATED Xen]\n" : "\n", out);
}

static void print_full(FILE *out, const struct vmo_stats *sum)
{
	for (int i = 0; i < VMO_COUNTERS; i++)
		if (sum->counter[i])
			fprintf(out, "vmonecopy:   %s %" PRIu64 "\n", counter_names[i], sum->counter[i]);
	if (fallen_bytes(sum))
		fprintf(out, "vmonecopy:   fell_through_bytes %" PRIu64 "\n", fallen_bytes(sum));
	for (int i = 0; i < VMO_REASONS; i++)
		if (sum->reason_messages[i])
			fprintf(out, "vmonecopy:   fell_through.%s %" PRIu64 " messages %" PRIu64 " bytes\n",
			        reason_names[i], sum->reason_messages[i], sum->reason_bytes[i]);
	for (int i = 0; i < VMO_CALLS; i++)
		if (sum->call[i])
			fprintf(out, "vmonecopy:   MPI_%s %" PRIu64 "\n", call_names[i], sum->call[i]);
}

void vmo_report(FILE *out, const struct vmo_stats *sum, bool full, bool emulated, int world, const char *inactive)
{
	if (inactive)
		fprintf(out, "vmonecopy: INACTIVE: %s\n", inactive);
	else
		print_line(out, sum, emulated, world);
	if (full)
		print_full(out, sum);
	fflush(out);
}
