/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memarea.h"

#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARENA_BYTES ((uintptr_t)64 << 20)	/* HEAP_MAX_SIZE of glibc's malloc */
#define GUARD_MOST ((uintptr_t)1 << 18)		/* pthread guards are a page or a few; larger ones are reserved memory */
#define LINE_BYTES 160				/* the rest of a longer line is a path that says no in any case */

/* Calls line(text, context) for each line, until it returns false. */
static int each_line(const char *path, bool (*line)(const char *text, void *context), void *context)
{
	char buffer[4096], text[LINE_BYTES];
	long fd = vmo_fault(proc_files) ? -1 : syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC), got;
	size_t n = 0;
	bool more = true;

	if (fd < 0)
		return -errno;
	while (more && (got = syscall(SYS_read, fd, buffer, sizeof buffer)) > 0) {
		for (long i = 0; more && i < got; i++) {
			if (buffer[i] != '\n') {
				if (n < sizeof text - 1)
					text[n++] = buffer[i];
				continue;
			}
			text[n] = '\0';
			n = 0;
			more = line(text, context);
		}
	}
	syscall(SYS_close, fd);
	return more && got < 0 ? -EIO : 0;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uintptr_t take_hex(const char **text)
{
	uintptr_t value = 0;

	for (; digit(**text) >= 0; ++*text)
		value = value << 4 | (uintptr_t)digit(**text);
	return value;
}

static const char *skip_word(const char *text)
{
	while (*text && *text != ' ')
		text++;
	while (*text == ' ')
		text++;
	return text;
}

/* One line of /proc/self/maps: begin-end perms offset device inode   name */
struct vma {
	uintptr_t begin, end;
	uint64_t offset;
	const char *perms, *file, *name;	/* within the line; file: device and inode */
};

static struct vma parse(const char *line)
{
	struct vma vma;

	vma.begin = take_hex(&line);
	line += *line == '-';
	vma.end = take_hex(&line);
	vma.perms = skip_word(line);
	vma.file = vma.perms;
	vma.file = skip_word(vma.file);
	vma.offset = take_hex(&vma.file);
	vma.file = skip_word(vma.file);
	vma.name = skip_word(skip_word(vma.file));
	return vma;
}

struct question {
	uintptr_t begin, end;
	uintptr_t stack;	/* an address on this thread's stack */
	bool main_data;		/* within the main program's writable segments */
	bool library_data;	/* overlaps another object's segments */
	uintptr_t answered;	/* allowed so far */
	bool refused;
	uintptr_t guard_end;	/* end of the guard that the last VMA was, or 0 */
};

static bool is_guard(const struct vma *vma)
{
	return !memcmp(vma->perms, "---p", 4) && !*vma->name && vma->end - vma->begin < GUARD_MOST;
}

static int pagemap_entry(int pagemap, uintptr_t page, uint64_t *out)
{
	off_t offset = (off_t)((page >> VMO_PAGE_SHIFT) * sizeof *out);
	ssize_t got = pread(pagemap, out, sizeof *out, offset);

	return got == sizeof *out ? 0 : got < 0 ? -errno : -EIO;
}

/* Newer C libraries make a stack's guard of its own lowest pages (MADV_GUARD_INSTALL): bit 58. */
static bool begins_with_guard(const struct vma *vma)
{
	int pagemap = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (pagemap < 0)
		return false;
	pagemap_entry(pagemap, vma->begin, &entry);
	syscall(SYS_close, pagemap);
	return entry >> 58 & 1;
}

static bool stack_like(const struct vma *vma, const struct question *q)
{
	return (vma->begin <= q->stack && q->stack < vma->end) ||
	       (vma->begin == q->guard_end && vma->begin % ARENA_BYTES) || begins_with_guard(vma);
}

static bool named_well(const char *name, bool main_data)
{
	return !*name || !strcmp(name, "[heap]") || !strncmp(name, "[anon:", 6) || (main_data && *name == '/');
}

static bool allowed(const struct vma *vma, const struct question *q)
{
	return !memcmp(vma->perms, "rw-p", 4) && named_well(vma->name, q->main_data) && !stack_like(vma, q);
}

static bool next_vma(const char *line, void *context)
{
	struct question *q = context;
	struct vma vma = parse(line);

	if (vma.end > q->answered && vma.begin < q->end) {
		if (vma.begin > q->answered || !allowed(&vma, q))
			q->refused = true;
		q->answered = vma.end;
	}
	q->guard_end = is_guard(&vma) ? vma.end : 0;
	return !q->refused && vma.end < q->end;
}

/* .bss has no name in maps; the program headers tell whose it is. The main program comes first. */
static int next_object(struct dl_phdr_info *object, size_t bytes, void *context)
{
	struct question *q = context;
	bool is_main = !q->answered++;

	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		uintptr_t begin = vmo_page_down(object->dlpi_addr + segment->p_vaddr);
		uintptr_t end = vmo_page_up(object->dlpi_addr + segment->p_vaddr + segment->p_memsz);

		if (segment->p_type != PT_LOAD || begin >= q->end || end <= q->begin)
			continue;
		if (is_main && segment->p_flags & PF_W && begin <= q->begin && end >= q->end)
			q->main_data = true;
		else
			q->library_data = true;
	}
	return q->library_data;
}

static bool no_locked_pages(const char *line, void *context)
{
	bool *pinned = context;

	if (!strncmp(line, "VmLck:", 6) || !strncmp(line, "VmPin:", 6))
		*pinned |= line[6 + strspn(line + 6, " \t")] != '0';
	return !*pinned && strncmp(line, "VmHWM:", 6);	/* the line after VmPin: no need to read on */
}

static bool nothing_pinned(void)
{
	bool pinned = false;

	return !each_line("/proc/self/status", no_locked_pages, &pinned) && !pinned;
}

bool vmo_memarea_allows(uintptr_t begin, uintptr_t end)
{
	struct question q = { .begin = begin, .end = end, .stack = (uintptr_t)__builtin_frame_address(0) };

	dl_iterate_phdr(next_object, &q);
	if (q.library_data)
		return false;
	q.answered = begin;
	if (each_line("/proc/self/maps", next_vma, &q) || q.refused || q.answered < end)
		return false;
	return nothing_pinned();
}

/* As the kernel names the rings that are mapped (fs/aio.c, io_uring/io_uring.c). */
static bool no_ring(const char *line, void *context)
{
	bool *ring = context;
	const char *name = parse(line).name;

	*ring = !strncmp(name, "/[aio]", 6) || !strncmp(name, "anon_inode:[io_uring]", 21);
	return !*ring;
}

bool vmo_memarea_quiet(void)
{
	bool ring = false;

	return nothing_pinned() && !each_line("/proc/self/maps", no_ring, &ring) && !ring;
}

int vmo_memarea_shared(int pagemap, uintptr_t page)
{
	const uint64_t present = (uint64_t)1 << 63, file_or_shared = (uint64_t)1 << 61;
	uint64_t entry;
	int rc = pagemap_entry(pagemap, page, &entry);

	return rc ? rc : entry & present && entry & file_or_shared;
}

/* What is mapped at two addresses. */
struct pair {
	struct place {
		uintptr_t at;
		size_t bytes;		/* so far what is said here holds */
		bool found, shared;
		uint64_t offset;	/* in the file */
		size_t file_bytes;
		char file[48];		/* device and inode */
	} place[2];
};

static void note_place(struct place *place, const struct vma *vma)
{
	if (place->bytes || vma->end <= place->at)
		return;
	place->found = vma->begin <= place->at;
	place->bytes = (place->found ? vma->end : vma->begin) - place->at;
	place->shared = vma->perms[3] == 's';
	place->offset = vma->offset + (place->at - vma->begin);
	place->file_bytes = strcspn(vma->file, " ");
	place->file_bytes += 1 + strcspn(vma->file + place->file_bytes + 1, " ");
	if (place->file_bytes > sizeof place->file)
		place->found = false;
	else
		memcpy(place->file, vma->file, place->file_bytes);
}

static bool until_both(const char *line, void *context)
{
	struct pair *pair = context;
	struct vma vma = parse(line);

	note_place(&pair->place[0], &vma);
	note_place(&pair->place[1], &vma);
	return !pair->place[0].bytes || !pair->place[1].bytes;
}

int vmo_memarea_alike(uintptr_t at, uintptr_t view, size_t *bytes)
{
	struct pair pair = { { { .at = at }, { .at = view } } };
	const struct place *a = &pair.place[0], *b = &pair.place[1];
	int rc = each_line("/proc/self/maps", until_both, &pair);

	if (rc)
		return rc;
	if (a->bytes && a->bytes < *bytes)
		*bytes = a->bytes;
	if (b->bytes && b->bytes < *bytes)
		*bytes = b->bytes;
	return a->found && b->found && a->shared && b->shared && a->offset == b->offset &&
	       a->file_bytes == b->file_bytes && !memcmp(a->file, b->file, a->file_bytes);
}
