/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The registry is this user's alone: mode 0600; a symbolic link, a foreign or readable file in its place is refused. */
#include "xenemu_load.h"

static void silence(int fd)
{
	(void)fd;
	CHECK(freopen("/dev/null", "w", stderr), "stderr");
	exit(xen.xengnttab_open(NULL, 0) ? 1 : 0);
}

static void check_refused(const char *what)
{
	struct peer peer;
	int status;

	spawn(&peer, 1, silence);
	waitpid(peer.pid, &status, 0);
	close(peer.fd);
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status), "%s is accepted", what);
}

static void make_file(const char *path, mode_t mode)
{
	int fd = open(path, O_CREAT | O_RDWR | O_EXCL, 0600);

	CHECK(fd >= 0 && !fchmod(fd, mode), "make");
	close(fd);
}

int main(void)
{
	char path[128], elsewhere[160];
	xengnttab_handle *tab;
	struct stat status;

	test_begin(20);
	registry_path(path, sizeof path);
	be_domain(1);
	umask(0);
	tab = xen.xengnttab_open(NULL, 0);
	CHECK(tab && !lstat(path, &status), "open");
	CHECK((status.st_mode & 07777) == 0600 && status.st_uid == geteuid(), "mode %o", status.st_mode);
	xen.xengnttab_close(tab);

	snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", test_directory);
	make_file(elsewhere, 0600);
	CHECK(!symlink(elsewhere, path), "symlink");
	check_refused("a symbolic link");
	unlink(path);
	unlink(elsewhere);
	make_file(path, 0644);
	check_refused("a file that others can read");
	unlink(path);
	if (geteuid())
		skip("only root can make another user's file; the rest passed");
	make_file(path, 0600);
	CHECK(!chown(path, 12345, 12345), "chown");
	check_refused("another user's file");
	return 0;
}
