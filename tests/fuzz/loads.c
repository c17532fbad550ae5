/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clang's trace-loads calls these before each load of the shim's code: where it is from memory that a peer shares, the
 * peer may write just then. What is read twice is seen to differ, every time, without any race.
 */
#include "fakexen.h"

#define LOADS(X) X(1, uint8_t) X(2, uint16_t) X(4, uint32_t) X(8, uint64_t) X(16, __uint128_t)

#define X(n, type) \
	void __sanitizer_cov_load##n(type *at); \
	void __sanitizer_cov_load##n(type *at) \
	{ \
		if (fake_meanwhile && fake_is_shared(at)) \
			fake_meanwhile(); \
	}
LOADS(X)
#undef X
