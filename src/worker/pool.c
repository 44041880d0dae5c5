/*-------------------------------------------------------------------------
 *
 * pool.c
 *		Pools on the board, an owner in a database each: found, and counted.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/pool.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "worker/board.h"

static int	find_unused(CqrsBoard *board);

/*
 * Its number, or -1.
 */
int
cqrs_board_pool(Oid database, Oid owner, bool create)
{
	CqrsBoard  *board = cqrs_board();
	int			free_pool = -1;

	for (int i = 0; i < CQRS_MAX_POOLS; i++)
	{
		CqrsBoardPool *pool = &board->pools[i];

		if (pool->database == database && pool->owner == owner)
			return i;
		if (!OidIsValid(pool->database) && free_pool < 0)
			free_pool = i;
	}
	if (!create)
		return -1;
	if (free_pool < 0)
		free_pool = find_unused(board);
	if (free_pool < 0)
		return -1;
	memset(&board->pools[free_pool], 0, sizeof(CqrsBoardPool));
	board->pools[free_pool].database = database;
	board->pools[free_pool].owner = owner;
	return free_pool;
}

/*
 * To be called when a pool has been listed, or has got or lost a worker.
 */
void
cqrs_board_count_pools(CqrsBoardDatabase *database)
{
	CqrsBoard  *board = cqrs_board();
	int			n_workers = 0;
	int			n_unserved = 0;

	for (int i = 0; i < CQRS_MAX_POOLS; i++)
	{
		CqrsBoardPool *pool = &board->pools[i];

		if (pool->database != database->oid)
			continue;
		n_workers += pool->n_workers;
		if (pool->listed && pool->problem != CQRS_POOL_NO_LOGIN && pool->n_workers == 0)
			n_unserved++;
	}
	database->n_workers = n_workers;
	database->n_unserved = n_unserved;
}

/*
 * A pool that nobody works in, and that has nothing to be worked for: its tasks,
 * which do not run, go with it.  -1: there is none.
 */
static int
find_unused(CqrsBoard *board)
{
	bool		used[CQRS_MAX_POOLS] = {false};
	int			result = -1;

	for (int i = 0; i < board->n_tasks; i++)
		if (board->tasks[i].pool >= 0 && (board->tasks[i].running || board->tasks[i].slot >= 0))
			used[board->tasks[i].pool] = true;
	for (int i = 0; i < CQRS_MAX_POOLS && result < 0; i++)
		if (!used[i] && board->pools[i].n_workers == 0)
			result = i;
	for (int i = 0; i < board->n_tasks && result >= 0; i++)
		if (board->tasks[i].pool == result)
			board->tasks[i].pool = -1;
	return result;
}
