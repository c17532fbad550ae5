/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The report as one JSON object. Its members are described in report.h. */
#include "report.h"

#include <inttypes.h>

#include "vmo.h"

/* A string in quotes. Bytes that are no ASCII become '?': a host's name may be anything. */
static void put_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p == '"' || *p == '\\')
			fprintf(out, "\\%c", *p);
		else
			fputc(*p < ' ' || *p > '~' ? '?' : *p, out);
	fputc('"', out);
}

static void put_ways(FILE *out, const struct vmo_tally way[VMO_WAYS])
{
	static const char *const names[VMO_WAYS] = { "onecopy", "staged", "fell_through" };

	for (int i = 0; i < VMO_WAYS; i++)
		fprintf(out, "%s\"%s\": {\"messages\": %" PRIu64 ", \"bytes\": %" PRIu64 "}", i ? ", " : "", names[i],
		        way[i].messages, way[i].bytes);
}

static bool any(const struct vmo_tally way[VMO_WAYS])
{
	uint64_t sum = 0;

	for (int i = 0; i < VMO_WAYS; i++)
		sum |= way[i].messages | way[i].bytes;
	return sum;
}

static void put_head(FILE *out, const struct vmo_summary *s)
{
	struct vmo_split split = vmo_split_of(s->sum);

	fprintf(out, "{\n\"schema\": %d,\n\"library\": \"%s\",\n\"ranks\": %d,\n\"active\": %s,\n\"why\": ", VMO_REPORT_SCHEMA,
	        VMO_VERSION, s->world, s->inactive ? "false" : "true");
	if (s->inactive)
		put_string(out, s->inactive);
	else
		fputs("null", out);
	fprintf(out, ",\n\"emulated\": %s,\n\"bytes\": {\"onecopy\": %" PRIu64 ", \"staged\": %" PRIu64
	        ", \"fell_through\": %" PRIu64 "},\n", s->emulated ? "true" : "false", split.onecopy, split.staged, split.fell);
}

static void put_numbers(FILE *out, const struct vmo_stats *sum)
{
	const char *before = "";

	fputs("\"counters\": {", out);
	for (int i = 0; i < VMO_COUNTERS; i++)
		fprintf(out, "%s\n  \"%s\": %" PRIu64, i ? "," : "", vmo_counter_name((enum vmo_counter)i), sum->counter[i]);
	fputs("\n},\n\"reasons\": {", out);
	for (int i = 0; i < VMO_REASONS; i++) {
		if (!sum->reason_messages[i])
			continue;
		fprintf(out, "%s\n  \"%s\": {\"text\": ", before, vmo_reason_name((enum vmo_reason)i));
		put_string(out, vmo_reason_text((enum vmo_reason)i));
		fprintf(out, ", \"messages\": %" PRIu64 ", \"bytes\": %" PRIu64 "}", sum->reason_messages[i], sum->reason_bytes[i]);
		before = ",";
	}
	fputs("\n},\n\"calls\": {", out);
	before = "";
	for (int i = 0; i < VMO_CALLS; i++) {
		if (!sum->call[i])
			continue;
		fprintf(out, "%s\n  \"MPI_%s\": %" PRIu64, before, vmo_call_name((enum vmo_call)i), sum->call[i]);
		before = ",";
	}
	fputs("\n},\n", out);
}

static void put_rates(FILE *out, const struct vmo_stats *sum)
{
	struct vmo_rates rates = vmo_rates_of(sum);

	fprintf(out, "\"rates\": {\"pool\": {\"lookups\": %" PRIu64 ", \"hits\": %" PRIu64 "}, \"map\": {\"lookups\": %" PRIu64
	        ", \"hits\": %" PRIu64 "}},\n", rates.sent_in_place, rates.found_in_place, rates.runs_used, rates.runs_found_mapped);
	fprintf(out, "\"times\": {\"copy\": %" PRIu64 ", \"stage\": %" PRIu64 ", \"substitute\": %" PRIu64 ", \"map\": %" PRIu64
	        ", \"clock_reads\": %" PRIu64 "},\n", sum->counter[VMO_C_copy_ns], sum->counter[VMO_C_stage_ns],
	        sum->counter[VMO_C_substitute_ns], sum->counter[VMO_C_map_ns], sum->counter[VMO_C_clock_reads]);
}

static void put_sizes(FILE *out, const struct vmo_detail *detail)
{
	const char *before = "";

	fputs("\"sizes\": [", out);
	for (int i = 0; i < VMO_SIZES; i++) {
		if (!any(detail->size[i]))
			continue;
		fprintf(out, "%s\n  {\"least\": %" PRIu64 ", \"most\": ", before, i ? (uint64_t)1 << i : 0);
		if (i < VMO_SIZES - 1)
			fprintf(out, "%" PRIu64 ", ", ((uint64_t)2 << i) - 1);
		else
			fputs("null, ", out);
		put_ways(out, detail->size[i]);
		fputc('}', out);
		before = ",";
	}
	fputs("\n],\n", out);
}

/* The matrix is sorted by `from`. */
static void put_vms(FILE *out, const struct vmo_matrix *matrix)
{
	const struct vmo_flow *last = NULL;

	fputs("\"vms\": [", out);
	for (uint32_t i = 0; i < matrix->n; i++) {
		const struct vmo_flow *flow = &matrix->at[i];
		if (!any(flow->way) || (last && last->from == flow->from))
			continue;
		fprintf(out, "%s\n  {\"vm\": %u, \"domid\": %u, \"host\": ", last ? "," : "", flow->from, flow->from_domid);
		put_string(out, flow->host);
		fputc('}', out);
		last = flow;
	}
	fputs("\n],\n", out);
}

static void put_matrix(FILE *out, const struct vmo_matrix *matrix)
{
	const char *before = "";

	fputs("\"matrix\": [", out);
	for (uint32_t i = 0; i < matrix->n; i++) {
		const struct vmo_flow *flow = &matrix->at[i];
		if (!any(flow->way))
			continue;
		fprintf(out, "%s\n  {\"from\": %u, ", before, flow->from);
		if (flow->to == VMO_FLOW_ELSEWHERE)
			fputs("\"to\": null, \"to_domid\": null, ", out);
		else
			fprintf(out, "\"to\": %u, \"to_domid\": %u, ", flow->to, flow->to_domid);
		put_ways(out, flow->way);
		fputc('}', out);
		before = ",";
	}
	fputs("\n],\n", out);
}

void vmo_report_json(FILE *out, const struct vmo_summary *s)
{
	put_head(out, s);
	put_numbers(out, s->sum);
	put_rates(out, s->sum);
	put_sizes(out, s->detail);
	put_vms(out, s->matrix);
	put_matrix(out, s->matrix);
	fputs("\"unpaired\": {", out);
	put_ways(out, s->detail->unpaired);
	fprintf(out, "},\n\"complete\": %s\n}\n", s->matrix->lost ? "false" : "true");
}
