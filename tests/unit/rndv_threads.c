/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two engines, each with threads that send and threads that receive at once, as under MPI_THREAD_MULTIPLE but without
 * MPI: a socket carries the requests of each pair of threads.
 *
 *   process 1                                   process 2
 *   sender 0..3    --- socket 0..3, RTS --->    receiver 0..3
 *   receiver 0..3  <-- socket 4..7, RTS ----    sender 0..3
 *
 * Senders wait, detach, go on before their receiver is done, and give memory up while it is substituted (they call the
 * memory hook's listener as free() would). Some messages are refused and sent again. Every byte is checked. Of use
 * above all under ThreadSanitizer: make tsan.
 */
#include "xen_pair.h"

#include "rndv.h"

#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>

#define THREADS 4
#define ROUNDS 150
#define MOST (48 * 1024 + 777)

static int line[2 * THREADS][2];	/* [0] is process 1's end */
static struct vmo_engine engine;
static struct vmo_peer *peer;
static int side;			/* 0 or 1 */
static int refused_rounds;

static bool yes(void)
{
	return true;
}

static struct vmo_memhook hook = { .effective = yes };

static int exchange(void *context, const void *out, void *in, size_t bytes)
{
	struct pair *pair = context;

	pair_tell(pair, (const char *)out + (size_t)(1 - side) * bytes, bytes);
	pair_hear(pair, (char *)in + (size_t)(1 - side) * bytes, bytes);
	memcpy((char *)in + (size_t)side * bytes, (const char *)out + (size_t)side * bytes, bytes);
	return 0;
}

static size_t size_of(int round)
{
	static const size_t sizes[] = { MOST, 100, 16384, 8192, 40001, 4096 };

	return sizes[round % 6];
}

static unsigned seed_of(int from, int thread, int round)
{
	return (unsigned)(from * 1000003 + thread * 1009 + round);
}

static void put(int fd, const void *data, size_t bytes)
{
	CHECK(write(fd, data, bytes) == (ssize_t)bytes);
}

static void get(int fd, void *data, size_t bytes)
{
	for (char *to = data; bytes;) {
		ssize_t n = read(fd, to, bytes);

		if (n <= 0)
			_exit(1);
		to += n;
		bytes -= (size_t)n;
	}
}

/* A draining transfer that its receiver refused: as if MPI had sent it. */
static void refused(struct vmo_xfer *xfer)
{
	__atomic_fetch_add(&refused_rounds, 1, __ATOMIC_RELAXED);
	xfer->refused = NULL;
	vmo_rndv_release(xfer);
}

/* Until the buffer is free. */
static void await(struct vmo_xfer *xfer, int round)
{
	for (int turn = 0; !xfer->detached && vmo_rndv_state(xfer) == VMO_XFER_PENDING; turn++) {
		if (round % 3 == 0 && turn > 20)
			vmo_rndv_detach(xfer);
		if (round % 5 == 0)
			vmo_rndv_sleep(xfer, 10000);
		vmo_rndv_reap(&engine);
		sched_yield();
	}
}

static void give_up(char *buffer)
{
	if (hook.listener)	/* nobody listens if nothing is substituted */
		hook.listener((uintptr_t)buffer, MOST + PAGE, VMO_RELEASE_DISCARD);
	munmap(buffer, MOST + PAGE);
}

/* Memory changes hands as by free() and malloc(). */
static char *renew(char *buffer)
{
	give_up(buffer);
	buffer = mmap(NULL, MOST + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(buffer != MAP_FAILED);
	return buffer;
}

static void *sender(void *number)
{
	int thread = (int)(long)number, fd = line[side * THREADS + thread][side];
	char *buffer = mmap(NULL, MOST + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(buffer != MAP_FAILED);
	for (int round = 0; round < ROUNDS; round++) {
		char *from = buffer + round % 2 * 40;
		struct vmo_xfer *xfer;
		struct vmo_rts rts;
		enum vmo_reason reason;

		pair_fill(from, size_of(round), seed_of(side, thread, round));
		while (vmo_rndv_offer(peer, from, size_of(round), &xfer, &rts, &reason))
			sched_yield();
		xfer->refused = refused;
		put(fd, &rts, sizeof rts);
		vmo_rndv_fill(xfer);
		await(xfer, round);
		vmo_rndv_release(xfer);		/* pending ones drain by themselves */
		if (round % 20 == 19)
			buffer = renew(buffer);
	}
	give_up(buffer);
	return NULL;
}

static void *receiver(void *number)
{
	int thread = (int)(long)number, other = 1 - side, fd = line[other * THREADS + thread][side];
	char *to = malloc(MOST);

	for (int round = 0; round < ROUNDS; round++) {
		struct vmo_incoming in;
		struct vmo_rts rts;

		get(fd, &rts, sizeof rts);
		CHECK(vmo_rndv_is_rts(&engine, &rts));
		CHECK_RC(vmo_rndv_accept(peer, &rts, &in), 0);
		CHECK(in.bytes == size_of(round));
		if (round % 37 == 36) {
			vmo_rndv_refuse(&in);
			continue;
		}
		if (round % 7 == 0)
			usleep(200);
		memset(to, 0, in.bytes);
		CHECK_RC(vmo_rndv_pull(&in, to, in.bytes), 0);
		CHECK(pair_same(to, 0, in.bytes, seed_of(other, thread, round)));
		vmo_rndv_finish(&in);
	}
	free(to);
	return NULL;
}

static void run(struct pair *pair)
{
	struct vmo_config config;
	pthread_t thread[2 * THREADS];

	vmo_config_read(&config);
	vmo_engine_open(&engine, &config, pair_emulation(), (uint32_t)side, 2);
	CHECK_RC(vmo_engine_prepare(&engine, (uint32_t)side, 2), 0);
	CHECK_RC(vmo_engine_start(&engine, &hook, exchange, pair), 0);
	CHECK(engine.peers_on == 1);
	peer = &engine.peer[1 - side];
	for (long i = 0; i < THREADS; i++) {
		CHECK(!pthread_create(&thread[i], NULL, receiver, (void *)i));
		CHECK(!pthread_create(&thread[THREADS + i], NULL, sender, (void *)i));
	}
	for (int i = 0; i < 2 * THREADS; i++)
		pthread_join(thread[i], NULL);
	pair_meet(pair);
	while (vmo_rndv_reap(&engine))	/* once more for those that were refused */
		sched_yield();
	vmo_engine_leave(&engine);
	pair_meet(pair);
	vmo_engine_withdraw(&engine);
	pair_meet(pair);
	vmo_engine_stop(&engine);
}

static void first(struct pair *pair)
{
	side = 0;
	run(pair);
}

static void second(struct pair *pair)
{
	side = 1;
	run(pair);
}

static int with(const char *variable, const char *value)
{
	setenv(variable, value, 1);
	for (int i = 0; i < 2 * THREADS; i++)
		CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, line[i]));
	int failed = pair_test(60, first, second);
	for (int i = 0; i < 2 * THREADS; i++)
		close(line[i][0]), close(line[i][1]);
	if (failed)
		fprintf(stderr, "with %s=%s\n", variable, value);
	return failed;
}

int main(void)
{
	setenv("XENEMU_LIMIT", "8192", 1);
	setenv("VMONECOPY_XEN", "emulated", 1);
	return with("VMONECOPY_ADMISSION", "1") ||	/* in place */
	       with("VMONECOPY_RUN", "64K") ||		/* many runs */
	       with("VMONECOPY_MAP_BUDGET", "128K") ||	/* of which few stay mapped */
	       with("VMONECOPY_SUBSTITUTE", "0");	/* staged */
}
