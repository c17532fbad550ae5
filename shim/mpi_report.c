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

/* False: see vmo_end_wait. What is under way then stays in memory that stays. */
static bool take_flows(struct vmo_matrix *matrix, int from)
{
	static struct vmo_flow some[FLOWS_AT_ONCE];
	MPI_Request request;
	MPI_Status status;
	int bytes = 0, n;

	do {
		if (shim.mpi.Irecv(some, sizeof some, MPI_BYTE, from, FLOW_TAG, shim.private_comm, &request) != MPI_SUCCESS ||
		    !vmo_end_wait(&request, &status) || shim.mpi.Get_count(&status, MPI_BYTE, &bytes) != MPI_SUCCESS)
			return false;
		n = bytes / (int)sizeof some[0];
		for (int i = 0; i < n; i++)
			vmo_matrix_add(matrix, &some[i]);
	} while (n == FLOWS_AT_ONCE);
	return true;
}

static bool send_flows(const struct vmo_matrix *matrix, int to)
{
	static struct vmo_flow some[FLOWS_AT_ONCE];
	uint32_t n = FLOWS_AT_ONCE;
	MPI_Request request;

	for (uint32_t at = 0; n == FLOWS_AT_ONCE; at += n) {
		n = matrix->n - at < FLOWS_AT_ONCE ? matrix->n - at : FLOWS_AT_ONCE;
		if (n)
			memcpy(some, matrix->at + at, n * sizeof some[0]);
		if (shim.mpi.Isend(some, (int)(n * sizeof some[0]), MPI_BYTE, to, FLOW_TAG, shim.private_comm, &request) != MPI_SUCCESS ||
		    !vmo_end_wait(&request, MPI_STATUS_IGNORE))
			return false;
	}
	return true;
}

/* On all ranks. Afterwards rank 0 has all. */
static bool gather_flows(struct vmo_matrix *matrix)
{
	uint32_t rank = shim.engine.rank, ranks = shim.engine.world;

	for (uint32_t i = 0; i < shim.engine.flows; i++)
		vmo_matrix_add(matrix, &shim.engine.flow[i]);
	for (uint32_t bit = 1; bit < ranks; bit <<= 1) {
		if (rank & bit)
			return send_flows(matrix, (int)(rank - bit));
		if (rank + bit < ranks && !take_flows(matrix, (int)(rank + bit)))
			return false;
	}
	vmo_matrix_settle(matrix);
	return true;
}

/* Of words of all ranks, at rank 0. */
static bool reduce(const void *mine, void *all, size_t words, MPI_Op op)
{
	MPI_Request request;

	return shim.mpi.Ireduce(mine, all, (int)words, MPI_UINT64_T, op, 0, shim.private_comm, &request) == MPI_SUCCESS &&
	       vmo_end_wait(&request, MPI_STATUS_IGNORE);
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
bool vmo_report_all(const struct vmo_config *config)
{
	static struct vmo_stats sum;
	static struct vmo_detail detail;
	static uint64_t on, any_on;
	struct vmo_matrix matrix = { .at = NULL };
	bool detailed = shim.engine.report >= VMO_REPORT_FULL;	/* on all ranks alike */

	on = shim.engine.peers_on > 0;
	bool all = reduce(&vmo_stats, &sum, VMO_STATS_WORDS, MPI_SUM) && reduce(&on, &any_on, 1, MPI_MAX) &&
	           (!detailed || (reduce(&vmo_detail, &detail, VMO_DETAIL_WORDS, MPI_SUM) && gather_flows(&matrix)));
	if (all && shim.engine.rank == 0)
		print(config, &(struct vmo_summary){
			.sum = &sum, .detail = detailed ? &detail : NULL, .matrix = &matrix,
			.inactive = any_on ? NULL : shim.engine.why, .world = (int)shim.engine.world,
			.emulated = !strcmp(config->xen, "emulated"),
		});
	free(matrix.at);
	return all;
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
