/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory of transparent huge pages: substituted in its middle, detached, given up. */
#include "subst_setup.h"

static size_t huge_kib(const char *at)
{
	char line[256];
	FILE *smaps = fopen("/proc/self/smaps", "r");
	uintptr_t begin = 0, end = 0, b, e;
	size_t kib = 0, value;

	while (fgets(line, sizeof line, smaps)) {
		if (sscanf(line, "%lx-%lx ", &b, &e) == 2)
			begin = b, end = e;
		if (begin <= (uintptr_t)at && (uintptr_t)at < end && sscanf(line, "AnonHugePages: %zu", &value) == 1)
			kib = value;
	}
	fclose(smaps);
	return kib;
}

static const char *scenario(struct setup *s)
{
	char *area = map_anonymous(8 * MIB), *huge = (char *)(((uintptr_t)area + 2 * MIB - 1) & -(2 * MIB));

	madvise(huge, 4 * MIB, MADV_HUGEPAGE);
	pair_fill(huge, 4 * MIB, 1);
	printf("huge: %zu KiB\n", huge_kib(huge));
	CHECK(offer(s, huge + MIB + 12, 2 * MIB) > 0);
	CHECK(message_is_buffer(s) && pair_same(huge, 0, 4 * MIB, 1));
	CHECK_RC(vmo_subst_detach(s->subst, (uintptr_t)huge + MIB + 12, 2 * MIB), 0);
	CHECK(message_is_buffer(s) && pair_same(huge, 0, 4 * MIB, 1));
	done(s);
	CHECK(offer_on(s, huge, 2 * MIB) > 0 && message_has(s, huge, 1));
	CHECK(munmap(huge, 4 * MIB) == 0);
	CHECK(message_has(s, huge, 1));
	return NULL;
}

int main(void)
{
	return subst_test(30, scenario);
}
