/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Start and end: meeting the peers in MPI_Init, taking everything back in MPI_Finalize. */
#include "mpi_coll.h"
#include "mpi_small.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct vmo_config config;

/* NULL: real Xen. */
static const char *emulation(char path[4096])
{
	if (strcmp(config.xen, "emulated"))
		return NULL;
	snprintf(path, 4096, "%s/libxenemu.so", shim.host.directory);
	return path;
}

static void init_lock(void)
{
	pthread_mutexattr_t attributes;
	int level = MPI_THREAD_SINGLE;

	shim.mpi.Query_thread(&level);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&shim.lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
	shim.multiple = level == MPI_THREAD_MULTIPLE;
	vmo_stats_alone = !shim.multiple;
}

static bool start_engine(int rank, int ranks)
{
	struct vmo_memhook *hook = config.memhooks ? shim.host.hook : NULL;
	char path[4096];

	if (vmo_comm_setup(ranks) || vmo_type_setup()) {
		vmo_warn("cannot start: no memory or no attributes left; every call goes to MPI itself");
		config.enable = 0;	/* the others must hear so */
	}
	vmo_engine_open(&shim.engine, &config, emulation(path), (uint32_t)rank, (uint32_t)ranks);
	int rc = vmo_host_start(&config, hook);
	if (rc)
		vmo_warn("start-up failed: %s; every call goes to MPI itself", strerror(-rc));
	if (shim.world)
		vmo_comm_know();
	vmo_coll_setup(&config, !rc && config.enable);
	return !rc && shim.engine.peers_on;
}

/* After MPI's own MPI_Init. Collective over MPI_COMM_WORLD once all are known to be here; on all ranks or on none. */
static void begin(void)
{
	int rank, ranks;

	if (shim.mpi.Comm_size(MPI_COMM_WORLD, &ranks) != MPI_SUCCESS ||
	    shim.mpi.Comm_rank(MPI_COMM_WORLD, &rank) != MPI_SUCCESS)
		return;
	vmo_log_setup(vmo_log_level, rank);
	init_lock();
	shim.private_comm = MPI_COMM_NULL;
	if (!vmo_muster(rank, ranks, &config)) {
		snprintf(shim.engine.why, sizeof shim.engine.why, "libvmonecopy.so is not on all ranks");
		vmo_slots_fill(false);
		return;
	}
	if (shim.mpi.Comm_dup(MPI_COMM_WORLD, &shim.private_comm) != MPI_SUCCESS)
		return;
	shim.mpi.Comm_set_errhandler(shim.private_comm, MPI_ERRORS_RETURN);
	vmo_status_setup();
	shim.threshold = config.threshold;
	shim.patience_ns = (uint64_t)config.patience_us * 1000;
	shim.active = start_engine(rank, ranks);
	if (!shim.active)
		vmo_slots_fill(false);	/* straight to MPI from now on; Finalize is still told */
	if (shim.coll.usable)
		vmo_slots_collectives();
	__atomic_store_n(&shim.host.slots[VMO_CALL_Finalize], (void *)vmo_Finalize, __ATOMIC_RELEASE);
}

#if MPI_VERSION >= 4
int vmo_Session_init(MPI_Info info, MPI_Errhandler handler, MPI_Session *session)
{
	vmo_count_call(Session_init);
	vmo_muster_announce();
	__atomic_store_n(&shim.sessions, true, __ATOMIC_RELAXED);	/* mpi_comm.c */
	return shim.mpi.Session_init(info, handler, session);
}
#endif

/* Threads made meanwhile are the MPI's. */
static void set_in_init(bool in_init)
{
	if (shim.host.hook->threads)
		__atomic_store_n(&shim.host.hook->threads->in_init, in_init, __ATOMIC_RELAXED);
}

static int init_returned(int rc)
{
	set_in_init(false);
	if (rc == MPI_SUCCESS)
		begin();
	return rc;
}

int vmo_Init(int *argc, char ***argv)
{
	vmo_count_call(Init);
	set_in_init(true);
	vmo_muster_announce();
	return init_returned(shim.mpi.Init(argc, argv));
}

int vmo_Init_thread(int *argc, char ***argv, int required, int *provided)
{
	vmo_count_call(Init_thread);
	set_in_init(true);
	vmo_muster_announce();
	return init_returned(shim.mpi.Init_thread(argc, argv, required, provided));
}

bool vmo_end_wait(MPI_Request *request, MPI_Status *status)
{
	struct vmo_wait wait = VMO_WAIT_INIT;
	int flag = 0;

	while (shim.mpi.Test(request, &flag, status) == MPI_SUCCESS && !flag) {
		if (shim.active)
			vmo_mpi_progress(NULL);
		if (vmo_wait_turn(&wait) == VMO_WAIT_SLEEP && vmo_engine_dead_peer(&shim.engine))
			return false;
	}
	return flag;
}

/* Until all ranks are here, somebody may still pull from our pages, or wait for a refused message. */
static bool wait_for_all(void)
{
	MPI_Request request;

	if (shim.mpi.Ibarrier(shim.private_comm, &request) != MPI_SUCCESS || !vmo_end_wait(&request, MPI_STATUS_IGNORE))
		return false;
	if (shim.active)
		vmo_mpi_progress(NULL);	/* what was answered last */
	return true;
}

static void warn_of_death(void)
{
	struct vmo_peer *dead = vmo_engine_dead_peer(&shim.engine);

	if (dead)
		vmo_warn("rank %u died, or goes on without another that did: this job has no report", dead->rank);
	else
		vmo_warn("MPI fails in MPI_Finalize: this job has no report");
}

static void end(void)
{
	bool all = wait_for_all() && vmo_report_all(&config);

	if (!all)
		warn_of_death();
	shim.active = shim.coll.usable = false;
	vmo_engine_leave(&shim.engine);
	if (all)
		all = wait_for_all();	/* nobody maps our pools any more */
	vmo_comm_cleanup();
	vmo_type_cleanup();
	if (all) {
		vmo_engine_withdraw(&shim.engine);
		shim.mpi.Comm_free(&shim.private_comm);
	} else {		/* something is under way there; others, who wait for us in it, must see that we do not come */
		vmo_engine_stop(&shim.engine);
	}
}

int vmo_Finalize(void)
{
	vmo_count_call(Finalize);
	if (shim.private_comm != MPI_COMM_NULL)
		end();
	vmo_slots_fill(false);
	int rc = shim.mpi.Finalize();
	vmo_engine_stop(&shim.engine);	/* now others look no more whether this rank lives */
	return rc;
}

VMO_EXPORT vmo_flavour_attach_fn vmo_flavour_attach;

int vmo_flavour_attach(const struct vmo_host *host)
{
	int level;

	if (host->abi != VMO_HOST_ABI)
		return -EPROTO;
	shim.private_comm = MPI_COMM_NULL;
	shim.comm_keyval = shim.type_keyval = MPI_KEYVAL_INVALID;
	vmo_config_read(&config);
	level = vmo_log_parse(config.log);
	vmo_log_setup(level < 0 ? VMO_LOG_WARN : (enum vmo_log_level)level, -1);
	int rc = vmo_real_load(host);
	if (rc)
		return rc;
	__atomic_store_n(shim.host.api, &vmo_mpi_api, __ATOMIC_RELEASE);
	vmo_slots_fill(true);
	return 0;
}
