/*-------------------------------------------------------------------------
 *
 * status_sql.c
 *		What the board says, for the status views.
 *
 * NOTES
 *		Everybody who may watch calls this: it runs no code of users.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/status_sql.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/clock.h"
#include "base/compat.h"
#include "projection/status.h"
#include "stats/applied.h"
#include "worker/board.h"

PG_FUNCTION_INFO_V1(cqrs_read_workers);
PG_FUNCTION_INFO_V1(cqrs_read_work);

#define MAX_ROWS (CQRS_MAX_SLOTS + CQRS_MAX_POOLS + CQRS_MAX_DATABASES + 1)

/*
 * A row of cqrs.worker_status, before names are looked up.
 */
typedef struct WorkerRow
{
	pid_t		pid;
	Oid			database;
	Oid			owner;
	NameData	projection;
	const char *state;
	TimestampTz since;
} WorkerRow;

static const char *const slot_states[] = {
	[CQRS_SLOT_FREE] = "free",
	[CQRS_SLOT_STARTING] = "starting",
	[CQRS_SLOT_SCANNING] = "looking for projections",
	[CQRS_SLOT_IDLE] = "idle",
	[CQRS_SLOT_APPLYING] = "applying",
};

static const char *const problems[] = {
	[CQRS_POOL_FINE] = "waiting for events",
	[CQRS_POOL_WAITING] = "waiting for a worker",
	[CQRS_POOL_NO_LOGIN] = "owner may not log in",
	[CQRS_POOL_NO_CONNECTION] = "cannot connect as owner",
};

static int	collect_rows(WorkerRow *rows);
static void put_row(ReturnSetInfo *rsinfo, const WorkerRow *row);
static bool somebody_pauses(const CqrsBoard *board, int pool);
static const char *work_state(const CqrsBoard *board, const CqrsBoardTask *task,
							  const CqrsBoardDatabase *database);

/*
 * cqrs.read_workers() -> pid, database, owner, projection, state, since
 */
Datum
cqrs_read_workers(PG_FUNCTION_ARGS)
{
	WorkerRow  *rows;
	int			count;

	InitMaterializedSRF(fcinfo, 0);
	if (cqrs_board() == NULL)
		return (Datum) 0;
	rows = palloc0(MAX_ROWS * sizeof(WorkerRow));
	count = collect_rows(rows);
	for (int i = 0; i < count; i++)
		put_row((ReturnSetInfo *) fcinfo->resultinfo, &rows[i]);
	return (Datum) 0;
}

/*
 * cqrs.read_work(projection) -> pid, state, applied: what workers do for a
 * projection of this database, and how many events have been applied by whoever.
 * Nulls where nobody knows.
 */
Datum
cqrs_read_work(PG_FUNCTION_ARGS)
{
	char	   *name = cqrs_arg_string_or_null(fcinfo, 0);
	CqrsBoardDatabase *database;
	TupleDesc	desc;
	Datum		values[3] = {0};
	bool		nulls[3] = {true, true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != 3)
		elog(ERROR, "return type must be a row of three columns");
	if (name && !cqrs_status_may_see(name))
		name = NULL;

	if (name && cqrs_applied_count(name) >= 0)
	{
		nulls[2] = false;
		values[2] = Int64GetDatum(cqrs_applied_count(name));
	}
	if (name && cqrs_board())
	{
		CqrsBoard  *board = cqrs_board_lock(LW_SHARED);
		int			number = cqrs_board_task(MyDatabaseId, -1, name, false, false);

		database = cqrs_board_find_database(MyDatabaseId);
		if (number >= 0 && database)
		{
			CqrsBoardTask *task = &board->tasks[number];
			const char *state = work_state(board, task, database);

			nulls[0] = (task->slot < 0);
			if (!nulls[0])
				values[0] = Int32GetDatum(board->slots[task->slot].pid);
			nulls[1] = (state == NULL);
			values[1] = PointerGetDatum(state);
		}
		cqrs_board_unlock();
		if (!nulls[1])
			values[1] = CStringGetTextDatum(DatumGetPointer(values[1]));
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * One row a process, one for each pool that has none though it needs one, and
 * one for each database that cannot be served.
 */
static int
collect_rows(WorkerRow *rows)
{
	CqrsBoard  *board = cqrs_board_lock(LW_SHARED);
	int			count = 0;

	if (board->launcher)
	{
		rows[count].pid = board->launcher->pid;
		rows[count].state = "launcher";
		rows[count++].since = board->launcher_since;
	}
	for (int i = 0; i < CQRS_MAX_SLOTS; i++)
	{
		CqrsBoardSlot *slot = &board->slots[i];

		if (slot->state == CQRS_SLOT_FREE)
			continue;
		rows[count].pid = slot->pid;
		rows[count].database = slot->database;
		rows[count].owner = slot->owner;
		rows[count].projection = slot->projection;
		rows[count].state = slot_states[slot->state];
		rows[count++].since = slot->since;
	}
	for (int i = 0; i < CQRS_MAX_POOLS; i++)
	{
		CqrsBoardPool *pool = &board->pools[i];

		if (!OidIsValid(pool->database) || pool->n_workers > 0 || !pool->listed ||
			pool->problem == CQRS_POOL_FINE)
			continue;
		rows[count].database = pool->database;
		rows[count].owner = pool->owner;
		rows[count].state = problems[pool->problem];
		rows[count++].since = pool->since;
	}
	for (int i = 0; i < CQRS_MAX_DATABASES; i++)
	{
		CqrsBoardDatabase *database = &board->databases[i];

		if (!OidIsValid(database->oid) || database->other_version == 0)
			continue;
		rows[count].database = database->oid;
		rows[count].state = "extension has another version than the library";
		rows[count++].since = database->other_version;
	}
	cqrs_board_unlock();
	return count;
}

/*
 * As in pg_stat_activity, everybody sees where a process is connected, and as whom,
 * but not what it does for others in another database.
 */
static void
put_row(ReturnSetInfo *rsinfo, const WorkerRow *row)
{
	bool		hidden = row->database != MyDatabaseId &&
		!has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS) &&
		!(OidIsValid(row->owner) && has_privs_of_role(GetUserId(), row->owner));
	char	   *database = OidIsValid(row->database) ? get_database_name(row->database) : NULL;
	char	   *owner = OidIsValid(row->owner) ? GetUserNameFromId(row->owner, true) : NULL;
	Datum		values[6] = {0};
	bool		nulls[6] = {false};

	nulls[0] = (row->pid == 0);
	values[0] = Int32GetDatum(row->pid);
	nulls[1] = (database == NULL);
	if (database)
		values[1] = CStringGetTextDatum(database);
	nulls[2] = (owner == NULL);
	if (owner)
		values[2] = CStringGetTextDatum(owner);
	nulls[3] = hidden || NameStr(row->projection)[0] == '\0';
	values[3] = CStringGetTextDatum(NameStr(row->projection));
	values[4] = CStringGetTextDatum(row->state);
	values[5] = TimestampTzGetDatum(row->since);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * A worker that looks for events every few milliseconds is not one whose turn has to be
 * waited for.
 */
static bool
somebody_pauses(const CqrsBoard *board, int pool)
{
	for (int i = 0; i < CQRS_MAX_SLOTS; i++)
		if (board->slots[i].state == CQRS_SLOT_IDLE && board->slots[i].pool == pool &&
			board->slots[i].pausing)
			return true;
	return false;
}

/*
 * NULL when nobody works for it as it does not run.
 */
static const char *
work_state(const CqrsBoard *board, const CqrsBoardTask *task, const CqrsBoardDatabase *database)
{
	const CqrsBoardPool *pool = &board->pools[task->pool];

	if (task->slot >= 0)
		return slot_states[CQRS_SLOT_APPLYING];
	if (!task->running)
		return NULL;
	if (pool->problem != CQRS_POOL_FINE && pool->n_workers == 0)
		return problems[pool->problem];
	if (task->failures > 0)
		return "waiting to retry";
	if (cqrs_board_task_ready(task, database, cqrs_clock()) && !somebody_pauses(board, task->pool))
		return "waiting for its turn";
	return problems[CQRS_POOL_FINE];
}
