/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenstore.c - the corner of libxenstore that tells a guest its own domid: xs_open, xs_read("domid"), xs_close.
 *
 * Invariant: the string is malloc'ed, the caller frees it. Any other path: ENOENT. Threads: any.
 * Not handled: everything else of xenstore.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenstore.h>

#include "xenemu.h"

struct xs_handle {
	uint32_t domid;
};

XENEMU_API struct xs_handle *xs_open(unsigned long flags)
{
	struct xs_handle *handle = malloc(sizeof *handle);
	int rc;

	(void)flags;
	if (!handle)
		return NULL;
	pthread_mutex_lock(&xenemu.lock);
	rc = xenemu_settings_read(&xenemu.settings);
	handle->domid = xenemu.settings.domid;
	pthread_mutex_unlock(&xenemu.lock);
	if (!rc)
		return handle;
	free(handle);
	errno = -rc;
	return NULL;
}

XENEMU_API void xs_close(struct xs_handle *handle)
{
	free(handle);
}

XENEMU_API void *xs_read(struct xs_handle *handle, xs_transaction_t transaction, const char *path, unsigned int *len)
{
	char *text;

	(void)transaction;
	if (strcmp(path, "domid")) {
		errno = ENOENT;
		return NULL;
	}
	text = malloc(12);
	if (!text)
		return NULL;
	snprintf(text, 12, "%u", handle->domid);
	if (len)
		*len = (unsigned)strlen(text);
	return text;
}
