/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmo.h"

#include <time.h>

uint64_t vmo_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
