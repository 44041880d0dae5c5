/*-------------------------------------------------------------------------
 *
 * process.c
 *		The life of a process of ours: registered, attached, connected, gone.
 *
 * NOTES
 *		The launcher takes a slot, counts its generation up and registers a
 *		dynamic worker that knows both.  The process attaches when slot and
 *		generation are still meant for it, and from then on gives the slot up
 *		itself, whatever its end.  A slot whose process has never come up is
 *		freed by the launcher, which is told of the end of its children.
 *
 *		The postmaster never restarts such a process: the launcher does when
 *		there is work, and paces it.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/process.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "worker/backoff.h"
#include "worker/process.h"

/* a slot whose process has not come up after so long is free, when the launcher itself is new */
#define COME_UP_MS (60 * 1000)

/* that no process is to be had is said once, and again when it has been better for so long */
#define WARN_AGAIN_MS (10 * 60 * 1000)

/* settings of a session that must not be a user's, nor the configuration's */
static const char *const settings[][2] = {
	{"search_path", ""},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_deferrable", "off"},
	{"statement_timeout", "0"},
	{"lock_timeout", "0"},
	{"idle_in_transaction_session_timeout", "0"},
	{"transaction_timeout", "0"},
	{"session_replication_role", "origin"},
	{"synchronous_commit", "off"},
};

/* the launcher's: of processes that it has started and that have not ended */
static BackgroundWorkerHandle *handles[CQRS_MAX_SLOTS];
static uint32 generations[CQRS_MAX_SLOTS];

static int	take_slot(Oid database, int pool, uint32 *generation);
static void give_back(int number, uint32 generation, bool started);
static void at_exit(int code, Datum arg);
static void note_connected(const CqrsBoardSlot *slot);
static void note_unscanned(const CqrsBoardSlot *slot);
static void warn_no_worker(void);

/*
 * Starts a worker for a pool, or a scanner of a database if "pool" is -1.
 */
CqrsProcessStart
cqrs_process_start(Oid database, int pool)
{
	BackgroundWorker worker = {0};
	MemoryContext before;
	uint32		generation;
	int			number = take_slot(database, pool, &generation);
	bool		started;

	if (number < 0)
		return CQRS_PROCESS_NO_SLOT;

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	worker.bgw_main_arg = Int32GetDatum(number);
	memcpy(worker.bgw_extra, &generation, sizeof(generation));
	strlcpy(worker.bgw_library_name, "cqrs", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, pool < 0 ? "cqrs_scanner_main" : "cqrs_worker_main", BGW_MAXLEN);
	strlcpy(worker.bgw_type, pool < 0 ? "cqrs scanner" : "cqrs worker", BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, "%s for database %u", worker.bgw_type, database);

	before = MemoryContextSwitchTo(TopMemoryContext);
	if (handles[number])
		pfree(handles[number]);
	handles[number] = NULL;
	generations[number] = generation;
	started = RegisterDynamicBackgroundWorker(&worker, &handles[number]);
	MemoryContextSwitchTo(before);

	if (!started)
	{
		give_back(number, generation, false);
		warn_no_worker();
	}
	return started ? CQRS_PROCESS_STARTED : CQRS_PROCESS_NO_WORKER;
}

/*
 * Frees the slots of processes that have ended without ever having attached.
 */
void
cqrs_process_reap(void)
{
	TimestampTz now = cqrs_clock();

	for (int i = 0; i < CQRS_MAX_SLOTS; i++)
	{
		CqrsBoardSlot *slot = &cqrs_board()->slots[i];
		pid_t		pid;

		if (handles[i])
		{
			if (GetBackgroundWorkerPid(handles[i], &pid) != BGWH_STOPPED)
				continue;
			pfree(handles[i]);
			handles[i] = NULL;
			give_back(i, generations[i], true);
		}
		else if (slot->state == CQRS_SLOT_STARTING && slot->pid == 0 &&
				 TimestampDifferenceExceeds(slot->started_at, now, COME_UP_MS))
			give_back(i, slot->generation, true);
	}
}

/*
 * First thing in the life of a process: signals, and its slot.  Ends the
 * process when that is not meant for it any more.
 */
CqrsBoardSlot *
cqrs_process_attach(Datum main_arg)
{
	int			number = DatumGetInt32(main_arg);
	CqrsBoardSlot *slot;
	uint32		generation;
	bool		is_mine;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	memcpy(&generation, MyBgworkerEntry->bgw_extra, sizeof(generation));
	if (cqrs_board() == NULL || number < 0 || number >= CQRS_MAX_SLOTS)
		proc_exit(0);

	slot = &cqrs_board_lock(LW_EXCLUSIVE)->slots[number];
	is_mine = (slot->state == CQRS_SLOT_STARTING && slot->generation == generation &&
			   slot->pid == 0);
	if (is_mine)
	{
		slot->pid = MyProcPid;
		slot->proc = MyProc;
		before_shmem_exit(at_exit, Int32GetDatum(number));
	}
	cqrs_board_unlock();

	/* leaving by the exit callback, or without a slot */
	if (!is_mine || slot->leave)
		proc_exit(0);
	return slot;
}

/*
 * Connects to the slot's database as its owner, or to scan as the superuser
 * that the cluster began with, who then runs nothing that a user wrote.
 */
void
cqrs_process_connect(CqrsBoardSlot *slot)
{
	BackgroundWorkerInitializeConnectionByOid(slot->database, slot->owner,
											  CQRS_BYPASS_ROLELOGINCHECK);
	note_connected(slot);
	cqrs_process_pin_settings();
	pg_prng_seed(&pg_global_prng_state, ((uint64) MyProcPid << 32) ^ (uint64) GetCurrentTimestamp());
}

/*
 * As if set by the user, so that neither ALTER ROLE nor a reload changes them.
 */
void
cqrs_process_pin_settings(void)
{
	for (int i = 0; i < lengthof(settings); i++)
		if (GetConfigOption(settings[i][0], true, false))
			SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * "task" is the one it works for from now on, or -1.
 */
void
cqrs_process_set_state(CqrsBoardSlot *slot, CqrsSlotState state, int task)
{
	CqrsBoard  *board = cqrs_board_lock(LW_EXCLUSIVE);

	slot->state = state;
	slot->since = GetCurrentTimestamp();
	if (task >= 0)
		slot->projection = board->tasks[task].name;
	else
		NameStr(slot->projection)[0] = '\0';
	cqrs_board_unlock();
}

/*
 * The number of a slot, -1 when there is none free or somebody wants the
 * database for himself.
 */
static int
take_slot(Oid database, int pool, uint32 *generation)
{
	CqrsBoard  *board = cqrs_board_lock(LW_EXCLUSIVE);
	int			number = -1;

	for (int i = 0; i < CQRS_MAX_SLOTS && number < 0; i++)
		if (board->slots[i].state == CQRS_SLOT_FREE)
			number = i;
	/* the pool's place may have been given to another one */
	if (cqrs_board_is_blocked(database) ||
		(pool >= 0 && board->pools[pool].database != database))
		number = -1;
	if (number >= 0)
	{
		CqrsBoardSlot *slot = &board->slots[number];

		*generation = ++slot->generation;
		slot->leave = false;
		slot->database = database;
		slot->owner = pool < 0 ? InvalidOid : board->pools[pool].owner;
		slot->pool = pool;
		slot->task = -1;
		slot->pid = 0;
		slot->proc = NULL;
		pg_atomic_write_u32(&slot->sleeping, 0);
		slot->pausing = false;
		NameStr(slot->projection)[0] = '\0';
		slot->started_at = cqrs_clock();
		slot->since = GetCurrentTimestamp();
		slot->state = CQRS_SLOT_STARTING;
		if (pool >= 0)
		{
			CqrsBoardDatabase *entry = cqrs_board_find_database(database);

			board->pools[pool].n_workers++;
			if (entry)
				cqrs_board_count_pools(entry);
		}
	}
	cqrs_board_unlock();
	return number;
}

/*
 * Frees a slot whose process has not attached, and will not.
 */
static void
give_back(int number, uint32 generation, bool started)
{
	CqrsBoardSlot *slot = &cqrs_board_lock(LW_EXCLUSIVE)->slots[number];
	bool		freed = false;

	if (slot->generation == generation && slot->state == CQRS_SLOT_STARTING && slot->pid == 0)
	{
		if (started)
			note_unscanned(slot);
		cqrs_board_free_slot(slot);
		freed = true;
	}
	cqrs_board_unlock();
	if (freed)
		ConditionVariableBroadcast(&cqrs_board()->left);
}

/*
 * Registered before the connection is made, so it is called after the
 * transaction, if there was one, has been rolled back.
 */
static void
at_exit(int code, Datum arg)
{
	CqrsBoard  *board = cqrs_board_lock(LW_EXCLUSIVE);
	CqrsBoardSlot *slot = &board->slots[DatumGetInt32(arg)];

	/* exit code 0 is that of one who was asked to go, or had nothing to do */
	if (slot->pool >= 0 && code != 0 && !slot->leave)
	{
		CqrsBoardPool *pool = &board->pools[slot->pool];
		int			delay = cqrs_backoff(++pool->failures);

		pool->next_start = TimestampTzPlusMilliseconds(cqrs_clock(), delay);
		if (slot->state == CQRS_SLOT_STARTING && pool->problem == CQRS_POOL_FINE)
		{
			pool->problem = CQRS_POOL_NO_CONNECTION;
			pool->since = GetCurrentTimestamp();
		}
	}
	if (code != 0 || slot->leave)
		note_unscanned(slot);
	cqrs_board_free_slot(slot);
	cqrs_board_unlock();
	ConditionVariableBroadcast(&board->left);
	cqrs_board_wake_launcher();
}

/*
 * What others have run into before is over, whatever becomes of this one.
 */
static void
note_connected(const CqrsBoardSlot *slot)
{
	CqrsBoard  *board = cqrs_board_lock(LW_EXCLUSIVE);

	if (slot->pool >= 0 && board->pools[slot->pool].problem == CQRS_POOL_NO_CONNECTION)
		board->pools[slot->pool].problem = CQRS_POOL_FINE;
	cqrs_board_unlock();
}

/*
 * Called with the lock.  A scanner that was ended by somebody, or by an error,
 * leaves its database to be looked into once more.
 */
static void
note_unscanned(const CqrsBoardSlot *slot)
{
	if (!OidIsValid(slot->owner))
		cqrs_board()->unscanned = slot->database;
}

static void
warn_no_worker(void)
{
	static TimestampTz last_time = 0;
	TimestampTz now = cqrs_clock();
	bool		is_news = last_time == 0 || TimestampDifferenceExceeds(last_time, now, WARN_AGAIN_MS);

	last_time = now;
	if (is_news)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("out of background worker slots"),
				 errdetail("Projections take turns in using the processes that there are, if any."),
				 errhint("You might need to increase \"%s\".", "max_worker_processes")));
}
