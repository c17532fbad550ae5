/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * RUN: np=2 expect=ok expect="onecopy_bytes [1-9]" VMONECOPY_ADMISSION=2 VMONECOPY_PATIENCE_US=1000000
 * RUN: np=2 expect=ok expect="staged_bytes [1-9]" VMONECOPY_SUBSTITUTE=0
 *
 * The program's own SIGSEGV handler works as without the library, whatever pages are under its buffers:
 *   barrier   it write-protects a sent buffer, as a garbage collector does: each page's first store faults once, the
 *             handler mends by mprotect, and what is sent next is what was stored
 *   closed    a buffer that may not be read, or received into, opens page by page under the library's own copy
 *   jump      a send from where nothing may be read faults inside that buffer, the handler jumps out, and messages go on
 */
#include "t.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#define BYTES ((size_t)1 << 20)
#define PAGES ((int)(BYTES / T_PAGE))

static char *volatile guarded;		/* the handler mends here */
static volatile int faults, strange;
static sigjmp_buf out_of_send;
static char *volatile hole;		/* the handler jumps from here */

static bool within(const char *at, const char *buf)
{
	return buf && at >= buf && at < buf + BYTES;
}

static void on_segv(int number, siginfo_t *info, void *context)
{
	char *at = info->si_addr;

	if (within(at, hole))
		siglongjmp(out_of_send, 1);
	if (!within(at, guarded)) {
		signal(SIGSEGV, SIG_DFL);	/* a fault of its own: ends the test */
		strange++;
		return;
	}
	faults++;
	mprotect((void *)((uintptr_t)at & ~(T_PAGE - 1)), T_PAGE, PROT_READ | PROT_WRITE);
}

static char *new_pages(void)
{
	char *at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	return at;
}

static void send(char *buf, int tag)
{
	MPI_Send(buf, (int)BYTES, MPI_BYTE, 1, tag, MPI_COMM_WORLD);
}

static void receive(struct t_buf *buf, int tag, int sequence)
{
	t_poison(buf);
	MPI_Recv(buf->at, (int)BYTES, MPI_BYTE, 0, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	GOT(buf, BYTES, 0, tag, sequence);
}

/* The buffer is in place before, if it may be. */
static void barrier(void)
{
	struct t_buf in = t_new(BYTES, 300);
	char *out = new_pages();

	for (int i = 0; i < 5; i++) {
		t_fill(out, BYTES, 0, 1, i);
		if (t_rank == 0)
			send(out, 1);
		else
			receive(&in, 1, i);
	}
	for (int i = 5; i < 8; i++) {
		CHECK(!mprotect(out, BYTES, PROT_READ));
		guarded = out;
		faults = 0;
		t_fill(out, BYTES, 0, 1, i);
		CHECK_EQ(faults, PAGES);
		guarded = NULL;
		if (t_rank == 0)
			send(out, 1);
		else
			receive(&in, 1, i);
	}
	VERIFY(out, BYTES, 0, 1, 7);
	CHECK(!munmap(out, BYTES));
	t_free(&in);
}

/* Protected while it is sent: reading is allowed, and the protection is still there afterwards. */
static void read_only(void)
{
	struct t_buf in = t_new(BYTES, 0);
	char *out = new_pages();

	t_fill(out, BYTES, 0, 2, 1);
	CHECK(!mprotect(out, BYTES, PROT_READ));
	for (int i = 0; i < 6; i++)
		if (t_rank == 0)
			send(out, 2);
		else
			receive(&in, 2, 1);
	guarded = out;
	faults = 0;
	for (int i = 0; i < PAGES; i++)
		out[(size_t)i * T_PAGE] = 1;
	CHECK_EQ(faults, PAGES);
	guarded = NULL;
	CHECK(!munmap(out, BYTES));
	t_free(&in);
}

/* Ways of the MPI itself that read a peer's memory by a system call do not fault but fail: only the library's copy is meant. */
static void closed(void)
{
	struct t_buf in = t_new(BYTES, 0);
	char *out = new_pages();

	t_fill(out, BYTES, 0, 3, 1);
	faults = 0;
	if (t_rank == 0) {
		CHECK(!mprotect(out, BYTES, PROT_NONE));
		guarded = out;
		send(out, 3);
		CHECK_EQ(faults, PAGES);
		VERIFY(out, BYTES, 0, 3, 1);
		send(in.base + T_PAGE, 4);	/* its content does not matter */
	} else {
		receive(&in, 3, 1);
		CHECK(!mprotect(out, BYTES, PROT_NONE));
		guarded = out;
		MPI_Recv(out, (int)BYTES, MPI_BYTE, 0, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		CHECK_EQ(faults, PAGES);
		CHECK_EQ((unsigned char)out[BYTES - 1], T_POISON);
	}
	guarded = NULL;
	CHECK(!munmap(out, BYTES));
	t_free(&in);
}

/* Nobody receives that message. */
static void jump(void)
{
	struct t_buf in = t_new(BYTES, 0), out = t_new(BYTES, 0);
	static volatile int jumped;
	char *gone = new_pages();

	CHECK(!mprotect(gone, BYTES, PROT_NONE));
	if (t_rank == 0) {
		hole = gone;
		if (!sigsetjmp(out_of_send, 1))
			send(gone, 5);
		else
			jumped = 1;
		hole = NULL;
		CHECK_EQ(jumped, 1);
	}
	CHECK(!munmap(gone, BYTES));
	for (int i = 0; i < 20; i++) {
		t_fill(out.at, BYTES, 0, 6, i);
		if (t_rank == 0)
			send(out.at, 6);
		else
			receive(&in, 6, i);
	}
	t_free(&in);
	t_free(&out);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };

	t_begin(&argc, &argv, 50);
	CHECK(!sigaction(SIGSEGV, &action, NULL));
	barrier();
	read_only();
	closed();
	jump();
	CHECK(!sigaction(SIGSEGV, NULL, &action));
	CHECK(action.sa_sigaction == on_segv);
	CHECK_EQ(strange, 0);
	return t_end();
}
