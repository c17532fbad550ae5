/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The report at MPI_Finalize: what all ranks counted comes together at rank 0.
 *
 * Counters are summed by a reduction. Flows go up a binomial tree, and those of the same two VMs are added up on the way:
 * rank 0 keeps as many as there are pairs of VMs on one host, not of ranks.
 *
 *   7 --> 6 --> 4 --> 0        a rank sends its flows in messages of FLOWS_AT_ONCE; one with fewer is the last
 *   5 --------> 4
 *   3 --> 2 --------> 0
 *   1 --------------> 0
 */
#include "mpi_shim.h"

#include "mistakes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLOW_TAG 1998		/* both on the private communicator */
#define WORDS_TAG 1997
#define FLOWS_AT_ONCE 32

static void take_flows(struct vmo_matrix *matrix, int from)
{
	struct vmo_flow some[FLOWS_AT_ONCE];
	MPI_Status status;
	int bytes = 0, n;

	do {
		if (shim.mpi.Recv(some, sizeof some, MPI_BYTE, from, FLOW_TAG, shim.private_comm, &status) != MPI_SUCCESS ||
		    shim.mpi.Get_count(&status, MPI_BYTE, &bytes) != MPI_SUCCESS) {
			matrix->lost = true;
			return;
		}
		n = bytes / (int)sizeof some[0];
		for (int i = 0; i < n; i++)
			vmo_matrix_add(matrix, &some[i]);
	} while (n == FLOWS_AT_ONCE);
}

static void send_flows(const struct vmo_matrix *matrix, int to)
{
	for (uint32_t at = 0;; at += FLOWS_AT_ONCE) {
		uint32_t left = matrix->n - at, n = left < FLOWS_AT_ONCE ? left : FLOWS_AT_ONCE;
		struct vmo_flow nothing;
		shim.mpi.Send(n ? matrix->at + at : &nothing, (int)(n * sizeof nothing), MPI_BYTE, to, FLOW_TAG, shim.private_comm);
		if (n < FLOWS_AT_ONCE)
			return;
	}
}

/* On all ranks. Afterwards rank 0 has all. */
static void gather_flows(struct vmo_matrix *matrix)
{
	uint32_t rank = shim.engine.rank, ranks = shim.engine.world;

	for (uint32_t i = 0; i < shim.engine.flows; i++)
		vmo_matrix_add(matrix, &shim.engine.flow[i]);
	for (uint32_t bit = 1; bit < ranks; bit <<= 1) {
		if (rank & bit) {
			send_flows(matrix, (int)(rank - bit));
			return;
		}
		if (rank + bit < ranks)
			take_flows(matrix, (int)(rank + bit));
	}
	vmo_matrix_settle(matrix);
}

static void write_file(const char *path, const struct vmo_summary *summary)
{
	FILE *out = fopen(path, "we");

	if (out)
		vmo_report_json(out, summary);
	bool failed = out && ferror(out);
	if (!out || fclose(out) || failed)
		vmo_warn("the report cannot be written to %s: %s; choose another file in VMONECOPY_REPORT=json:FILE", path,
		         strerror(errno));
}

static void print(const struct vmo_config *config, const struct vmo_summary *summary)
{
	enum vmo_report_level level = vmo_report_level(config->report);

	if (level != VMO_REPORT_NONE)
		vmo_report_text(stderr, summary, level == VMO_REPORT_FULL);
	if (level == VMO_REPORT_JSON && summary->detail)
		write_file(vmo_report_path(config->report), summary);
}

/* The first rank's word on why nothing is on stands for the job. */
void vmo_report_all(const struct vmo_config *config)
{
	struct vmo_stats sum;
	struct vmo_detail detail;
	struct vmo_matrix matrix = { .at = NULL };
	uint64_t on = shim.engine.peers_on > 0, any_on = 0;
	bool detailed = shim.engine.report >= VMO_REPORT_FULL;	/* on all ranks alike */

	shim.mpi.Reduce(&vmo_stats, &sum, (int)VMO_STATS_WORDS, MPI_UINT64_T, MPI_SUM, 0, shim.private_comm);
	shim.mpi.Reduce(&on, &any_on, 1, MPI_UINT64_T, MPI_MAX, 0, shim.private_comm);
	if (detailed) {
		shim.mpi.Reduce(&vmo_detail, &detail, (int)VMO_DETAIL_WORDS, MPI_UINT64_T, MPI_SUM, 0, shim.private_comm);
		gather_flows(&matrix);
	}
	if (shim.engine.rank == 0)
		print(config, &(struct vmo_summary){
			.sum = &sum, .detail = detailed ? &detail : NULL, .matrix = &matrix,
			.inactive = any_on ? NULL : shim.engine.why, .world = (int)shim.engine.world,
			.emulated = !strcmp(config->xen, "emulated"),
		});
	free(matrix.at);
}

/* On all ranks or none, at start-up: differing options are rare, so the first exchange only said that there are some. */
void vmo_report_mistakes(const struct vmo_config *config)
{
	struct vmo_engine *e = &shim.engine;
	uint64_t words[VMO_OPTIONS], *all;

	if (e->complains == e->rank)
		vmo_mistakes_tell();
	if (!e->options_differ)
		return;
	for (int i = 0; i < VMO_OPTIONS; i++)
		words[i] = vmo_config_word(config, (enum vmo_option)i);
	if (e->rank) {
		shim.mpi.Send(words, sizeof words, MPI_BYTE, 0, WORDS_TAG, shim.private_comm);
		return;
	}
	all = vmo_fault(words) ? NULL : calloc(e->world, sizeof words);
	if (all)
		memcpy(all, words, sizeof words);
	for (uint32_t r = 1; r < e->world; r++)
		shim.mpi.Recv(all ? all + (size_t)r * VMO_OPTIONS : words, sizeof words, MPI_BYTE, (int)r, WORDS_TAG, shim.private_comm,
		              MPI_STATUS_IGNORE);
	if (all)
		vmo_mistakes_tell_differing(all, e->world);
	free(all);
}
