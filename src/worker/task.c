/*-------------------------------------------------------------------------
 *
 * task.c
 *		Projections on the board, seen as work to do: found, and when they are due.
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
