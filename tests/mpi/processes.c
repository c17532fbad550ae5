/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Other processes between sends and during them, with buffers in place: fork (the child writes, gives memory up, forks
 * again, execs), vfork, posix_spawn, system, popen. A child sees its buffer as it was at fork, whatever the parent
 * sends meanwhile; its own writes reach neither parent nor message.
 *
 * RUN: np=2 timeout=120 VMONECOPY_ADMISSION=1 expect="onecopy_bytes [1-9]"
 * RUN: np=2 timeout=120 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0 expect="late_bytes [1-9]"
 * RUN: np=2 timeout=120 VMONECOPY_ADMISSION=1 VMONECOPY_CHECK=1 expect="checked_messages [1-9]" expect="\A(?![\s\S]*CHECK:)"
 * RUN: np=2 timeout=120 VMONECOPY_ADMISSION=1 VMONECOPY_FORKHOOK=0 must-fail=1
 */
#include "t.h"

#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define BYTES ((size_t)1 << 19)
#define BUFFERS 3		/* malloc, mmap, .bss */
#define ROUNDS 4

extern char **environ;

static char bss[BYTES + 4096];
static char *buf[BUFFERS], *in;
static int sequence;

static void fill_all(void)
{
	sequence++;
	for (int b = 0; b < BUFFERS; b++)
		t_fill(buf[b], BYTES, t_rank, b, sequence);
}

static bool all_are(int seen)
{
	for (int b = 0; b < BUFFERS; b++)
		if (t_wrong(buf[b], BYTES, t_rank, b, seen) >= 0)
			return false;
	return true;
}

static void send_all(void)
{
	for (int b = 0; b < BUFFERS; b++) {
		if (t_rank == 0)
			MPI_Send(buf[b], (int)BYTES, MPI_BYTE, 1, b, MPI_COMM_WORLD);
		memset(in, T_POISON, BYTES);
		MPI_Recv(in, (int)BYTES, MPI_BYTE, 1 - t_rank, b, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		VERIFY(in, BYTES, 1 - t_rank, b, sequence);
		if (t_rank == 1)
			MPI_Send(buf[b], (int)BYTES, MPI_BYTE, 0, b, MPI_COMM_WORLD);
	}
	CHECK(all_are(sequence));
}

static void ended_well(pid_t child)
{
	int status;

	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		FAIL("a child ended with status %#x", status);
}

/* ---- children ---- */

/* Waits until the parent has sent and written, then sees its own old bytes and scribbles. */
static void keep_and_write(int go)
{
	char word;
	bool kept = all_are(sequence) && read(go, &word, 1) == 1 && all_are(sequence);

	for (int b = 0; b < BUFFERS; b++)
		memset(buf[b], 0x5a, BYTES);
	_exit(!kept);
}

/* A child of the child; both write. */
static void fork_again(int go)
{
	int status = 1, old = sequence;
	pid_t child;

	buf[0][0] ^= 1;
	child = fork();
	if (!child) {
		buf[0][0] ^= 1;
		bool kept = all_are(old);
		memset(buf[1], 1, BYTES);
		free(buf[0]);
		munmap(buf[1], BYTES);
		_exit(!kept);
	}
	waitpid(child, &status, 0);
	buf[0][0] ^= 1;
	bool kept = all_are(old);
	char word;
	kept &= read(go, &word, 1) == 1 && all_are(old);
	_exit(status || !kept);
}

static void give_up_memory(int go)
{
	char word;

	free(buf[0]);
	munmap(buf[1], BYTES);
	char *again = malloc(BYTES);
	memset(again, 3, BYTES);
	_exit(read(go, &word, 1) != 1);
}

static void become_another(int go)
{
	execl("/bin/sh", "sh", "-c", "exit 0", (char *)NULL);
	_exit(1);
}

typedef void child_fn(int go);
static child_fn *const children[] = { keep_and_write, fork_again, give_up_memory, become_another };
#define CHILDREN ((int)(sizeof children / sizeof *children))

/* A child lives while the parent writes and sends. */
static void forked(child_fn *run)
{
	int go[2], old = sequence;
	pid_t child;

	CHECK(!pipe(go));
	child = fork();
	if (!child) {
		close(go[1]);
		run(go[0]);
	}
	close(go[0]);
	CHECK(all_are(old));
	send_all();
	fill_all();
	send_all();
	signal(SIGPIPE, SIG_IGN);
	CHECK(write(go[1], "x", 1) == 1 || run == become_another);
	close(go[1]);
	ended_well(child);
	send_all();
}

static void vforked(void)
{
	pid_t child = vfork();

	if (!child) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	ended_well(child);
}

static void spawned(void)
{
	char *command[] = { "sh", "-c", "exit 0", NULL };
	pid_t child;

	CHECK(!posix_spawn(&child, "/bin/sh", NULL, NULL, command, environ));
	send_all();
	ended_well(child);
}

static void piped(void)
{
	char line[16] = "";
	FILE *from = popen("echo said", "r");

	CHECK(from);
	send_all();
	CHECK(fgets(line, sizeof line, from) && !strcmp(line, "said\n"));
	CHECK(!pclose(from));
}

/* While a message is under way that the receiver takes later. */
static void during_a_send(void)
{
	MPI_Request request;
	pid_t child;

	if (t_rank == 1) {
		t_token_recv(0);
		MPI_Recv(in, (int)BYTES, MPI_BYTE, 0, 9, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		VERIFY(in, BYTES, 0, 0, sequence);
		return;
	}
	MPI_Isend(buf[0], (int)BYTES, MPI_BYTE, 1, 9, MPI_COMM_WORLD, &request);
	child = fork();
	if (!child) {
		memset(buf[0], 0x77, BYTES);
		_exit(0);
	}
	ended_well(child);
	CHECK(!system("true"));
	t_token_send(1);
	MPI_Wait(&request, MPI_STATUS_IGNORE);
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 110);
	unsetenv("LD_PRELOAD");		/* the commands are not under test */
	buf[0] = malloc(BYTES);
	buf[1] = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	buf[2] = bss + 100;
	in = malloc(BYTES);
	for (int round = 0; round < ROUNDS; round++) {
		fill_all();
		send_all();
		send_all();
		for (int i = 0; i < CHILDREN; i++)
			forked(children[i]);
		vforked();
		send_all();
		spawned();
		CHECK(!system("exit 0"));
		fill_all();
		send_all();
		piped();
		during_a_send();
		send_all();
	}
	return t_end();
}
