/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding Xen: the devices first, silently; then the libraries; then who we are. */
#include "xen_internal.h"

#include "fault.h"
#include "log.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xentoollog.h>

#define DEFAULT_GRANT_LIMIT 1024	/* of drivers/xen/gntalloc.c, and of the emulation */

struct why {
	char *text;
	size_t bytes;
};

/* Notes the cause and remedy; -> rc, for `return fail(...)`. */
static int __attribute__((format(printf, 3, 4))) fail(const struct why *why, int rc, const char *format, ...)
{
	va_list args;

	if (!why->text || !why->bytes)
		return rc;
	va_start(args, format);
	vsnprintf(why->text, why->bytes, format, args);
	va_end(args);
	return rc;
}

/* The libraries' own messages would go to stderr; here they are per event: debug. */
static void library_message(struct xentoollog_logger *logger, xentoollog_level level, int error,
                            const char *context, const char *format, va_list args)
{
	char text[256];
	int saved = errno;

	if (vmo_log_level < VMO_LOG_DEBUG)
		return;
	vsnprintf(text, sizeof text, format, args);
	vmo_debug("%s: %s%s%s", context ? context : "libxen", text, error > 0 ? ": " : "",
	          error > 0 ? strerror(error) : "");
	errno = saved;
}

static void library_destroy(struct xentoollog_logger *logger)
{
}

static struct xentoollog_logger quiet_logger = {
	.vmessage = library_message,
	.destroy = library_destroy,
};

/* -> length read, 0 if none; text always ends with NUL, without a newline. */
static size_t read_line(const char *path, char *text, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, bytes - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	text[strcspn(text, "\n")] = 0;
	return strlen(text);
}

static int check_device(const char *device, const char *module, const struct why *why)
{
	char hypervisor[32];
	int error;

	if (!faccessat(AT_FDCWD, device, R_OK | W_OK, AT_EACCESS))
		return 0;
	error = errno;
	if (error == EACCES || error == EPERM)
		return fail(why, -EACCES, "no permission for %s: let your group in, for good with the udev rule "
		            "KERNEL==\"xen/gnt*|xen/evtchn|xen/xenbus\", GROUP=\"<group>\", MODE=\"0660\"", device);
	if (error != ENOENT)
		return fail(why, -error, "%s: %s", device, strerror(error));
	read_line("/sys/hypervisor/type", hypervisor, sizeof hypervisor);
	if (strcmp(hypervisor, "xen"))
		return fail(why, -ENOENT, "not a Xen guest: no %s, and /sys/hypervisor/type does not say xen", device);
	return fail(why, -ENOENT, "no %s: load its driver with `modprobe %s` (in a container: pass the device in)",
	            device, module);
}

static int check_page_size(const struct why *why)
{
	long bytes = sysconf(_SC_PAGESIZE);

	if (bytes == (long)VMO_PAGE_BYTES)
		return 0;
	return fail(why, -ENOTSUP, "pages of %ld bytes: grants are of %zu", bytes, VMO_PAGE_BYTES);
}

/* Before any library is loaded: a machine without Xen pays three system calls and reads no message. */
static int check_devices(const struct why *why)
{
	int rc = check_device("/dev/xen/gntalloc", "xen-gntalloc", why);

	if (!rc)
		rc = check_device("/dev/xen/gntdev", "xen-gntdev", why);
	return rc ? rc : check_device("/dev/xen/evtchn", "xen-evtchn", why);
}

static int open_library(struct vmo_xen *xen, int which, const char *emulation, const struct why *why)
{
	static const struct { const char *file, *package; } real[] = {
		[VMO_XEN_GNTTAB] = { "libxengnttab.so.1", "libxengnttab1" },
		[VMO_XEN_EVTCHN] = { "libxenevtchn.so.1", "libxenevtchn1" },
		[VMO_XEN_STORE] = { "libxenstore.so.4", "libxenstore4" },
	};

	if (vmo_fault(xen_library))
		return fail(why, -errno, "cannot load the library: %s", strerror(errno));
	/* NODELETE: a thread or fork handler of the library may outlive our last handle. */
	xen->library[which] = dlopen(emulation ? emulation : real[which].file, RTLD_LOCAL | RTLD_NOW | RTLD_NODELETE);
	if (xen->library[which])
		return 0;
	return emulation ? fail(why, -ENOENT, "no emulated Xen: %s", dlerror())
	                 : fail(why, -ENOENT, "%s; Debian's package is %s", dlerror(), real[which].package);
}

static int find_function(void *library, const char *name, void *slot, const struct why *why)
{
	void *function = dlsym(library, name);

	if (!function)
		return fail(why, -ENOENT, "no function %s (%s): the library is too old", name, dlerror());
	memcpy(slot, &function, sizeof function);
	return 0;
}

static int real_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg);
}

static int load(struct vmo_xen *xen, const char *emulation, bool store, const struct why *why)
{
	static const struct { int library; const char *name; size_t slot; } functions[] = {
#define X(library, function) { VMO_XEN_##library, #function, offsetof(struct vmo_xen, function) },
		VMO_XEN_FUNCTIONS(X)
#undef X
	};
	int rc = 0;

	for (int i = 0; i < (store ? VMO_XEN_LIBRARIES : VMO_XEN_STORE) && !rc; i++)
		rc = open_library(xen, i, emulation, why);
	for (size_t i = 0; i < sizeof functions / sizeof *functions && !rc; i++)
		if (store || functions[i].library != VMO_XEN_STORE)
			rc = find_function(xen->library[functions[i].library], functions[i].name,
			                   (char *)xen + functions[i].slot, why);
	xen->gntalloc_ioctl = real_ioctl;
	if (!rc && emulation)
		rc = find_function(xen->library[VMO_XEN_GNTTAB], "xenemu_gntalloc_ioctl", &xen->gntalloc_ioctl, why);
	return rc;
}

static int open_failed(const char *what, const struct why *why)
{
	int rc = errno ? -errno : -EIO;

	return fail(why, rc, "%s: %s", what, strerror(-rc));
}

static int open_handles(struct vmo_xen *xen, const struct why *why)
{
	errno = 0;
	xen->gntshr = vmo_fault(xen_gntalloc) ? NULL : xen->xengntshr_open(&quiet_logger, 0);
	if (!xen->gntshr)
		return open_failed("xengntshr_open (/dev/xen/gntalloc)", why);
	xen->gntalloc_fd = xen->xengntshr_fd(xen->gntshr);
	xen->gnttab = vmo_fault(xen_gntdev) ? NULL : xen->xengnttab_open(&quiet_logger, 0);
	if (!xen->gnttab)
		return open_failed("xengnttab_open (/dev/xen/gntdev)", why);
	xen->evtchn = vmo_fault(xen_evtchn) ? NULL : xen->xenevtchn_open(&quiet_logger, 0);
	if (!xen->evtchn)
		return open_failed("xenevtchn_open (/dev/xen/evtchn)", why);
	xen->evtchn_fd = xen->xenevtchn_fd(xen->evtchn);
	return 0;
}

static int parse_domid(const char *text, vmo_domid *domid)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || number >= DOMID_FIRST_RESERVED)
		return -EINVAL;
	*domid = (vmo_domid)number;
	return 0;
}

/* XenStore's path "domid", relative to our own domain's directory. */
static int ask_domid(struct vmo_xen *xen, const struct why *why)
{
	static const char remedy[] = "set the option VMONECOPY_DOMID";
	struct xs_handle *store;
	unsigned int bytes;
	char *text;
	int rc;

	errno = 0;
	store = vmo_fault(xen_xenstore) ? NULL : xen->xs_open(0);
	if (!store)
		return fail(why, errno ? -errno : -EIO, "cannot reach XenStore for one's own domid (/dev/xen/xenbus: %s): "
		            "give access to it, or %s", strerror(errno), remedy);
	text = xen->xs_read(store, XBT_NULL, "domid", &bytes);
	rc = text ? parse_domid(text, &xen->domid) : errno ? -errno : -EIO;
	xen->xs_close(store);
	if (rc)
		fail(why, rc, "XenStore does not tell one's own domid (%s): %s", text ? text : strerror(-rc), remedy);
	free(text);
	return rc;
}

static int find_domid(struct vmo_xen *xen, long option, const struct why *why)
{
	if (option < 0)
		return ask_domid(xen, why);
	if (option >= DOMID_FIRST_RESERVED)
		return fail(why, -EINVAL, "VMONECOPY_DOMID=%ld: a domid is less than %d", option, DOMID_FIRST_RESERVED);
	xen->domid = (vmo_domid)option;
	return 0;
}

static size_t find_grant_limit(bool emulated)
{
	char text[32] = "";
	const char *from = text, *variable = getenv("XENEMU_LIMIT");
	char *end;
	unsigned long long limit;

	if (emulated)
		from = variable ? variable : text;
	else
		read_line("/sys/module/xen_gntalloc/parameters/limit", text, sizeof text);
	limit = strtoull(from, &end, 10);
	return end == from ? DEFAULT_GRANT_LIMIT : (size_t)limit;
}

int vmo_xen_common_file(const struct vmo_xen *xen)
{
	char path[4096] = "/dev/xen/gntalloc";
	const char *directory = getenv("XENEMU_DIR");
	int fd;

	if (xen->emulated)	/* as tools/xenemu/settings.c has it */
		snprintf(path, sizeof path, "%s/xenemu-%u", directory ? directory : "/dev/shm", (unsigned)geteuid());
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

uint64_t vmo_xen_emulated_host(const struct vmo_xen *xen)
{
	int fd = xen->emulated ? vmo_xen_common_file(xen) : -1;
	struct stat registry = { .st_ino = 0 };

	if (fd < 0)
		return 0;
	fstat(fd, &registry);
	close(fd);
	return (uint64_t)registry.st_dev << 32 ^ (uint64_t)registry.st_ino;
}

int vmo_xen_open(struct vmo_xen **out, const char *library, long domid_option, char *why_text, size_t why_bytes)
{
	const struct why why = { why_text, why_bytes };
	struct vmo_xen *xen = vmo_fault(xen_record) ? NULL : calloc(1, sizeof *xen);
	int rc;

	if (!xen)
		return fail(&why, -ENOMEM, "out of memory");
	pthread_mutex_init(&xen->map_lock, NULL);
	pthread_mutex_init(&xen->drain_lock, NULL);
	xen->emulated = library != NULL;
	rc = check_page_size(&why);
	if (!rc && !library)
		rc = check_devices(&why);
	if (!rc)
		rc = load(xen, library, domid_option < 0, &why);
	if (!rc)
		rc = open_handles(xen, &why);
	if (!rc)
		rc = find_domid(xen, domid_option, &why);
	if (rc) {
		vmo_xen_close(xen);
		return rc;
	}
	xen->grant_limit = find_grant_limit(xen->emulated);
	*out = xen;
	return 0;
}

/* Also for an opening that failed half way. */
void vmo_xen_close(struct vmo_xen *xen)
{
	if (!xen)
		return;
	if (xen->evtchn)
		xen->xenevtchn_close(xen->evtchn);
	if (xen->gnttab)
		xen->xengnttab_close(xen->gnttab);
	if (xen->gntshr)
		xen->xengntshr_close(xen->gntshr);
	for (int i = 0; i < VMO_XEN_LIBRARIES; i++)
		if (xen->library[i])
			dlclose(xen->library[i]);
	pthread_mutex_destroy(&xen->drain_lock);
	pthread_mutex_destroy(&xen->map_lock);
	free(xen);
}
