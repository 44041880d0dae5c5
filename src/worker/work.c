/*-------------------------------------------------------------------------
 *
 * work.c
 *		A worker: serves the projections of one owner in one database.
 *
 * NOTES
 *		The unit of work is one batch of one projection, in one transaction,
 *		and what happens in it is cqrs_projection_apply()'s business.  Here is
 *		only who comes next, and what becomes of an error.
 *
 *		A worker takes the projection that has waited longest, keeps it for a
 *		slice of time or until there is nothing more to apply, and puts it
 *		back.  While it has it no other worker does.  Between batches a worker
 *		holds no lock, no snapshot and no transaction.
 *
 *		An error is logged and recorded, in a transaction of its own, and the
 *		projection is left alone for a while; the worker goes on with others.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/work.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/guc.h"
#include "base/stop_point.h"
#include "event/recent.h"
#include "projection/apply.h"
#include "projection/registry.h"
#include "projection/run_as.h"
#include "projection/upkeep.h"
#include "worker/backoff.h"
#include "worker/busy_time.h"
#include "worker/process.h"
#include "worker/settled.h"
#include "worker/wakeup.h"

extern PGDLLEXPORT void cqrs_worker_main(Datum main_arg);

/* how long one projection is served while others wait */
#define SLICE_MS 100

/* a build beside the live one gets a step after so long, whatever else there is to do */
#define OTHERS_MS 500

/* whether a restore has ended is asked so often */
#define UNSETTLED_MS 1000

/* a worker without work goes after so long */
#define IDLE_MS (10 * 1000)

/*
 * This worker.
 */
typedef struct Worker
{
	CqrsBoardSlot *slot;
	CqrsBoardDatabase *database;
	int			tasks[CQRS_MAX_TASKS];	/* of its pool */
	int			n_tasks;
	uint32		scans;			/* value of "scans" when they were listed */
	TimestampTz idle_since;		/* 0: it is not */
	bool		busy_time;
	MemoryContext scratch;		/* emptied before each batch */
	MemoryContext lasting;
} Worker;

static Worker worker;

static void serve(int task);
static bool apply_one_batch(int task);
static CqrsUpkeep apply_in_transaction(const CqrsBoardTask *entry, uint32 definition);
static void record_error(int task, uint32 definition);
static bool choose(int *task, TimestampTz *next_retry);
static bool comes_before(const CqrsBoardTask *a, const CqrsBoardTask *b, TimestampTz now);
static void list_tasks(const CqrsBoard *board);
static void put_back(int task);
static void rest(TimestampTz next_retry);
static void sleep_for(TimestampTz now, TimestampTz until);
static bool try_to_leave(void);

/*
 * The process.
 */
void
cqrs_worker_main(Datum main_arg)
{
	int			task;
	TimestampTz next_retry;

	worker.slot = cqrs_process_attach(main_arg);
	cqrs_process_connect(worker.slot);
	cqrs_wakeup_in_worker();
	cqrs_run_as_always();
	worker.database = cqrs_board_my_database();
	if (worker.database == NULL)
		proc_exit(0);
	worker.lasting = AllocSetContextCreate(TopMemoryContext, "cqrs worker",
										   ALLOCSET_DEFAULT_SIZES);
	worker.scratch = AllocSetContextCreate(worker.lasting, "cqrs batch", ALLOCSET_DEFAULT_SIZES);
	cqrs_process_set_state(worker.slot, CQRS_SLOT_IDLE, -1);

	for (;;)
	{
		/* there is nothing to cancel between batches */
		QueryCancelPending = false;
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}

		/* asked between two turns: the exit code says it is in order */
		if (worker.slot->leave)
			proc_exit(0);
		worker.busy_time = cqrs_is_busy_time(worker.database, cqrs_clock());
		if (choose(&task, &next_retry))
			serve(task);
		else
			rest(next_retry);
	}
}

/*
 * Applies batches until there is nothing more, or the slice of time is used up.
 */
static void
serve(int task)
{
	CqrsBoardTask *entry = &cqrs_board()->tasks[task];
	TimestampTz end = TimestampTzPlusMilliseconds(cqrs_clock(), SLICE_MS);
	char		appname[NAMEDATALEN + 8];

	snprintf(appname, sizeof(appname), "cqrs: %s", NameStr(entry->name));
	pgstat_report_appname(appname);
	cqrs_process_set_state(worker.slot, CQRS_SLOT_APPLYING, task);
	worker.idle_since = 0;

	/*
	 * With neighbours a batch at a time, so that they read the same events
	 * together, and so that what is live comes before what is being rebuilt.
	 */
	cqrs_recent_keep(worker.n_tasks > 1);
	while (apply_one_batch(task) && !worker.slot->leave && worker.n_tasks == 1 && !entry->others &&
		   cqrs_clock() < end)
		;

	put_back(task);
	cqrs_process_set_state(worker.slot, CQRS_SLOT_IDLE, -1);
}

/*
 * True when there may be more.
 */
static bool
apply_one_batch(int task)
{
	CqrsBoardTask *entry = &cqrs_board()->tasks[task];
	uint64		appended = pg_atomic_read_u64(&worker.database->appended);
	uint32		definition = pg_atomic_read_u32(&worker.database->definition);
	CqrsUpkeep volatile result = {.result = {.status = CQRS_APPLY_NOT_RUNNING}};
	bool volatile failed = false;

	/* what is read from the database from now on is as new as those counters */
	pg_read_barrier();
	MemoryContextReset(worker.scratch);
	MemoryContextSwitchTo(worker.scratch);

	PG_TRY();
	{
		CqrsUpkeep	r = apply_in_transaction(entry, definition);

		result.result.status = r.result.status;
		result.result.applied = r.result.applied;
		result.result.parked = r.result.parked;
		result.result.build = r.result.build;
		result.result.cursor_place = r.result.cursor_place;
		result.not_before = r.not_before;
		result.due = r.due;
	}
	PG_CATCH();
	{
		failed = true;
		record_error(task, definition);
	}
	PG_END_TRY();

	MemoryContextSwitchTo(worker.scratch);
	cqrs_board_lock(LW_EXCLUSIVE);
	if (!failed)
	{
		entry->failures = 0;
		cqrs_board()->pools[worker.slot->pool].failures = 0;
		/* that there is nobody to come after us is for a scan to find out */
		if (cqrs_board()->pools[worker.slot->pool].problem != CQRS_POOL_NO_LOGIN)
			cqrs_board()->pools[worker.slot->pool].problem = CQRS_POOL_FINE;
		entry->build = result.result.build;
		entry->build_definition = definition;
		entry->cursor_place = result.result.cursor_place;
		entry->parked += result.result.parked;
		entry->batches++;
		entry->not_before = result.not_before;
		entry->due = result.due;
		entry->more = (result.result.status == CQRS_APPLY_MORE);
		if (result.result.status == CQRS_APPLY_CAUGHT_UP)
			entry->seen = appended;
		/* when it has been changed since we looked, look again */
		else if (result.result.status == CQRS_APPLY_NOT_RUNNING)
			entry->running = entry->more =
				(definition != pg_atomic_read_u32(&worker.database->definition));
	}
	cqrs_board_unlock();
	/* of a batch, the commit has told; that there will be none, nobody has yet */
	if (failed || result.result.status == CQRS_APPLY_NOT_RUNNING)
		ConditionVariableBroadcast(&worker.database->progress);

	/* whoever waits is on the way: what is left to do takes none of his time */
	if (!failed)
	{
		pgstat_report_stat(false);
		pgstat_report_activity(STATE_IDLE, NULL);
	}
	return !failed && result.result.status == CQRS_APPLY_MORE;
}

static CqrsUpkeep
apply_in_transaction(const CqrsBoardTask *entry, uint32 definition)
{
	CqrsApplyOptions options = {.max_events = PG_INT64_MAX};
	CqrsUpkeep	result = {.result = {.status = CQRS_APPLY_NOT_RUNNING}};

	if (entry->build_definition == definition)
		options.build = entry->build;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	pgstat_report_activity(STATE_RUNNING, entry->others ? "rebuilding" : "applying events");

	/* a worker may outlive the extension, or its version, for a moment */
	if (cqrs_extension_is_ready())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		if (!cqrs_database_is_settled())
		{
			result.result.status = CQRS_APPLY_CAUGHT_UP;
			result.not_before = result.due = TimestampTzPlusMilliseconds(cqrs_clock(), UNSETTLED_MS);
		}
		else if (entry->others)
			result = cqrs_projection_upkeep(NameStr(entry->name), PG_INT64_MAX, false);
		else
			result.result = cqrs_projection_apply_with(NameStr(entry->name), &options);
		PopActiveSnapshot();
	}
	/* a projection that had stopped runs again, and its own task is to be found */
	if (result.swapped)
		cqrs_wakeup_scan();
	if (result.result.status != CQRS_APPLY_NOT_RUNNING)
		cqrs_wakeup_progress(worker.database, worker.slot->task, result.result.delivered, definition);
	if (result.result.applied > 0)
		CQRS_STOP_POINT("worker-commits");
	CommitTransactionCommand();
	if (result.result.applied > 0)
		CQRS_STOP_POINT("worker-committed");
	return result;
}

/*
 * Called with an error that has been thrown.  Rolls back, and remembers.
 */
static void
record_error(int task, uint32 definition)
{
	CqrsBoardTask *entry = &cqrs_board()->tasks[task];
	ErrorData  *error;
	int			delay;

	MemoryContextSwitchTo(worker.scratch);
	error = CopyErrorData();
	HOLD_INTERRUPTS();
	EmitErrorReport();
	AbortCurrentTransaction();
	FlushErrorState();
	RESUME_INTERRUPTS();
	pgstat_report_activity(STATE_IDLE, NULL);

	cqrs_board_lock(LW_EXCLUSIVE);
	delay = cqrs_backoff(++entry->failures);
	entry->errors++;
	entry->more = true;
	entry->retry_definition = definition;
	entry->retry_at = TimestampTzPlusMilliseconds(cqrs_clock(), delay);
	cqrs_board_unlock();

	/* should this fail, too, the process ends and the launcher paces */
	StartTransactionCommand();
	if (cqrs_extension_state(NULL) == CQRS_EXTENSION_READY)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		cqrs_projection_set_error(NameStr(entry->name),
								  psprintf("%s (SQLSTATE %s)", error->message,
										   unpack_sql_state(error->sqlerrcode)));
		PopActiveSnapshot();
	}
	CommitTransactionCommand();
}

/*
 * Takes the projection that has waited longest.  False when there is nothing
 * to do before *next_retry, which is 0 when there is no such time, and when it is
 * time for a pause: there is no backlog, and each has had a batch a moment ago.
 */
static bool
choose(int *task, TimestampTz *next_retry)
{
	TimestampTz now = cqrs_clock();
	CqrsBoard  *board = cqrs_board_lock(LW_EXCLUSIVE);
	int			best = -1;

	if (worker.scans != pg_atomic_read_u32(&worker.database->scans))
		list_tasks(board);

	*next_retry = 0;
	for (int i = 0; i < worker.n_tasks; i++)
	{
		CqrsBoardTask *entry = &board->tasks[worker.tasks[i]];

		/* its place may have been given to another one */
		if (entry->pool != worker.slot->pool)
			continue;
		if (cqrs_board_task_ready(entry, worker.database, now))
		{
			/* events come together, unless it has a backlog */
			if (worker.busy_time && !entry->more &&
				now - entry->served_at < CQRS_BUSY_PAUSE_MS * 1000)
				continue;
			if (best < 0 || comes_before(entry, &board->tasks[best], now))
				best = worker.tasks[i];
		}
		else
		{
			TimestampTz due = cqrs_board_task_due(entry, now);

			if (due != 0 && (*next_retry == 0 || due < *next_retry))
				*next_retry = due;
		}
	}
	if (best >= 0)
	{
		board->tasks[best].slot = worker.slot - board->slots;
		board->tasks[best].noticed_at = 0;
		worker.slot->task = best;
	}
	cqrs_board_unlock();
	*task = best;
	return best >= 0;
}

/*
 * Live builds come before others, unless those have waited for long, and then
 * who has waited longest.
 */
static bool
comes_before(const CqrsBoardTask *a, const CqrsBoardTask *b, TimestampTz now)
{
	const CqrsBoardTask *other = a->others ? a : b;

	if (a->others == b->others)
		return a->served_at < b->served_at;
	return (a == other) == TimestampDifferenceExceeds(other->served_at, now, OTHERS_MS);
}

/*
 * Called with the lock.
 */
static void
list_tasks(const CqrsBoard *board)
{
	worker.scans = pg_atomic_read_u32(&worker.database->scans);
	worker.n_tasks = 0;
	for (int i = 0; i < board->n_tasks; i++)
		if (board->tasks[i].pool == worker.slot->pool)
			worker.tasks[worker.n_tasks++] = i;
}

static void
put_back(int task)
{
	CqrsBoard  *board = cqrs_board_lock(LW_EXCLUSIVE);

	board->tasks[task].slot = -1;
	board->tasks[task].served_at = cqrs_clock();
	worker.slot->task = -1;
	cqrs_board_unlock();
}

/*
 * Pauses, or sleeps until somebody wakes us, or a projection is to be tried again, or
 * we have been idle for long enough to go.
 */
static void
rest(TimestampTz next_retry)
{
	TimestampTz now = cqrs_clock();
	TimestampTz until;
	TimestampTz ignored;
	int			task;

	if (worker.idle_since == 0)
		worker.idle_since = now;
	until = TimestampTzPlusMilliseconds(worker.idle_since, IDLE_MS);
	/* for what is due much later, the launcher sends somebody in time */
	if (now >= until && (next_retry == 0 || TimestampDifferenceExceeds(now, next_retry, IDLE_MS)) &&
		try_to_leave())
		proc_exit(0);
	if (next_retry != 0)
		until = now < until ? Min(until, next_retry) : next_retry;

	/* the order matters: see board.c */
	ResetLatch(MyLatch);
	if (InterruptPending || ConfigReloadPending)
		return;
	if (worker.busy_time)
	{
		cqrs_busy_time_pause(worker.slot, worker.database);
		return;
	}
	if (pg_atomic_exchange_u32(&worker.slot->sleeping, 1) == 0)
		pg_atomic_fetch_add_u32(&worker.database->sleepers, 1);
	if (!worker.slot->leave && !choose(&task, &ignored))
	{
		sleep_for(now, until);
		task = -1;
	}
	else if (worker.slot->leave)
		task = -1;
	if (pg_atomic_exchange_u32(&worker.slot->sleeping, 0) != 0)
		pg_atomic_fetch_sub_u32(&worker.database->sleepers, 1);
	if (task >= 0)
		serve(task);
}

static void
sleep_for(TimestampTz now, TimestampTz until)
{
	static uint32 wait_event = 0;

	if (wait_event == 0)
		wait_event = cqrs_wait_event("CqrsWorkerMain");
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 Max(TimestampDifferenceMilliseconds(now, until), 1), wait_event);
}

/*
 * Gives the slot up when nothing has come in since we looked.  Events that are
 * committed from now on find no sleeper, and the launcher is told.
 */
static bool
try_to_leave(void)
{
	TimestampTz ignored;
	int			task;

	/* nobody counts on us, as we do not sleep: look once more */
	worker.busy_time = false;
	if (!choose(&task, &ignored))
		return true;
	serve(task);
	return false;
}
