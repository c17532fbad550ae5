/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A block's pages can be put under user memory, whole or in part; a wrong range changes nothing there. */
#include "xen_pair.h"

#include "pool.h"

static void alone(struct pair *pair)
{
	struct vmo_budget budget = { .pages = 100 };
	struct vmo_pool *pool;
	struct vmo_block *before, *block;
	char *user = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK_RC(vmo_pool_new(&pool, pair->xen, pair->peer, 64 * PAGE, &budget), 0);
	CHECK_RC(vmo_pool_take(pool, 3, 3, &before), 0);
	CHECK_RC(vmo_pool_take(pool, 5, 5, &block), 0);
	pair_fill(block->view, 5 * PAGE, 9);
	memset(user, 'u', 8 * PAGE);
	CHECK_RC(vmo_block_place(block, 0, 6, user), -EINVAL);
	CHECK_RC(vmo_block_place(block, 5, 1, user), -EINVAL);
	CHECK_RC(vmo_block_place(block, 6, UINT32_MAX - 2, user), -EINVAL);
	CHECK_RC(vmo_block_place(block, 0, 0, user), -EINVAL);
	CHECK_RC(vmo_block_place(block, 0, 1, user + 8), -EINVAL);
	CHECK_RC(vmo_block_place(block, 0, 1, NULL), -EINVAL);
	for (size_t i = 0; i < 8 * PAGE; i++)
		CHECK(user[i] == 'u');
	CHECK_RC(vmo_block_place(block, 1, 3, user + PAGE), 0);
	CHECK(user[0] == 'u' && user[4 * PAGE] == 'u');
	CHECK(pair_same(user + PAGE, PAGE, 3 * PAGE, 9));
	user[2 * PAGE] = '!';
	CHECK(block->view[2 * PAGE] == '!');
	munmap(user, 8 * PAGE);
	CHECK(block->view[2 * PAGE] == '!');
	vmo_block_drop(block);
	vmo_block_drop(before);
	vmo_pool_free(pool);
}

int main(void)
{
	return pair_alone(20, alone);
}
