/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memhook.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define NAKED(address) ((uintptr_t)(address))

static bool effective(void);

VMO_HIDDEN struct vmo_memhook vmo_memhook_table = { .effective = effective };

static inline uintptr_t watch_end(void)
{
	return __atomic_load_n(&vmo_memhook_table.end, __ATOMIC_RELAXED);
}

/*
 * The real functions: X(result, name, parameters, arguments, what to do while they are unknown).
 * Each pointer begins at a stub that looks all of them up: the hooks need no check.
 */
#define REAL(X) \
	X(void *, realloc, (void *p, size_t n), (p, n), early_realloc(p, n)) \
	X(int, munmap, (void *p, size_t n), (p, n), (int)syscall(SYS_munmap, p, n)) \
	X(void *, mmap, (void *p, size_t n, int prot, int flags, int fd, off_t offset), \
	  (p, n, prot, flags, fd, offset), (void *)syscall(SYS_mmap, p, n, prot, flags, fd, offset)) \
	X(int, madvise, (void *p, size_t n, int advice), (p, n, advice), (int)syscall(SYS_madvise, p, n, advice)) \
	X(int, posix_madvise, (void *p, size_t n, int advice), (p, n, advice), 0) \
	X(int, brk, (void *p), (p), early_failure()) \
	X(void *, sbrk, (intptr_t n), (n), (void *)(intptr_t)early_failure()) \
	X(int, malloc_trim, (size_t pad), (pad), 0) \
	X(int, dlclose, (void *handle), (handle), early_failure()) \
	X(size_t, malloc_usable_size, (void *p), (p), 0)

static void resolve(void);

static int early_failure(void)
{
	errno = ENOMEM;
	return -1;
}

/* malloc() is the program's own, whoever it is; the length of an old block is not known yet. */
static void *early_realloc(void *p, size_t n)
{
	if (!p)
		return malloc(n);
	errno = ENOMEM;
	return NULL;
}

static void stub_free(void *p);
static void *stub_mremap(void *old, size_t old_bytes, size_t bytes, int flags, ...);
#define X(result, name, parameters, arguments, otherwise) static result stub_##name parameters;
REAL(X)
#undef X

static struct {
	void (*free)(void *p);
	void *(*mremap)(void *old, size_t old_bytes, size_t bytes, int flags, ...);
#define X(result, name, parameters, arguments, otherwise) result (*name) parameters;
	REAL(X)
#undef X
} real = {
	.free = stub_free, .mremap = stub_mremap,
#define X(result, name, parameters, arguments, otherwise) .name = stub_##name,
	REAL(X)
#undef X
};

#define X(result, name, parameters, arguments, otherwise) \
	static result stub_##name parameters \
	{ \
		resolve(); \
		return real.name != stub_##name ? real.name arguments : (otherwise); \
	}
REAL(X)
#undef X

static void stub_free(void *p)
{
	resolve();
	if (real.free != stub_free)
		real.free(p);
}

static void *stub_mremap(void *old, size_t old_bytes, size_t bytes, int flags, ...)
{
	va_list args;
	void *new;

	va_start(args, flags);
	new = va_arg(args, void *);
	va_end(args);
	resolve();
	return real.mremap != stub_mremap ? real.mremap(old, old_bytes, bytes, flags, new)
	                                  : (void *)syscall(SYS_mremap, old, old_bytes, bytes, flags, new);
}

static void resolve_one(void *slot, const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (found)
		__atomic_store_n((void **)slot, found, __ATOMIC_RELAXED);
}

/* dlsym may call free or malloc itself: those calls find `resolving` set and make do. */
static void resolve(void)
{
	static int resolving;
	int saved = errno;

	if (__atomic_exchange_n(&resolving, 1, __ATOMIC_ACQUIRE))
		return;
	resolve_one(&real.free, "free");
	resolve_one(&real.mremap, "mremap");
#define X(result, name, parameters, arguments, otherwise) resolve_one(&real.name, #name);
	REAL(X)
#undef X
	__atomic_store_n(&resolving, 0, __ATOMIC_RELEASE);
	errno = saved;
}

__attribute__((constructor(101))) static void at_load(void)
{
	resolve();
}

/*
 * No range begins at this address. effective() calls the hooks with it, as any caller would, to see
 * whether they are reached; the kernel then refuses it.
 */
#define PROBE ((uintptr_t)1)

static uintptr_t probed;
static unsigned probes;

/* May [at, at + bytes) touch a watched page? */
static inline bool watched(uintptr_t at, size_t bytes)
{
	uintptr_t end = at + bytes < at ? UINTPTR_MAX : at + bytes;

	return at < watch_end() && end > __atomic_load_n(&vmo_memhook_table.begin, __ATOMIC_RELAXED);
}

/* The slow path of every hook. */
static __attribute__((noinline)) void tell(uintptr_t at, size_t bytes, enum vmo_release how)
{
	void (*listener)(uintptr_t, size_t, enum vmo_release) =
		__atomic_load_n(&vmo_memhook_table.listener, __ATOMIC_ACQUIRE);
	int saved = errno;

	if (vmo_unlikely(at == probed && probed))
		probes++;
	else if (listener && bytes)
		listener(at, bytes, how);
	errno = saved;
}

static inline void tell_if_watched(const void *at, size_t bytes, enum vmo_release how)
{
	if (vmo_unlikely(watched(NAKED(at), bytes)))
		tell(NAKED(at), bytes, how);
}

static void tell_all(void)
{
	uintptr_t begin = __atomic_load_n(&vmo_memhook_table.begin, __ATOMIC_RELAXED), end = watch_end();

	if (vmo_unlikely(begin < end))
		tell(begin, end - begin, VMO_RELEASE_CHECK);
}

static __attribute__((noinline)) void tell_chunk(void *p, enum vmo_release how)
{
	size_t bytes = p ? real.malloc_usable_size(p) : 0;

	if (bytes >= VMO_PAGE_BYTES)
		tell_if_watched(p, bytes, how);
}

static void hooked_free(void *p)
{
	if (vmo_unlikely(NAKED(p) < watch_end()))
		tell_chunk(p, VMO_RELEASE_DISCARD);
	real.free(p);
}

static void *hooked_realloc(void *p, size_t bytes)
{
	if (vmo_unlikely(NAKED(p) < watch_end()))
		tell_chunk(p, VMO_RELEASE_KEEP);
	return real.realloc(p, bytes);
}

/* Whose realloc() serves the program: another allocator's, if that comes first and has no reallocarray() of its own. */
static void *hooked_reallocarray(void *p, size_t count, size_t each)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, each, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, bytes);
}

/* A call that the kernel will refuse must not end anything. */
static int hooked_munmap(void *p, size_t bytes)
{
	if (!(NAKED(p) % VMO_PAGE_BYTES) || NAKED(p) == PROBE)
		tell_if_watched(p, bytes, VMO_RELEASE_UNMAP);
	return real.munmap(p, bytes);
}

static void *hooked_mmap(void *p, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == MAP_FIXED)
		tell_if_watched(p, bytes, VMO_RELEASE_KEEP);
	return real.mmap(p, bytes, prot, flags, fd, offset);
}

static void *hooked_mremap(void *old, size_t old_bytes, size_t bytes, int flags, ...)
{
	va_list args;
	void *new;

	va_start(args, flags);
	new = va_arg(args, void *);	/* garbage unless the flags say that it is there, as in libc */
	va_end(args);
	tell_if_watched(old, old_bytes, VMO_RELEASE_KEEP);
	if (flags & MREMAP_FIXED)
		tell_if_watched(new, bytes, VMO_RELEASE_KEEP);
	void *at = real.mremap(old, old_bytes, bytes, flags, new);
	if (vmo_likely(at != MAP_FAILED || errno != EFAULT))
		return at;
	tell(NAKED(old), old_bytes, VMO_RELEASE_MEND);
	return real.mremap(old, old_bytes, bytes, flags, new);
}

static bool destroys(int advice)
{
	switch (advice) {
	case MADV_DONTNEED: case MADV_FREE: case MADV_REMOVE: case MADV_DONTNEED_LOCKED: case MADV_GUARD_INSTALL:
		return true;
	default:
		return false;
	}
}

static int hooked_madvise(void *p, size_t bytes, int advice)
{
	if (vmo_unlikely(watched(NAKED(p), bytes)) && destroys(advice))
		tell(NAKED(p), bytes, VMO_RELEASE_KEEP);
	return real.madvise(p, bytes, advice);
}

/* glibc ignores POSIX_MADV_DONTNEED, the only advice that another libc could take as destroying. */
static int hooked_posix_madvise(void *p, size_t bytes, int advice)
{
	if (advice == POSIX_MADV_DONTNEED)
		tell_if_watched(p, bytes, VMO_RELEASE_KEEP);
	return real.posix_madvise(p, bytes, advice);
}

static void tell_of_break(uintptr_t wanted, uintptr_t now)
{
	if (wanted < now)
		tell_if_watched((void *)wanted, now - wanted, VMO_RELEASE_KEEP);
}

static int hooked_brk(void *p)
{
	if (vmo_unlikely(watch_end()))
		tell_of_break(NAKED(p), NAKED(real.sbrk(0)));
	return real.brk(p);
}

static void *hooked_sbrk(intptr_t more)
{
	if (vmo_unlikely(watch_end() && more < 0)) {
		uintptr_t now = NAKED(real.sbrk(0));

		tell_of_break(now + (uintptr_t)more, now);
	}
	return real.sbrk(more);
}

static int hooked_malloc_trim(size_t pad)
{
	int trimmed = real.malloc_trim(pad);

	tell_all();
	return trimmed;
}

static int hooked_dlclose(void *handle)
{
	int rc = real.dlclose(handle);

	tell_all();
	return rc;
}

/*
 * The exported names. Within this file the hooks have names of their own that nobody can interpose.
 *
 * With VMO_HOOK_VERSION, the system calls are exported as munmap@GLIBC_2.2.5: bound by every program and
 * library, but hidden from dlsym(). UCX overwrites the first bytes of what dlsym() finds with a jump to
 * its own code, which then makes the system call itself. Found by dlsym(), our functions would lose their
 * calls, and UCX would no longer see the unmappings within libc's free(): its registrations would go
 * stale. Hidden, ours come first, and UCX patches libc's, as it does without us.
 */
#define ALLOCATOR(X) \
	X(free, free) X(realloc, realloc) X(reallocarray, reallocarray) X(malloc_trim, malloc_trim) X(dlclose, dlclose)
#define SYSTEM(X) \
	X(munmap, munmap) X(mmap, mmap) X(mmap64, mmap) X(mremap, mremap) X(madvise, madvise) \
	X(posix_madvise, posix_madvise) X(brk, brk) X(sbrk, sbrk)

/*
 * AddressSanitizer calls free() before its own memory is set up: code that it instruments cannot serve.
 * Then nothing is exported, and effective() says so. (Better: compile this file without it.)
 */
#ifdef __SANITIZE_ADDRESS__
#define EXPORTED false
#else
#define EXPORTED true

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wattribute-alias"
#pragma GCC diagnostic ignored "-Wmissing-attributes"
#define X(name, hook) extern __typeof__(name) name __attribute__((alias("hooked_" #hook), visibility("default")));
ALLOCATOR(X)
#ifndef VMO_HOOK_VERSION
SYSTEM(X)
#endif
#undef X
#pragma GCC diagnostic pop

#ifdef VMO_HOOK_VERSION
#define X(name, hook) \
	extern __typeof__(hooked_##hook) versioned_##name __attribute__((alias("hooked_" #hook), visibility("default"))); \
	__asm__(".symver versioned_" #name "," #name "@" VMO_HOOK_VERSION ",remove");
SYSTEM(X)
#undef X
#endif
#endif

#ifdef VMO_HOOK_VERSION
#define FIND_SYSTEM(name) dlvsym(RTLD_DEFAULT, name, VMO_HOOK_VERSION)
#else
#define FIND_SYSTEM(name) dlsym(RTLD_DEFAULT, name)
#endif

/*
 * A program that is not position independent and takes a function's address (Debian's python3: &free)
 * has it in itself: its PLT entry, found by dlsym as an undefined symbol with a value. A call of that
 * goes on to the first definition behind the program; reached() sees whether this is ours.
 */
static bool plt_of_program(void *found)
{
	const ElfW(Sym) *symbol = NULL;
	Dl_info info;

	return found && dladdr1(found, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol &&
	       symbol->st_shndx == SHN_UNDEF;
}

static bool leads_to(void *found, const void *hook)
{
	return found == hook || plt_of_program(found);
}

static const void *object_of(void *function)
{
	Dl_info info;

	return dladdr(function, &info) ? info.dli_fbase : NULL;
}

/* The length of a chunk is asked of malloc_usable_size(): it must know the chunks of malloc() and free(). */
static bool one_allocator(void)
{
	void *allocate = dlsym(RTLD_DEFAULT, "malloc");
	const void *object = object_of((void *)real.free);

	if (plt_of_program(allocate))
		allocate = dlsym(RTLD_NEXT, "malloc");
	return object && object == object_of(allocate) && object == object_of((void *)real.realloc) &&
	       object == object_of((void *)real.malloc_usable_size);
}

static void watch_probe(const void *at)
{
	probed = NAKED(at);
	__atomic_store_n(&vmo_memhook_table.begin, probed, __ATOMIC_RELAXED);
	__atomic_store_n(&vmo_memhook_table.end, probed ? probed + 1 : 0, __ATOMIC_RELAXED);
}

/* A pointer of which the compiler knows nothing: it must not drop the calls. */
static void *opaque(void *p)
{
	__asm__("" : "+r"(p));
	return p;
}

static void probe_allocator(void)
{
	void *p = opaque(malloc(2 * VMO_PAGE_BYTES)), *q;

	watch_probe(p);
	q = p ? opaque(realloc(p, 3 * VMO_PAGE_BYTES)) : NULL;
	p = q ? q : p;
	watch_probe(p);
	free(p);
}

static void probe_system(void)
{
	void *nowhere = (void *)PROBE;

	watch_probe(nowhere);
	munmap(nowhere, 1);
	(void)madvise(nowhere, 1, MADV_DONTNEED);
	(void)mremap(nowhere, 1, 1, 0);
}

/* Do calls get here, also after others patched code or tables? */
static bool reached(void)
{
	int saved = errno;

	probes = 0;
	probe_allocator();
	probe_system();
	watch_probe(NULL);
	errno = saved;
	return probes == 5;
}

static bool effective(void)
{
	if (!EXPORTED || !one_allocator())
		return false;
#define X(name, hook) if (!leads_to(dlsym(RTLD_DEFAULT, #name), (void *)hooked_##hook)) return false;
	ALLOCATOR(X)
#undef X
#define X(name, hook) if (!leads_to(FIND_SYSTEM(#name), (void *)hooked_##hook)) return false;
	SYSTEM(X)
#undef X
	return watch_end() || reached();
}
