/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * report.h: what rank 0 says at MPI_Finalize, as text (report.c) and as JSON (report_json.c).
 *
 *   none    nothing
 *   line    one line: bytes of large messages, and how many percent of them went which way, each reason with its share
 *   full    the line; every counter, reason and call that is not zero; bytes from VM to VM, by size, hit rates, times
 *   json    the line; and all of that in a file, whose members docs and tools rely on:
 *
 *   schema          VMO_REPORT_SCHEMA: grows when a member changes its meaning or goes; new ones may come at any time
 *   library         VMO_VERSION
 *   ranks, active, why, emulated       why: null, or why the library did nothing
 *   bytes           { onecopy, staged, fell_through }: of large messages sent, each byte once
 *   counters        all of counters.def, summed over ranks
 *   reasons         { NAME: { text, messages, bytes } } of what fell through
 *   calls           { MPI_NAME: count } of those that were called
 *   rates           hits and lookups: pool: messages sent in place, and those of them that needed no substitution;
 *                   map: runs looked up, and those found mapped
 *   times           nanoseconds { copy, stage, substitute, map }, summed over ranks, and clock_reads
 *   sizes           [ { least, most, onecopy, staged, fell_through } ] by size of message; most: null in the last one.
 *                   Each way: { messages, bytes }
 *   vms             [ { vm, domid, host } ] that sent something; vm: lowest rank of it in MPI_COMM_WORLD
 *   matrix          [ { from, to, to_domid, onecopy, staged, fell_through } ]: vm to vm; to: null for all VMs of other hosts
 *                   together. Only pairs that sent something
 *   unpaired        { onecopy, staged, fell_through } that belongs to no pair
 *   complete        false: memory did not suffice for all of the matrix
 *
 * A way's messages are whole messages; its bytes leave to `staged` what of a one-copy message was copied twice.
 * Threads: one.
 */
#ifndef VMO_REPORT_H
#define VMO_REPORT_H

#include <stdio.h>

#include "stats.h"

#define VMO_REPORT_SCHEMA 1

enum vmo_report_level { VMO_REPORT_NONE, VMO_REPORT_LINE, VMO_REPORT_FULL, VMO_REPORT_JSON };

/* Of the option's text. */
enum vmo_report_level vmo_report_level(const char *text);

/* The file that the option names, or NULL. */
const char *vmo_report_path(const char *text);

struct vmo_summary {
	const struct vmo_stats *sum;
	const struct vmo_detail *detail;	/* NULL below full, and so is the next */
	const struct vmo_matrix *matrix;	/* settled */
	const char *inactive;			/* why the library did nothing; NULL: it was active */
	int world;				/* MPI ranks in the job */
	bool emulated;
};

/* How often what was granted, or mapped, served again. */
struct vmo_rates {
	uint64_t sent_in_place, found_in_place;
	uint64_t runs_used, runs_found_mapped;
};
struct vmo_rates vmo_rates_of(const struct vmo_stats *sum);

/* The line; with full also all the rest, as far as there is a detail. */
void vmo_report_text(FILE *out, const struct vmo_summary *summary, bool full);

/* One JSON object. */
void vmo_report_json(FILE *out, const struct vmo_summary *summary);

#endif
