/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Preloaded into an MPI program, it opens at run time what no tool could see that it needs: the
 * Xen libraries, and a file beside itself.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void open_or_exit(const char *name)
{
    if (!dlopen(name, RTLD_NOW)) {
        fprintf(stderr, "preload: %s\n", dlerror());
        exit(9);
    }
    printf("preload: opened %s\n", name);
}

__attribute__((constructor)) static void begin(void)
{
    char path[4096];
    Dl_info self;

    dladdr((void *)begin, &self);
    snprintf(path, sizeof path, "%s", self.dli_fname);
    strcpy(strrchr(path, '/') + 1, "beside.so");
    open_or_exit(path);
    open_or_exit("libxengnttab.so.1");
    open_or_exit("libxenevtchn.so.1");
    open_or_exit("libxenstore.so.4");
}
