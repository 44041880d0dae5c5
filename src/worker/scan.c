/*-------------------------------------------------------------------------
 *
 * scan.c
 *		Which projections of a database are there to be worked for.
 *
 * NOTES
 *		The launcher is connected to no database, so it sends somebody to look:
 *		a process that lists the projections on the board, and ends.  As it is
 *		there, it also removes old rows from the ledger: see prune.c.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/scan.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/extension.h"
#include "base/plans.h"
#include "base/stop_point.h"
#include "event/incarnation.h"
#include "projection/build_row.h"
#include "projection/lifecycle.h"
#include "projection/registry.h"
#include "worker/process.h"
#include "worker/prune.h"

extern PGDLLEXPORT void cqrs_scanner_main(Datum main_arg);

/* others wait to be looked into, so nobody waits longer for a lock; the launcher sends another one */
#define LOCK_TIMEOUT "5s"

static void scan_database(CqrsBoardDatabase *database, List **orphans);
static void look_at_prepared(CqrsBoardDatabase *database);
static void begin_listing(void);
static bool is_among(const char *name, const List *names);
static bool list_projection(const CqrsProjection *projection, Oid role, bool has_others);
static List *note_orphan(List *orphans, const CqrsProjection *projection);
static void stop_orphans(List *orphans);
static bool list_task(int pool, const char *name, bool others, bool running);
static void end_listing(CqrsBoardDatabase *database);
static bool may_be_served(Oid role);

/*
 * The process.
 */
void
cqrs_scanner_main(Datum main_arg)
{
	CqrsBoardSlot *slot = cqrs_process_attach(main_arg);
	CqrsBoardDatabase *database = NULL;
	CqrsExtensionState extension;
	char	   *version = NULL;
	List	   *orphans = NIL;

	cqrs_process_connect(slot);
	SetConfigOption("lock_timeout", LOCK_TIMEOUT, PGC_SUSET, PGC_S_OVERRIDE);
	cqrs_process_set_state(slot, CQRS_SLOT_SCANNING, -1);
	pgstat_report_appname("cqrs: looking for projections");

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	extension = cqrs_extension_state(&version);
	if (extension == CQRS_EXTENSION_READY)
		database = cqrs_board_my_database();
	if (database)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		scan_database(database, &orphans);
		CQRS_STOP_POINT("scanner-listed");
		PopActiveSnapshot();
	}
	else if (extension == CQRS_EXTENSION_ABSENT)
		cqrs_board_forget_database(MyDatabaseId);
	else if (extension == CQRS_EXTENSION_OTHER_VERSION)
	{
		cqrs_board_set_aside_database(MyDatabaseId);
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no worker serves database \"%s\"", get_database_name(MyDatabaseId)),
				 errdetail("Extension \"cqrs\" has version \"%s\" there, the library has version \"%s\".",
						   version, CQRS_VERSION),
				 errhint("Use ALTER EXTENSION cqrs UPDATE in that database, or restart the server if the library is the older one.")));
	}
	else
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no worker can serve database \"%s\"", get_database_name(MyDatabaseId)),
				 errdetail("At most %d databases with the extension are served.", CQRS_MAX_DATABASES)));
	CommitTransactionCommand();

	if (orphans != NIL)
		stop_orphans(orphans);
	if (database)
		cqrs_prune_for_a_while(slot, database);
}

static void
scan_database(CqrsBoardDatabase *database, List **orphans)
{
	bool		no_room = false;
	ListCell   *lc;
	List	   *projections;
	List	   *with_others;

	look_at_prepared(database);
	projections = cqrs_projection_list();
	with_others = cqrs_build_with_others();
	begin_listing();
	foreach(lc, projections)
	{
		CqrsProjection *projection = lfirst(lc);
		Oid			role = get_role_oid(projection->owner, true);

		if (OidIsValid(role))
			no_room |= !list_projection(projection, role,
										is_among(projection->name, with_others));
		else
			*orphans = note_orphan(*orphans, projection);
	}
	end_listing(database);
	if (no_room)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("not all projections of database \"%s\" can be served by workers",
						get_database_name(MyDatabaseId)),
				 errdetail("At most %d projections of %d owners are served.",
						   CQRS_MAX_TASKS, CQRS_MAX_POOLS)));
}

static bool
is_among(const char *name, const List *names)
{
	ListCell   *lc;

	foreach(lc, names)
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	return false;
}

/*
 * Will projections change when a prepared transaction ends?  Shared memory does not
 * know of those that are older than the server's start.
 *
 * One that is prepared meanwhile sets the flag after its locks have been handed
 * over, so what is not seen here is not set back.  One that ends meanwhile does so
 * before the projections are read.
 */
static void
look_at_prepared(CqrsBoardDatabase *database)
{
	database->needs_scan_when_prepared = false;
	pg_memory_barrier();
	SPI_connect();
	if (cqrs_plan_execute(CQRS_PLAN_PREPARED_CHANGES, NULL, NULL) > 0)
		database->needs_scan_when_prepared = true;
	SPI_finish();
}

static void
begin_listing(void)
{
	CqrsBoard  *board = cqrs_board_lock(LW_EXCLUSIVE);

	for (int i = 0; i < board->n_tasks; i++)
		if (board->tasks[i].database == MyDatabaseId)
			board->tasks[i].listed = false;
	for (int i = 0; i < CQRS_MAX_POOLS; i++)
		if (board->pools[i].database == MyDatabaseId)
			board->pools[i].listed = false;
	cqrs_board_unlock();
}

/*
 * False when there is no room.
 */
static bool
list_projection(const CqrsProjection *projection, Oid role, bool has_others)
{
	bool		running = (projection->state == CQRS_PROJECTION_RUNNING && !projection->is_inline);
	bool		others = (projection->state != CQRS_PROJECTION_PAUSED && has_others);
	bool		served = may_be_served(role);
	CqrsBoard  *board;
	int			pool;
	bool		listed = false;

	board = cqrs_board_lock(LW_EXCLUSIVE);
	pool = cqrs_board_pool(MyDatabaseId, role, running || others);
	if (pool < 0)
		listed = !running && !others;
	else
		listed = list_task(pool, projection->name, false, running) &&
			(!others || list_task(pool, projection->name, true, others));
	if (pool >= 0 && (running || others))
	{
		CqrsBoardPool *entry = &board->pools[pool];

		entry->listed = true;
		if (!served && entry->problem != CQRS_POOL_NO_LOGIN)
		{
			entry->problem = CQRS_POOL_NO_LOGIN;
			entry->since = GetCurrentTimestamp();
		}
		else if (served && (entry->problem == CQRS_POOL_NO_LOGIN ||
							entry->problem == CQRS_POOL_NO_CONNECTION))
		{
			/* something has changed: forget old failures */
			entry->problem = CQRS_POOL_FINE;
			entry->failures = 0;
			entry->next_start = 0;
		}
	}
	cqrs_board_unlock();
	return listed;
}

/*
 * Nobody can work for it.  What is noted outlives the transaction.
 */
static List *
note_orphan(List *orphans, const CqrsProjection *projection)
{
	MemoryContext before;

	if (projection->state != CQRS_PROJECTION_RUNNING || projection->is_inline)
		return orphans;
	before = MemoryContextSwitchTo(TopMemoryContext);
	orphans = lappend(orphans, list_make2(pstrdup(projection->name), pstrdup(projection->owner)));
	MemoryContextSwitchTo(before);
	return orphans;
}

/*
 * Their state says so.  In a database that is being restored the roles may be
 * still to come.
 */
static void
stop_orphans(List *orphans)
{
	ListCell   *lc;
	bool		settled;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	settled = cqrs_extension_state(NULL) == CQRS_EXTENSION_READY &&
		cqrs_incarnation_is_settled(GetActiveSnapshot());
	foreach(lc, orphans)
	{
		const char *name = linitial(lfirst(lc));
		const char *owner = lsecond(lfirst(lc));

		if (OidIsValid(get_role_oid(owner, true)))
			continue;
		if (settled)
			cqrs_projection_stop_orphan(name, owner);
		else
			ereport(LOG,
					(errmsg("role \"%s\", which owns projection \"%s\", does not exist",
							owner, name)));
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * Called with the lock.
 */
static bool
list_task(int pool, const char *name, bool others, bool running)
{
	int			number = cqrs_board_task(MyDatabaseId, pool, name, others, true);
	CqrsBoardTask *task;

	if (number < 0)
		return false;
	task = &cqrs_board()->tasks[number];
	task->listed = true;
	/* it may have been resumed because what made it fail is mended */
	if (running && (!task->running || others))
	{
		task->more = true;
		task->failures = 0;
	}
	task->running = running;
	task->pool = pool;
	return true;
}

static void
end_listing(CqrsBoardDatabase *database)
{
	CqrsBoard  *board = cqrs_board_lock(LW_EXCLUSIVE);

	for (int i = 0; i < board->n_tasks; i++)
	{
		CqrsBoardTask *task = &board->tasks[i];

		if (task->pool < 0 || task->database != MyDatabaseId || task->listed)
			continue;
		task->running = false;
		if (task->slot < 0)
			task->pool = -1;
	}
	cqrs_board_count_pools(database);
	database->other_version = 0;
	cqrs_board_unlock();

	pg_atomic_fetch_add_u32(&database->scans, 1);
	cqrs_board_announce(database);
}

/*
 * Before 17, a worker cannot be connected as a role that may not log in.
 */
static bool
may_be_served(Oid role)
{
	HeapTuple	tuple;
	bool		result = true;

	if (CQRS_BYPASS_ROLELOGINCHECK)
		return true;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
		ReleaseSysCache(tuple);
	}
	return result;
}
