/*-------------------------------------------------------------------------
 *
 * launcher.c
 *		The launcher: sees to it that there are workers where there is work.
 *
 * NOTES
 *		A static worker without a database.  It sleeps until somebody sets its
 *		latch, a child of it ends, or something is due; what there is to do it
 *		finds on the board.  An error ends it, and the postmaster starts it
 *		again after a second.  Workers do not depend on it.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/launcher.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
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
#include "base/guc.h"
#include "base/stop_point.h"
#include "stats/counters.h"
#include "worker/launcher.h"
#include "worker/process.h"
#include "worker/prune.h"

extern PGDLLEXPORT void cqrs_launcher_main(Datum main_arg);

/* a process for looking into a database could not be had, or the database is blocked: try again */
#define SCAN_RETRY_MS 250

/* all databases are looked into no more often than this: any user may cause it */
#define LIST_MS 1000

/* databases to be looked into, and those that have been, in the launcher's own memory */
static List *to_scan = NIL;
static List *known = NIL;

/* the one that somebody is looking into; InvalidOid: none */
static Oid	scanning = InvalidOid;

static MemoryContext lasting;
static TimestampTz next_list = 0;
static TimestampTz next_scan = 0;
static TimestampTz next_poll = 0;

static void announce_launcher(void);
static void forget_launcher(int code, Datum arg);
static void list_databases(bool all);
static List *read_databases(List **existing);
static void drop_missing_databases(List *present);
static TimestampTz scan_databases(TimestampTz now);
static void collect_unpruned(void);
static bool is_scanning(void);
static void scan_again(Oid database);
static Oid	next_to_scan(TimestampTz now, TimestampTz *due);
static Oid	next_changed(TimestampTz now, TimestampTz *due);
static Oid	next_listed(TimestampTz now, TimestampTz *due);
static void poll(TimestampTz now);
static void wait_until(TimestampTz deadline);

/*
 * Called at load.
 */
void
cqrs_launcher_init(void)
{
	BackgroundWorker worker = {0};

	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 1;
	strlcpy(worker.bgw_library_name, "cqrs", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "cqrs_launcher_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "cqrs launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "cqrs launcher", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

/*
 * The process.
 */
void
cqrs_launcher_main(Datum main_arg)
{
	MemoryContext scratch;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	if (cqrs_board() == NULL)
		proc_exit(0);

	announce_launcher();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	cqrs_process_pin_settings();
	lasting = AllocSetContextCreate(TopMemoryContext, "cqrs launcher", ALLOCSET_DEFAULT_SIZES);
	scratch = AllocSetContextCreate(lasting, "cqrs launcher cycle", ALLOCSET_DEFAULT_SIZES);
	pg_atomic_write_u32(&cqrs_board()->list_databases, CQRS_LIST_ALL);

	for (;;)
	{
		TimestampTz now;
		TimestampTz deadline;
		TimestampTz scan_due;
		TimestampTz prune_due;

		QueryCancelPending = false;
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			pg_atomic_fetch_or_u32(&cqrs_board()->list_databases, CQRS_LIST_ALL);
		}
		MemoryContextReset(scratch);
		MemoryContextSwitchTo(scratch);

		cqrs_process_reap();
		now = cqrs_clock();
		if (cqrs_max_workers > 0 && now >= next_list)
		{
			uint32		which = pg_atomic_exchange_u32(&cqrs_board()->list_databases, 0);

			if (which != 0)
			{
				list_databases((which & CQRS_LIST_ALL) != 0);
				next_list = TimestampTzPlusMilliseconds(now, LIST_MS);
			}
		}
		poll(now);
		prune_due = cqrs_prune_request(now);
		/* what is not known gets no worker, so looking comes first */
		scan_due = scan_databases(now);
		CQRS_STOP_POINT("launcher-assigns");
		deadline = cqrs_assign_workers(now);
		deadline = Min(Min(deadline, scan_due), Min(next_poll, prune_due));
		if (pg_atomic_read_u32(&cqrs_board()->list_databases) != 0 && cqrs_max_workers > 0)
			deadline = Min(deadline, next_list);
		wait_until(deadline);
	}
}

static void
announce_launcher(void)
{
	CqrsBoard  *board = cqrs_board_lock(LW_EXCLUSIVE);

	board->launcher = MyProc;
	board->launcher_since = GetCurrentTimestamp();
	for (int i = 0; i < CQRS_MAX_DATABASES; i++)
		pg_atomic_write_u32(&board->databases[i].armed, 0);
	cqrs_board_unlock();
	before_shmem_exit(forget_launcher, 0);
}

static void
forget_launcher(int code, Datum arg)
{
	CqrsBoard  *board = cqrs_board_lock(LW_EXCLUSIVE);

	board->launcher = NULL;
	cqrs_board_unlock();
}

/*
 * Looks at all databases there are, to forget those that are gone and to look
 * into those that are new, which come first; or into all.
 */
static void
list_databases(bool all)
{
	List	   *existing;
	List	   *present = read_databases(&existing);
	List	   *to_scan_before = to_scan;
	List	   *known_before = known;
	ListCell   *lc;
	MemoryContext before = MemoryContextSwitchTo(lasting);

	to_scan = NIL;
	foreach(lc, present)
		if (!list_member_oid(known_before, lfirst_oid(lc)))
			to_scan = lappend_oid(to_scan, lfirst_oid(lc));
	foreach(lc, to_scan_before)
		if (list_member_oid(present, lfirst_oid(lc)))
			to_scan = list_append_unique_oid(to_scan, lfirst_oid(lc));
	foreach(lc, present)
		if (all)
			to_scan = list_append_unique_oid(to_scan, lfirst_oid(lc));
	foreach(lc, known_before)
		if (!list_member_oid(present, lfirst_oid(lc)))
			cqrs_failed_forget(lfirst_oid(lc));
	known = list_copy(present);
	MemoryContextSwitchTo(before);
	list_free(to_scan_before);
	list_free(known_before);
	drop_missing_databases(present);
	cqrs_counters_keep(existing);
}

/*
 * Oids of all databases that may be connected to, and of all that there are.
 */
static List *
read_databases(List **existing)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *result = NIL;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	*existing = NIL;
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext before = MemoryContextSwitchTo(caller);

		*existing = lappend_oid(*existing, database->oid);
		/* -2 marks one whose DROP was interrupted */
		if (database->datallowconn && database->datconnlimit >= -1)
			result = lappend_oid(result, database->oid);
		MemoryContextSwitchTo(before);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
	return result;
}

static void
drop_missing_databases(List *present)
{
	for (int i = 0; i < CQRS_MAX_DATABASES; i++)
	{
		Oid			oid = cqrs_board()->databases[i].oid;

		if (OidIsValid(oid) && !list_member_oid(present, oid))
			cqrs_board_forget_database(oid);
	}
}

/*
 * Sends a process into the next database, one at a time, and says when to come
 * back if that does not depend on somebody's setting our latch.
 */
static TimestampTz
scan_databases(TimestampTz now)
{
	CqrsProcessStart start;
	MemoryContext before;
	TimestampTz due;
	Oid			database;

	if (cqrs_max_workers == 0 || is_scanning())
		return DT_NOEND;
	collect_unpruned();
	if (now < next_scan)
		return next_scan;

	database = next_to_scan(now, &due);
	if (!OidIsValid(database))
		return due;
	start = cqrs_process_start(database, -1);
	if (start == CQRS_PROCESS_STARTED)
	{
		scanning = database;
		return DT_NOEND;
	}
	if (start == CQRS_PROCESS_NO_WORKER)
		cqrs_assign_make_room(now);
	before = MemoryContextSwitchTo(lasting);
	to_scan = list_append_unique_oid(to_scan, database);
	MemoryContextSwitchTo(before);
	due = TimestampTzPlusMilliseconds(now, SCAN_RETRY_MS);
	/* a process that ends wakes us, and its place must not go to somebody else first */
	if (start != CQRS_PROCESS_NO_WORKER)
		next_scan = due;
	return due;
}

/*
 * Where old rows of the ledger are to be removed, the list is soon enough.
 */
static void
collect_unpruned(void)
{
	CqrsBoard  *board = cqrs_board();
	MemoryContext before = MemoryContextSwitchTo(lasting);

	for (int i = 0; i < CQRS_MAX_DATABASES; i++)
		if (board->databases[i].needs_prune && OidIsValid(board->databases[i].oid))
			to_scan = list_append_unique_oid(to_scan, board->databases[i].oid);
	MemoryContextSwitchTo(before);
}

/*
 * Is somebody under way?  If not, sees how the last one has ended.
 */
static bool
is_scanning(void)
{
	CqrsBoard  *board = cqrs_board_lock(LW_EXCLUSIVE);
	bool		result = false;
	Oid			unscanned = InvalidOid;

	for (int i = 0; i < CQRS_MAX_SLOTS; i++)
		if (board->slots[i].state != CQRS_SLOT_FREE && !OidIsValid(board->slots[i].owner))
			result = true;
	if (!result)
	{
		unscanned = board->unscanned;
		board->unscanned = InvalidOid;
	}
	cqrs_board_unlock();
	if (result)
		return true;
	if (OidIsValid(unscanned))
		scan_again(unscanned);
	else if (OidIsValid(scanning))
		cqrs_failed_forget(scanning);
	scanning = InvalidOid;
	return false;
}

/*
 * It is looked into once more, after a while, if it is still there.
 */
static void
scan_again(Oid database)
{
	MemoryContext before = MemoryContextSwitchTo(lasting);

	cqrs_failed_note(database);
	to_scan = list_append_unique_oid(to_scan, database);
	MemoryContextSwitchTo(before);
	pg_atomic_fetch_or_u32(&cqrs_board()->list_databases, CQRS_LIST_NEW);
}

/*
 * Chooses a database; InvalidOid when all have to wait, the first one until *due.
 * Those whose projections have changed and those on the list take turns, so
 * that nobody keeps others waiting by what he does in his own.
 */
static Oid
next_to_scan(TimestampTz now, TimestampTz *due)
{
	static bool listed_first = false;
	CqrsBoardDatabase *entry;
	Oid			database;

	*due = DT_NOEND;
	database = listed_first ? next_listed(now, due) : next_changed(now, due);
	if (!OidIsValid(database))
		database = listed_first ? next_changed(now, due) : next_listed(now, due);
	if (!OidIsValid(database))
		return InvalidOid;
	listed_first = !listed_first;

	/* one look does for both */
	to_scan = list_delete_oid(to_scan, database);
	entry = cqrs_board_database(database, false);
	if (entry)
		entry->needs_scan = false;
	return database;
}

/*
 * They take turns, too: the next one on the board.
 */
static Oid
next_changed(TimestampTz now, TimestampTz *due)
{
	static int	last = 0;

	for (int i = 1; i <= CQRS_MAX_DATABASES; i++)
	{
		int			number = (last + i) % CQRS_MAX_DATABASES;
		CqrsBoardDatabase *database = &cqrs_board()->databases[number];
		TimestampTz until;

		if (!database->needs_scan || !OidIsValid(database->oid))
			continue;
		until = cqrs_failed_until(database->oid);
		if (now >= until)
		{
			last = number;
			return database->oid;
		}
		*due = Min(*due, until);
	}
	return InvalidOid;
}

static Oid
next_listed(TimestampTz now, TimestampTz *due)
{
	ListCell   *lc;

	foreach(lc, to_scan)
	{
		TimestampTz until = cqrs_failed_until(lfirst_oid(lc));

		if (now >= until)
			return lfirst_oid(lc);
		*due = Min(*due, until);
	}
	return InvalidOid;
}

/*
 * The safety net: as if something had been appended to each database.
 */
static void
poll(TimestampTz now)
{
	CqrsBoard  *board = cqrs_board();
	TimestampTz latest = TimestampTzPlusMilliseconds(now, cqrs_poll_interval);

	if (next_poll != 0 && now >= next_poll)
		for (int i = 0; i < CQRS_MAX_DATABASES; i++)
			if (OidIsValid(board->databases[i].oid))
				cqrs_board_announce(&board->databases[i]);

	/* also when the setting has become smaller */
	if (next_poll == 0 || now >= next_poll || next_poll > latest)
		next_poll = latest;
}

static void
wait_until(TimestampTz deadline)
{
	static uint32 wait_event = 0;
	long		timeout = TimestampDifferenceMilliseconds(cqrs_clock(), deadline);

	if (wait_event == 0)
		wait_event = cqrs_wait_event("CqrsLauncherMain");
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 Min(Max(timeout, 1), 24 * 60 * 60 * 1000), wait_event);
	ResetLatch(MyLatch);
}
