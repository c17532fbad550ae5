/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * grant share PEERDOM | grant map PEERDOM: does one guest really see another's memory?
 *
 * "share" grants a page with a text to PEERDOM and publishes the reference in xenstore; "map"
 * maps it, compares, and answers through the page itself. Either exits 0 only if it saw the
 * other's text. Own domain ids come from xenstore, as in the library.
 */
#include <sys/mman.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xengnttab.h>
#include <xenstore.h>

#define REFERENCE_KEY "/xenlab/job/reference"
#define ENOUGH_TRIES 600 /* of 100 ms */

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int own_domid(struct xs_handle *xs)
{
    char *text = xs_read(xs, XBT_NULL, "domid", NULL);
    int domid = text ? atoi(text) : -1;

    free(text);
    return domid;
}

static int await_text(const volatile char *page, const char *text)
{
    for (int i = 0; i < ENOUGH_TRIES; i++) {
        if (!strcmp((const char *)page, text))
            return 0;
        usleep(100000);
    }
    fprintf(stderr, "waited for \"%s\", found \"%s\"\n", text, (const char *)page);
    return 1;
}

static int share(struct xs_handle *xs, int own, int peer)
{
    xengntshr_handle *gntshr = xengntshr_open(NULL, 0);
    char number[16], expected[64];
    uint32_t reference;
    char *page;

    if (!gntshr)
        fail("xengntshr_open");
    page = xengntshr_share_pages(gntshr, peer, 1, &reference, 1);
    if (!page)
        fail("xengntshr_share_pages");
    snprintf(page, 64, "granted by domain %d", own);
    snprintf(number, sizeof number, "%u", reference);
    if (!xs_write(xs, XBT_NULL, REFERENCE_KEY, number, strlen(number)))
        fail("xs_write");
    snprintf(expected, sizeof expected, "seen by domain %d", peer);
    return await_text(page, expected);
}

static uint32_t await_reference(struct xs_handle *xs)
{
    for (int i = 0; i < ENOUGH_TRIES; i++) {
        char *text = xs_read(xs, XBT_NULL, REFERENCE_KEY, NULL);

        if (text)
            return strtoul(text, NULL, 10);
        usleep(100000);
    }
    fail("no reference in xenstore");
    return 0;
}

static int map(struct xs_handle *xs, int own, int peer)
{
    xengnttab_handle *gnttab = xengnttab_open(NULL, 0);
    uint32_t reference = await_reference(xs);
    char expected[64];
    char *page;

    if (!gnttab)
        fail("xengnttab_open");
    page = xengnttab_map_grant_ref(gnttab, peer, reference, PROT_READ | PROT_WRITE);
    if (!page)
        fail("xengnttab_map_grant_ref");
    snprintf(expected, sizeof expected, "granted by domain %d", peer);
    if (await_text(page, expected))
        return 1;
    printf("reference %u: \"%s\"\n", reference, page);
    snprintf(page, 64, "seen by domain %d", own);
    return 0;
}

int main(int argc, char **argv)
{
    struct xs_handle *xs = xs_open(0);
    int own;

    if (argc != 3)
        return 2;
    if (!xs)
        fail("xs_open");
    own = own_domid(xs);
    printf("domain %d: %s with domain %s\n", own, argv[1], argv[2]);
    return !strcmp(argv[1], "share") ? share(xs, own, atoi(argv[2])) : map(xs, own, atoi(argv[2]));
}
