/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * api.h: include/vmonecopy.h behind the scenes.
 *
 *   program --> vmonecopy1_prefer   api.c, in the preloaded file
 *                   |  vmo_api_of_flavour: NULL until a flavour is attached
 *                   v
 *               prefer              mpi_api.c, in the flavour
 *
 * Threads: the table is written once, by the thread that binds, with an atomic store.
 */
#ifndef VMO_API_H
#define VMO_API_H

#include <stddef.h>

struct vmonecopy_counters;

/* As in vmonecopy.h. `why` is never NULL; all of the counters but `size` are filled in. */
struct vmo_api {
	int (*active)(const char **why);
	void (*counters)(struct vmonecopy_counters *counters);
	int (*prefer)(const void *buffer, size_t bytes, int rank);
	int (*forget)(const void *buffer, size_t bytes);
};

extern const struct vmo_api *vmo_api_of_flavour __attribute__((visibility("hidden")));

/* bind.c: why no flavour is attached. */
const char *vmo_bind_why(void);

#endif
