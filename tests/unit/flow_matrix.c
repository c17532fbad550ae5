/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Flows of many ranks come out as one for each pair of VMs, sorted, in memory that grows with the pairs alone; bytes that
 * a receiver copied once more move from its sender's one-copy bytes to the staged ones. What is counted for a message
 * lands in its size and its flow, and goes again where it went another way.
 */
#include "flow.h"
#include "stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) do { if (!(condition)) { printf("line %d: %s\n", __LINE__, #condition); return 1; } } while (0)
#define VMS 20u
#define RANKS_OF_A_VM 500u

static struct vmo_flow flow(uint32_t from, uint32_t to, uint64_t bytes)
{
	struct vmo_flow f = { .from = from, .to = to };

	f.way[VMO_WAY_ONECOPY] = (struct vmo_tally){ 1, bytes };
	return f;
}

static int many_ranks(void)
{
	struct vmo_matrix m = { .at = NULL };

	for (uint32_t rank = 0; rank < RANKS_OF_A_VM; rank++)
		for (uint32_t from = VMS; from--;)
			for (uint32_t to = 0; to < VMS; to++) {
				struct vmo_flow f = flow(from, to, from * 100 + to);
				vmo_matrix_add(&m, &f);
			}
	vmo_matrix_settle(&m);
	CHECK(!m.lost && m.n == VMS * VMS && m.room <= 4 * VMS * VMS);
	for (uint32_t i = 0; i < m.n; i++) {
		CHECK(m.at[i].from == i / VMS && m.at[i].to == i % VMS);
		CHECK(m.at[i].way[VMO_WAY_ONECOPY].messages == RANKS_OF_A_VM);
		CHECK(m.at[i].way[VMO_WAY_ONECOPY].bytes == (uint64_t)RANKS_OF_A_VM * (i / VMS * 100 + i % VMS));
	}
	free(m.at);
	return 0;
}

static int bounced(void)
{
	struct vmo_matrix m = { .at = NULL };
	struct vmo_flow there = flow(1, 2, 1000), back = flow(2, 1, 50), only_back = flow(3, 2, 7);

	back.bounced = 300;
	only_back.bounced = 9;		/* whose sender counted nothing */
	vmo_matrix_add(&m, &back);
	vmo_matrix_add(&m, &there);
	vmo_matrix_add(&m, &only_back);
	vmo_matrix_settle(&m);
	CHECK(m.n == 3 && m.at[0].from == 1);
	CHECK(m.at[0].way[VMO_WAY_ONECOPY].bytes == 700 && m.at[0].way[VMO_WAY_STAGED].bytes == 300);
	CHECK(m.at[1].way[VMO_WAY_ONECOPY].bytes == 50 && m.at[2].way[VMO_WAY_ONECOPY].bytes == 7);
	free(m.at);
	return 0;
}

static int counted(void)
{
	struct vmo_flow f = { .from = 1, .to = 2 };
	struct vmo_tally (*size)[VMO_WAYS] = vmo_detail.size;

	vmo_flow_count(&f, VMO_WAY_ONECOPY, 65536, 0, 1);
	vmo_flow_count(&f, VMO_WAY_ONECOPY, 131071, 71, 1);
	CHECK(size[16][VMO_WAY_ONECOPY].messages == 2 && size[16][VMO_WAY_ONECOPY].bytes == 65536 + 131000);
	CHECK(size[16][VMO_WAY_STAGED].messages == 0 && size[16][VMO_WAY_STAGED].bytes == 71);
	CHECK(!memcmp(f.way, size[16], sizeof f.way));
	vmo_flow_count(&f, VMO_WAY_ONECOPY, 131071, 71, -1);	/* its receiver was late */
	vmo_flow_count(&f, VMO_WAY_STAGED, 131071, 0, 1);
	CHECK(f.way[VMO_WAY_ONECOPY].messages == 1 && f.way[VMO_WAY_ONECOPY].bytes == 65536);
	CHECK(f.way[VMO_WAY_STAGED].messages == 1 && f.way[VMO_WAY_STAGED].bytes == 131071);
	vmo_flow_count(NULL, VMO_WAY_FELL, 131072, 0, 1);
	CHECK(size[17][VMO_WAY_FELL].messages == 1 && vmo_detail.unpaired[VMO_WAY_FELL].bytes == 131072);
	vmo_flow_count(NULL, VMO_WAY_FELL, 0, 0, 1);
	vmo_flow_count(NULL, VMO_WAY_FELL, UINT64_MAX / 2, 0, 1);
	CHECK(size[0][VMO_WAY_FELL].messages == 1 && size[VMO_SIZES - 1][VMO_WAY_FELL].messages == 1);
	return 0;
}

/* Unless a detailed report is wanted nothing is measured and no fall-through has a size. */
static int off_by_default(void)
{
	memset(&vmo_detail, 0, sizeof vmo_detail);
	uint64_t began = vmo_time_begin();
	vmo_time_end(began, VMO_C_copy_ns);
	vmo_fall_through(VMO_R_same_vm, 100000);
	CHECK(!began && !vmo_stats.counter[VMO_C_clock_reads] && !vmo_detail.unpaired[VMO_WAY_FELL].messages);
	vmo_detailed = true;
	began = vmo_time_begin();
	vmo_time_end(began, VMO_C_copy_ns);
	vmo_fall_through(VMO_R_same_vm, 100000);
	CHECK(began && vmo_stats.counter[VMO_C_clock_reads] == 2 && vmo_detail.unpaired[VMO_WAY_FELL].messages == 1);
	CHECK(vmo_stats.reason_messages[VMO_R_same_vm] == 2);
	return 0;
}

int main(void)
{
	return many_ranks() || bounced() || counted() || off_by_default();
}
