/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PMIx through the MPI's own library, which is found at run time. What is declared here is the part of its interface that
 * is used, as PMIx 3.1 and 4.1 give it: 3.2 (constants, data structures), 6 (PMIx_Put, PMIx_Get); no header is needed.
 */
#include "kvs.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, SCOPE_GLOBAL = 3, TYPE_BOOL = 1, TYPE_STRING = 3 };
#define KEY_BYTES   512		/* PMIX_MAX_KEYLEN + 1 */
#define SPACE_BYTES 256		/* PMIX_MAX_NSLEN + 1 */

struct value {
	uint16_t type;
	union {
		bool flag;
		char *string;
		uint64_t largest[3];
	} data;
};

struct info {
	char key[KEY_BYTES];
	uint32_t flags;
	struct value value;
};

struct proc {
	char space[SPACE_BYTES];
	uint32_t rank;
};

typedef int put_fn(uint8_t scope, const char *key, struct value *value);
typedef int get_fn(const struct proc *proc, const char *key, const struct info *info, size_t infos, struct value **value);

static const char key[] = "vmonecopy";

static bool set_to(const char *name, bool truth)
{
	const char *text = getenv(name);

	return text && *text && !strchr("0fFnNdD", *text) == truth;
}

/* Open MPI can be told not to exchange what its ranks have put, but to ask for it when it needs it. */
static bool exchanges(void)
{
	return !set_to("OMPI_MCA_pmix_base_async_modex", true) && !set_to("OMPI_MCA_pmix_base_collect_data", false);
}

int vmo_pmix_announce(struct vmo_pmix *pmix, void *commit, const char *value)
{
	struct value text = { .type = TYPE_STRING, .data.string = (char *)(uintptr_t)value };
	struct link_map *map;
	Dl_info info;

	pmix->space = getenv("PMIX_NAMESPACE");
	if (!exchanges() || !pmix->space || strlen(pmix->space) >= SPACE_BYTES)
		return -ENOENT;
	if (!dladdr1(commit, &info, (void **)&map, RTLD_DL_LINKMAP))
		return -ENOENT;
	pmix->library = dlopen(map->l_name[0] ? map->l_name : NULL, RTLD_LAZY | RTLD_NOLOAD);
	put_fn *put = pmix->library ? (put_fn *)dlsym(pmix->library, "PMIx_Put") : NULL;
	if (!put || !dlsym(pmix->library, "PMIx_Get")) {
		vmo_pmix_close(pmix);
		return -ENOENT;
	}
	return put(SCOPE_GLOBAL, key, &text) == SUCCESS ? 0 : -EIO;
}

/* PMIX_IMMEDIATE: the server on this node answers from what it has; it asks nobody and waits for nobody. */
int vmo_pmix_lookup(const struct vmo_pmix *pmix, uint32_t rank, const char *value)
{
	get_fn *get = (get_fn *)dlsym(pmix->library, "PMIx_Get");
	struct info immediate = { .key = "pmix.immediate", .value = { .type = TYPE_BOOL, .data.flag = true } };
	struct proc proc = { .rank = rank };
	struct value *found = NULL;

	strcpy(proc.space, pmix->space);
	if (get(&proc, key, &immediate, 1, &found) != SUCCESS || !found)
		return 0;
	bool text = found->type == TYPE_STRING && found->data.string, same = text && !strcmp(found->data.string, value);
	if (text)
		free(found->data.string);
	free(found);
	return same;
}

void vmo_pmix_close(struct vmo_pmix *pmix)
{
	if (pmix->library)
		dlclose(pmix->library);
	pmix->library = NULL;
}
