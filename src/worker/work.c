/*-------------------------------------------------------------------------
 *
 * work.c
 *		A worker: serves the projections of one owner in one database.
 *
 * NOTES
 *		The unit of work is one batch of one projection (turn.c).  Here is
 *		only who comes next.
 *
 *		A worker takes the projection that has waited longest, keeps it for a
 *		slice of time or until there is nothing more to apply, and puts it
 *		back.  While it has it no other worker does.  Between batches a worker
 *		holds no lock, no snapshot and no transaction.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/work.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "event/recent.h"
#include "projection/run_as.h"
#include "worker/busy_time.h"
#include "worker/process.h"
#include "worker/turn.h"
#include "worker/wakeup.h"

extern PGDLLEXPORT void cqrs_worker_main(Datum main_arg);

/* how long one projection is served while others wait */
#define SLICE_MS 100

/* a build beside the live one gets a step after so long, whatever else there is to do */
#define OTHERS_MS 500

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
} Worker;

static Worker worker;

static void serve(int task);
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
	worker.scratch = AllocSetContextCreate(TopMemoryContext, "cqrs batch", ALLOCSET_DEFAULT_SIZES);
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
	while (cqrs_turn_apply(worker.slot, worker.database, worker.scratch) && !worker.slot->leave && worker.n_tasks == 1 && !entry->others &&
		   cqrs_clock() < end)
		;

	put_back(task);
	cqrs_process_set_state(worker.slot, CQRS_SLOT_IDLE, -1);
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
