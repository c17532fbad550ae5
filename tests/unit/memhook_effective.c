/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* effective() says whether calls reach the hooks: not if a function's first bytes were overwritten, as UCX does. */
#include "subst_setup.h"

static void overwrite(void *function, const void *bytes, size_t n)
{
	void *page = (void *)vmo_page_down((uintptr_t)function);

	CHECK(!syscall(SYS_mprotect, page, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
	memcpy(function, bytes, n);
	__builtin___clear_cache(function, (char *)function + n);
	CHECK(!syscall(SYS_mprotect, page, 2 * PAGE, PROT_READ | PROT_EXEC));
}

int main(void)
{
#ifdef __x86_64__
	static const unsigned char straight_to_kernel[] = { 0xb8, SYS_munmap, 0, 0, 0, 0x0f, 0x05, 0xc3 };
#else
	static const unsigned char straight_to_kernel[] = { 0xe8, 0x1a, 0x80, 0xd2, 0x01, 0, 0, 0xd4, 0xc0, 0x03, 0x5f, 0xd6 };
#endif
	unsigned char kept[sizeof straight_to_kernel];
	void *ours = dlsym(RTLD_DEFAULT, "munmap");

	alarm(20);
	if (!vmo_memhook_table.effective()) {
		printf("SKIP: free() or another function is not the hooked one (a sanitizer's?)\n");
		return 77;
	}
	CHECK(!vmo_memhook_table.end);		/* it leaves nothing behind */
	memcpy(kept, ours, sizeof kept);
	overwrite(ours, straight_to_kernel, sizeof kept);
	CHECK(!vmo_memhook_table.effective());
	overwrite(ours, kept, sizeof kept);
	CHECK(vmo_memhook_table.effective());
	return 0;
}
