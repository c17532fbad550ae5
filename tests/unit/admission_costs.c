/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From which send on a buffer is worth pages of its own follows from what it costs: for few pages and for many apart, not
 * beyond bounds, and learned from what mapping takes. A number that was given is kept whatever they take.
 */
#include "admission.h"

#include <stdio.h>

#define CHECK(condition) do { if (!(condition)) { printf("line %d: %s\n", __LINE__, #condition); return 1; } } while (0)

#define SMALL (VMO_ADMISSION_PAGES(0) * VMO_PAGE_BYTES)
#define LARGE (VMO_ADMISSION_PAGES(1) * VMO_PAGE_BYTES)

static struct vmo_admission admission;

/* Staging takes 1 and 4 us; mapping so long. */
static void costs(uint64_t small_ns, uint64_t large_ns)
{
	const uint64_t map_ns[] = { small_ns, large_ns };

	vmo_admission_setup(&admission, 1);
	admission.n = 0;
	for (uint64_t i = 0; i < VMO_ADMISSION_SIZES; i++)
		admission.cost[i] = (struct vmo_admission_cost){ .stage_ns = 1000 << 2 * i, .map_ns = map_ns[i] };
}

/* Which send is the first that may be in place? */
static uint32_t first(uintptr_t begin, size_t bytes)
{
	for (uint32_t n = 1; n <= 10000; n++)
		if (vmo_admission_sent(&admission, begin, begin + bytes))
			return n;
	return 0;
}

static int by_size(void)
{
	costs(30000, 12000);
	CHECK(vmo_admission_need(&admission, SMALL) == 31);
	CHECK(vmo_admission_need(&admission, SMALL / 4) == 31);
	CHECK(vmo_admission_need(&admission, (SMALL + LARGE) / 2) == 18);
	CHECK(vmo_admission_need(&admission, LARGE) == 4);
	CHECK(vmo_admission_need(&admission, 100 * LARGE) == 4);
	for (size_t bytes = SMALL; bytes < LARGE; bytes += VMO_PAGE_BYTES)
		CHECK(vmo_admission_need(&admission, bytes) >= vmo_admission_need(&admission, bytes + VMO_PAGE_BYTES));
	CHECK(first(0x100000, SMALL) == 31);
	CHECK(first(0x800000, LARGE) == 4);
	return 0;
}

static int bounds(void)
{
	costs(1, 1);
	CHECK(vmo_admission_need(&admission, SMALL) == 2);
	costs(1000000000, 1000000000);
	CHECK(vmo_admission_need(&admission, SMALL) == 32);
	CHECK(vmo_admission_need(&admission, LARGE) == 5);
	return 0;
}

static int learned(void)
{
	costs(5000, 12000);
	vmo_admission_mapped(&admission, SMALL, 100000000);	/* it was not running, perhaps */
	CHECK(vmo_admission_need(&admission, SMALL) > 6 && vmo_admission_need(&admission, SMALL) < 12);
	for (int i = 0; i < 50; i++)
		vmo_admission_mapped(&admission, SMALL / 2, 10000);
	CHECK(vmo_admission_need(&admission, SMALL) == 20 || vmo_admission_need(&admission, SMALL) == 21);
	CHECK(vmo_admission_need(&admission, LARGE) == 4);
	for (int i = 0; i < 50; i++)
		vmo_admission_mapped(&admission, 4 * LARGE, 4 * 16000);
	CHECK(vmo_admission_need(&admission, LARGE) == 5);
	CHECK(vmo_admission_need(&admission, SMALL) >= 20);
	vmo_admission_mapped(&admission, 0, 1000);
	CHECK(vmo_admission_need(&admission, LARGE) == 5);
	return 0;
}

/* A buffer that goes before its pages have paid for themselves has to earn the next ones longer. */
static int paid(void)
{
	uintptr_t begin = 0x100000;

	costs(30000, 12000);
	CHECK(first(begin, SMALL) == 31);
	vmo_admission_ended(&admission, begin, begin + SMALL, 30);
	CHECK(first(begin, SMALL) == 62);
	vmo_admission_ended(&admission, begin, begin + SMALL, 31);
	CHECK(first(begin, SMALL) == 31);
	CHECK(first(begin, LARGE) == 4);
	vmo_admission_ended(&admission, begin, begin + LARGE, 15);
	CHECK(first(begin, LARGE) == 8);
	vmo_admission_ended(&admission, begin, begin + LARGE, 16);
	CHECK(first(begin, LARGE) == 4);
	return 0;
}

static int given(void)
{
	vmo_admission_setup(&admission, 7);
	for (int i = 0; i < 50; i++)
		vmo_admission_mapped(&admission, SMALL, 1000000);
	CHECK(vmo_admission_need(&admission, SMALL) == 7);
	CHECK(vmo_admission_need(&admission, LARGE) == 7);
	CHECK(first(0x100000, SMALL) == 7);
	return 0;
}

int main(void)
{
	return by_size() || bounds() || learned() || paid() || given();
}
