/*-------------------------------------------------------------------------
 *
 * task.c
 *		Projections on the board, seen as work to do: found, when they are due, how far they are.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/task.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/compat.h"
#include "worker/board.h"

static int	find_free_task(CqrsBoard *board);

/*
 * Its number, or -1.
 */
int
cqrs_board_task(Oid database, int pool, const char *name, bool others, bool create)
{
	CqrsBoard  *board = cqrs_board();
	CqrsBoardTask *task;
	int			i;

	for (i = 0; i < board->n_tasks; i++)
	{
		task = &board->tasks[i];
		if (task->pool >= 0 && task->database == database && task->others == others &&
			strcmp(NameStr(task->name), name) == 0)
			return i;
	}
	if (!create || (i = find_free_task(board)) < 0)
		return -1;

	task = &board->tasks[i];
	memset(task, 0, sizeof(CqrsBoardTask));
	task->pool = pool;
	task->database = database;
	namestrcpy(&task->name, name);
	task->others = others;
	task->more = true;
	task->slot = -1;
	return i;
}

/*
 * Is there, or may there be, something to do for it now?
 */
bool
cqrs_board_task_ready(const CqrsBoardTask *task, const CqrsBoardDatabase *database,
					  TimestampTz now)
{
	if (task->slot >= 0 || !task->running)
		return false;
	if (task->failures > 0 && now < task->retry_at &&
		task->retry_definition == pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &database->definition)))
		return false;
	if (now < task->not_before)
		return false;
	return task->more || (task->due != 0 && now >= task->due) ||
		task->seen != pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &database->appended));
}

/*
 * When a task that is not ready may be, though nothing happens; 0: never.
 */
TimestampTz
cqrs_board_task_due(const CqrsBoardTask *task, TimestampTz now)
{
	if (task->slot >= 0 || !task->running)
		return 0;
	if (task->failures > 0 && now < task->retry_at)
		return task->retry_at;
	return Max(task->not_before, task->due);
}

/*
 * Do the workers think that there is nothing to do for a projection?
 */
bool
cqrs_board_is_idle(CqrsBoardDatabase *database, const char *projection)
{
	CqrsBoard  *board = cqrs_board_lock(LW_SHARED);
	int			task = cqrs_board_task(database->oid, -1, projection, false, false);
	bool		result = false;

	if (task >= 0)
		result = board->tasks[task].running && board->tasks[task].slot < 0 &&
			!board->tasks[task].more &&
			board->tasks[task].seen == pg_atomic_read_u64(&database->appended);
	cqrs_board_unlock();
	return result;
}

/*
 * Where the cursor of a projection was when a worker wrote it last; invalid
 * when nobody knows.
 */
ItemPointerData
cqrs_board_cursor_place(CqrsBoardDatabase *database, const char *projection)
{
	CqrsBoard  *board = cqrs_board_lock(LW_SHARED);
	int			task = cqrs_board_task(database->oid, -1, projection, false, false);
	ItemPointerData place;

	ItemPointerSetInvalid(&place);
	if (task >= 0)
		place = board->tasks[task].cursor_place;
	cqrs_board_unlock();
	return place;
}

/*
 * How far its live build is, as a worker of it knows that has just committed, and that
 * has begun when the database's counter had that value.  Fit for the end of a transaction.
 */
void
cqrs_board_set_delivered(int task, CqrsDelivered delivered, uint32 definition)
{
	CqrsBoard  *board = cqrs_board_lock(LW_EXCLUSIVE);

	board->tasks[task].delivered = delivered;
	board->tasks[task].delivered_definition = definition;
	cqrs_board_unlock();
}

/*
 * Has the transaction of the token, which is known to be one of ours, ended, and what it
 * has appended reached the live build of the projection?  False also when that is not known here.
 */
bool
cqrs_board_has_delivered(CqrsBoardDatabase *database, const char *projection, const CqrsToken *token)
{
	CqrsBoard  *board = cqrs_board_lock(LW_SHARED);
	int			i = cqrs_board_task(database->oid, -1, projection, false, false);
	bool		result = false;

	if (i >= 0 && board->tasks[i].delivered_definition == pg_atomic_read_u32(&database->definition))
	{
		const CqrsDelivered *delivered = &board->tasks[i].delivered;

		result = delivered->incarnation > token->incarnation ||
			(delivered->incarnation == token->incarnation &&
			 FullTransactionIdPrecedes(token->xid, delivered->below));
	}
	cqrs_board_unlock();
	return result;
}

/*
 * A place for a task: a free one, or the one that has waited longest of those
 * that do not run.
 */
static int
find_free_task(CqrsBoard *board)
{
	int			oldest = -1;

	for (int i = 0; i < board->n_tasks; i++)
	{
		CqrsBoardTask *task = &board->tasks[i];

		if (task->pool < 0)
			return i;
		if (task->slot < 0 && !task->running &&
			(oldest < 0 || task->served_at < board->tasks[oldest].served_at))
			oldest = i;
	}
	if (board->n_tasks < CQRS_MAX_TASKS)
		return board->n_tasks++;
	return oldest;
}
