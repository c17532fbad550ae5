/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What preparing and ending cost, printed: warm (in place already), cold (substitute, detach), refused. */
#include "subst_setup.h"

#include "memarea.h"

static double warm_ns(struct setup *s, char *buffer, size_t bytes)
{
	const int rounds = 20000;
	uint64_t least = UINT64_MAX;

	offer(s, buffer, bytes);
	done(s);
	for (int time = 0; time < 20; time++) {
		uint64_t start = vmo_now_ns(), took;

		for (int i = 0; i < rounds; i++) {
			struct vmo_piece piece[8];
			int n = vmo_subst_prepare(s->subst, s->pool, (uintptr_t)buffer, bytes, piece, 8);

			while (n > 0)
				vmo_block_drop(piece[--n].block);
		}
		took = vmo_now_ns() - start;
		least = took < least ? took : least;
	}
	return (double)least / rounds;
}

static void cold(struct setup *s, size_t bytes)
{
	struct vmo_subst_options options = { true, true, 1, s->hooks ? &vmo_memhook_table : &deaf };
	char *buffer = map_anonymous(bytes), *other = map_anonymous(bytes);
	uint64_t t[6], least[3] = { -1ul, -1ul, -1ul };

	for (int round = 0; round < 20; round++) {
		vmo_subst_free(s->subst);	/* forgets the history */
		CHECK_RC(vmo_subst_new(&s->subst, &options), 0);
		memset(buffer, round, bytes);
		t[0] = vmo_now_ns();
		memcpy(other, buffer, bytes);
		t[1] = vmo_now_ns();
		CHECK(offer(s, buffer, bytes) > 0);
		t[2] = vmo_now_ns();
		done(s);
		t[3] = vmo_now_ns();
		CHECK(!vmo_subst_detach(s->subst, (uintptr_t)buffer, bytes));
		t[4] = vmo_now_ns();
		for (int i = 0; i < 3; i++) {
			uint64_t took = t[i + 1 + (i == 2)] - t[i + (i == 2)];

			least[i] = took < least[i] ? took : least[i];
		}
	}
	printf("%5zu KiB: copy %7.1f us, substitute %7.1f us, detach %7.1f us\n", bytes / KIB, (double)least[0] / 1e3,
	       (double)least[1] / 1e3, (double)least[2] / 1e3);
}

static const char *scenario(struct setup *s)
{
	char *buffer = map_anonymous(4 * MIB);
	uint64_t start;

	printf("warm prepare and drop, 1 piece, 64 KiB: %.0f ns; ", warm_ns(s, buffer, 64 * KIB));
	for (size_t at = 0; at < 4 * MIB; at += 64 * KIB)
		offer(s, buffer + at, 64 * KIB), done(s);
	printf("64 associations: %.0f ns; ", warm_ns(s, buffer + MIB, 64 * KIB));
	printf("4 pieces: %.0f ns\n", warm_ns(s, buffer + 2 * MIB, 256 * KIB));
	for (size_t bytes = 16 * KIB; bytes <= 4 * MIB; bytes *= 4)
		cold(s, bytes);
	start = vmo_now_ns();
	for (int i = 0; i < 100; i++)
		CHECK(!vmo_memarea_allows(PAGE, 2 * PAGE) && !vmo_memarea_allows(UINTPTR_MAX / 4, UINTPTR_MAX / 4 + PAGE));
	printf("memarea: %.1f us\n", (double)(vmo_now_ns() - start) / 1e5);
	return NULL;
}

int main(void)
{
	return subst_test(60, scenario);
}
