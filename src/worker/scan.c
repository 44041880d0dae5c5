/*-------------------------------------------------------------------------
 *
 * scan.c
 *		Which projections of a database are there to be worked for.
 *
 * NOTES
 *		The launcher is connected to no database, so it sends somebody to look:
 *		a process that lists the projections on the board, and ends.
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
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "projection/registry.h"
#include "worker/process.h"

extern PGDLLEXPORT void cqrs_scanner_main(Datum main_arg);

static void scan_database(CqrsBoardDatabase *database);
static void begin_listing(void);
static bool list_projection(CqrsBoardDatabase *database, CqrsProjection *projection);
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
	Oid			extension;

	cqrs_process_connect(slot);
	cqrs_process_set_state(slot, CQRS_SLOT_SCANNING, -1);
	pgstat_report_appname("cqrs: looking for projections");

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	extension = get_extension_oid("cqrs", true);
	if (OidIsValid(extension))
		database = cqrs_board_my_database();
	if (database)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		scan_database(database);
		PopActiveSnapshot();
	}
	else if (!OidIsValid(extension))
		cqrs_board_forget_database(MyDatabaseId);
	else
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no worker can serve database \"%s\"", get_database_name(MyDatabaseId)),
				 errdetail("At most %d databases with the extension are served.", CQRS_MAX_DATABASES)));
	CommitTransactionCommand();
}

static void
scan_database(CqrsBoardDatabase *database)
{
	bool		no_room = false;
	ListCell   *lc;
	List	   *projections = cqrs_projection_list();

	begin_listing();
	foreach(lc, projections)
		no_room |= !list_projection(database, lfirst(lc));
	end_listing(database);
	if (no_room)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("not all projections of database \"%s\" can be served by workers",
						get_database_name(MyDatabaseId)),
				 errdetail("At most %d projections of %d owners are served.",
						   CQRS_MAX_TASKS, CQRS_MAX_POOLS)));
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
list_projection(CqrsBoardDatabase *database, CqrsProjection *projection)
{
	Oid			role = get_role_oid(projection->owner, true);
	bool		running = (projection->state == CQRS_PROJECTION_RUNNING && !projection->is_inline);
	bool		others = (projection->state != CQRS_PROJECTION_PAUSED && projection->has_others);
	bool		served = OidIsValid(role) && may_be_served(role);
	CqrsBoard  *board;
	int			pool;
	bool		listed = false;

	if (!OidIsValid(role))
	{
		if (running || others)
			ereport(LOG,
					(errmsg("role \"%s\", which owns projection \"%s\", does not exist",
							projection->owner, projection->name)));
		return true;
	}

	board = cqrs_board_lock(LW_EXCLUSIVE);
	pool = cqrs_board_pool(MyDatabaseId, role, true);
	if (pool >= 0)
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
	int			n_pools = 0;

	for (int i = 0; i < board->n_tasks; i++)
	{
		CqrsBoardTask *task = &board->tasks[i];

		if (task->pool < 0 || task->database != MyDatabaseId || task->listed)
			continue;
		task->running = false;
		if (task->slot < 0)
			task->pool = -1;
	}
	for (int i = 0; i < CQRS_MAX_POOLS; i++)
		if (board->pools[i].database == MyDatabaseId && board->pools[i].listed &&
			board->pools[i].problem != CQRS_POOL_NO_LOGIN)
			n_pools++;
	database->n_pools = n_pools;
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
