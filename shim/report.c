/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report.h"

#include <inttypes.h>
#include <string.h>

#define FILE_PREFIX "json:"

enum vmo_report_level vmo_report_level(const char *text)
{
	static const char *const names[] = { "none", "line", "full" };

	for (int level = 0; level < 3; level++)
		if (!strcmp(text, names[level]))
			return (enum vmo_report_level)level;
	return vmo_report_path(text) ? VMO_REPORT_JSON : VMO_REPORT_LINE;
}

const char *vmo_report_path(const char *text)
{
	size_t prefix = strlen(FILE_PREFIX);

	return !strncmp(text, FILE_PREFIX, prefix) && text[prefix] ? text + prefix : NULL;
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
		fprintf(out, "%s%s %.1f %%", before, vmo_reason_text((enum vmo_reason)i),
		        100.0 * (double)sum->reason_bytes[i] / (double)all);
		before = ", ";
	}
	if (*before == ',')
		fputc(')', out);
}

static void print_line(FILE *out, const struct vmo_summary *s)
{
	struct vmo_split split = vmo_split_of(s->sum);
	uint64_t all = split.onecopy + split.staged + split.fell;
	char text[32];

	fprintf(out, "vmonecopy: %d ranks, %s sent in large messages", s->world, human(all, text));
	if (all) {
		fprintf(out, ": %.1f %% one-copy, %.1f %% staged, %.1f %% fell through",
		        100.0 * (double)split.onecopy / (double)all, 100.0 * (double)split.staged / (double)all,
		        100.0 * (double)split.fell / (double)all);
		print_reasons(out, s->sum, all);
	}
	fputs(s->emulated ? " [EMULATED Xen]\n" : "\n", out);
}

static void print_counters(FILE *out, const struct vmo_stats *sum)
{
	for (int i = 0; i < VMO_COUNTERS; i++)
		if (sum->counter[i])
			fprintf(out, "vmonecopy:   %s %" PRIu64 "\n", vmo_counter_name((enum vmo_counter)i), sum->counter[i]);
	if (vmo_fallen_bytes(sum))
		fprintf(out, "vmonecopy:   fell_through_bytes %" PRIu64 "\n", vmo_fallen_bytes(sum));
	for (int i = 0; i < VMO_REASONS; i++)
		if (sum->reason_messages[i])
			fprintf(out, "vmonecopy:   fell_through.%s %" PRIu64 " messages %" PRIu64 " bytes\n",
			        vmo_reason_name((enum vmo_reason)i), sum->reason_messages[i], sum->reason_bytes[i]);
	for (int i = 0; i < VMO_CALLS; i++)
		if (sum->call[i])
			fprintf(out, "vmonecopy:   MPI_%s %" PRIu64 "\n", vmo_call_name((enum vmo_call)i), sum->call[i]);
}

static bool any(const struct vmo_tally way[VMO_WAYS])
{
	return way[VMO_WAY_ONECOPY].messages || way[VMO_WAY_STAGED].messages || way[VMO_WAY_FELL].messages ||
	       way[VMO_WAY_STAGED].bytes;
}

static void print_ways(FILE *out, const struct vmo_tally way[VMO_WAYS])
{
	char one[32], staged[32], fell[32];

	fprintf(out, ": %" PRIu64 " messages, %s one-copy, %s staged, %s fell through\n",
	        way[VMO_WAY_ONECOPY].messages + way[VMO_WAY_STAGED].messages + way[VMO_WAY_FELL].messages,
	        human(way[VMO_WAY_ONECOPY].bytes, one), human(way[VMO_WAY_STAGED].bytes, staged),
	        human(way[VMO_WAY_FELL].bytes, fell));
}

static void print_matrix(FILE *out, const struct vmo_summary *s)
{
	for (uint32_t i = 0; i < s->matrix->n; i++) {
		const struct vmo_flow *flow = &s->matrix->at[i];
		if (!any(flow->way))
			continue;
		fprintf(out, "vmonecopy:   from domain %u (rank %u, %s)", flow->from_domid, flow->from, flow->host);
		if (flow->to == VMO_FLOW_ELSEWHERE)
			fputs(" to VMs of other hosts", out);
		else
			fprintf(out, " to domain %u (rank %u)", flow->to_domid, flow->to);
		print_ways(out, flow->way);
	}
	if (any(s->detail->unpaired)) {
		fputs("vmonecopy:   of no pair of VMs", out);
		print_ways(out, s->detail->unpaired);
	}
	if (s->matrix->lost)
		fputs("vmonecopy:   some pairs of VMs are missing, for want of memory\n", out);
}

static void print_sizes(FILE *out, const struct vmo_detail *detail)
{
	char least[32], most[32];

	for (int i = 0; i < VMO_SIZES; i++) {
		if (!any(detail->size[i]))
			continue;
		fprintf(out, "vmonecopy:   size %s to %s", human((uint64_t)1 << i, least),
		        i < VMO_SIZES - 1 ? human((uint64_t)2 << i, most) : "any");
		print_ways(out, detail->size[i]);
	}
}

struct vmo_rates vmo_rates_of(const struct vmo_stats *sum)
{
	const uint64_t *c = sum->counter;
	struct vmo_rates rates = { .runs_used = c[VMO_C_map_hits] + c[VMO_C_maps], .runs_found_mapped = c[VMO_C_map_hits] };

	rates.sent_in_place = c[VMO_C_onecopy_messages] + c[VMO_C_late_messages];
	if (rates.sent_in_place > c[VMO_C_substitutions])
		rates.found_in_place = rates.sent_in_place - c[VMO_C_substitutions];
	return rates;
}

static void print_rates(FILE *out, const struct vmo_stats *sum)
{
	struct vmo_rates r = vmo_rates_of(sum);

	if (r.sent_in_place)
		fprintf(out, "vmonecopy:   sent in place: %" PRIu64 " messages, %.1f %% found their pages granted already\n",
		        r.sent_in_place, 100.0 * (double)r.found_in_place / (double)r.sent_in_place);
	if (r.runs_used)
		fprintf(out, "vmonecopy:   runs of peers: used %" PRIu64 " times, %.1f %% were mapped already\n", r.runs_used,
		        100.0 * (double)r.runs_found_mapped / (double)r.runs_used);
}

void vmo_report_text(FILE *out, const struct vmo_summary *s, bool full)
{
	if (s->inactive)
		fprintf(out, "vmonecopy: INACTIVE: %s\n", s->inactive);
	else
		print_line(out, s);
	if (full) {
		print_counters(out, s->sum);
		if (s->detail) {
			print_matrix(out, s);
			print_sizes(out, s->detail);
			print_rates(out, s->sum);
		}
	}
	fflush(out);
}
