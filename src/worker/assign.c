/*-------------------------------------------------------------------------
 *
 * assign.c
 *		Which pool gets a worker, and which worker goes.
 *
 * NOTES
 *		Part of the launcher.  A pool without a worker gets one as soon as it
 *		has work.  It gets another one when a projection of it has been seen
 *		waiting for a while: its workers are busy with others, or stuck.
 *
 *		When all places are taken, the pool that has waited longest gets the
 *		place of an idle worker of another pool, or else that of a busy one
 *		that has had its share of time, which is told to go after its batch.
 *		One that does not come to the end of it does not make the others stay:
 *		the next one is told to go, and one that waits for a lock is ended.
 *		A pool whose workers all wait for locks gets places of idle ones, too.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/assign.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "worker/launcher.h"
#include "worker/process.h"

/* a projection that waits this long while its pool has workers needs one more */
#define HELP_MS 100

/* a worker that others wait for keeps its place at least this long, and has as long to go */
#define SHARE_MS 500

/* when no process is to be had, try again after this */
#define NO_WORKER_MS 1000

/*
 * What there is to do for a pool.
 */
typedef struct Demand
{
	bool		ready;			/* is there work nobody does? */
	bool		overdue;		/* has it been seen waiting for HELP_MS? */
	TimestampTz waiting_since;
	TimestampTz due;			/* when to look again; DT_NOEND: when told */
} Demand;

static Demand demands[CQRS_MAX_POOLS];

/* until when sessions of a database need not tell us again; 0: they have to */
static TimestampTz held_until[CQRS_MAX_DATABASES];
static TimestampTz held_due;

static void collect_demands(TimestampTz now);
static void disarm(CqrsBoard *board, int number, TimestampTz now);
static void add_demand(CqrsBoard *board, int number, TimestampTz now);
static int	neediest_pool(CqrsBoard *board, TimestampTz now);
static int	count_workers(CqrsBoard *board);
static void make_room(CqrsBoard *board, TimestampTz now, bool even_busy);
static bool is_idle(const CqrsBoardSlot *slot);
static bool all_wait_for_locks(const CqrsBoard *board, int pool);
static bool waits_for_lock(const CqrsBoardSlot *slot);
static void dismiss_surplus(CqrsBoard *board);
static bool start_worker(int pool, TimestampTz now);
static void note_waiting(CqrsBoardPool *pool);

/*
 * Starts workers where they are needed, and says when to look again if nobody
 * sets the launcher's latch before.
 */
TimestampTz
cqrs_assign_workers(TimestampTz now)
{
	TimestampTz due = DT_NOEND;
	CqrsBoard  *board;
	int			pool;

	collect_demands(now);
	for (;;)
	{
		bool		full;

		board = cqrs_board_lock(LW_EXCLUSIVE);
		dismiss_surplus(board);
		pool = neediest_pool(board, now);
		full = (count_workers(board) >= cqrs_max_workers);
		if (pool >= 0 && full && cqrs_max_workers > 0)
		{
			bool		has_none = (board->pools[pool].n_workers == 0);

			if (has_none)
				note_waiting(&board->pools[pool]);
			if (has_none || all_wait_for_locks(board, pool))
			{
				make_room(board, now, has_none);
				due = Min(due, TimestampTzPlusMilliseconds(now, HELP_MS));
			}
			demands[pool].ready = false;
		}
		cqrs_board_unlock();

		if (pool < 0 || cqrs_max_workers == 0)
			break;
		if (full)
			continue;
		demands[pool].ready = false;
		if (!start_worker(pool, now))
			due = Min(due, TimestampTzPlusMilliseconds(now, NO_WORKER_MS));
	}

	due = Min(due, held_due);
	if (cqrs_max_workers > 0)
		for (int i = 0; i < CQRS_MAX_POOLS; i++)
			due = Min(due, demands[i].due);
	return due;
}

/*
 * Frees a process for something else than a pool.
 */
void
cqrs_assign_make_room(TimestampTz now)
{
	make_room(cqrs_board_lock(LW_EXCLUSIVE), now, true);
	cqrs_board_unlock();
}

/*
 * One pass over all projections.
 */
static void
collect_demands(TimestampTz now)
{
	CqrsBoard  *board = cqrs_board_lock(LW_EXCLUSIVE);

	held_due = DT_NOEND;
	for (int i = 0; i < CQRS_MAX_DATABASES; i++)
		if (pg_atomic_read_u32(&board->databases[i].armed) != 0)
			disarm(board, i, now);

	for (int i = 0; i < CQRS_MAX_POOLS; i++)
	{
		demands[i].ready = demands[i].overdue = false;
		demands[i].waiting_since = demands[i].due = DT_NOEND;

		/* a pool without projections goes when its last worker has gone */
		if (OidIsValid(board->pools[i].database) && !board->pools[i].listed &&
			board->pools[i].n_workers == 0 &&
			cqrs_board_find_database(board->pools[i].database) == NULL)
			board->pools[i].database = InvalidOid;
	}
	for (int i = 0; i < board->n_tasks; i++)
		if (board->tasks[i].pool >= 0 && board->tasks[i].running)
			add_demand(board, i, now);
	cqrs_board_unlock();
}

/*
 * Lets the sessions of a database tell us again.  When all of its pools have
 * workers that are busy, that is soon enough in a while: else each commit
 * under load would wake the launcher.
 */
static void
disarm(CqrsBoard *board, int number, TimestampTz now)
{
	CqrsBoardDatabase *database = &board->databases[number];
	bool		all_served = (database->n_unserved == 0);

	if (all_served && held_until[number] == 0)
		held_until[number] = TimestampTzPlusMilliseconds(now, HELP_MS);
	if (all_served && now < held_until[number])
		held_due = Min(held_due, held_until[number]);
	else
	{
		held_until[number] = 0;
		pg_atomic_exchange_u32(&database->armed, 0);
	}
}

static void
add_demand(CqrsBoard *board, int number, TimestampTz now)
{
	CqrsBoardTask *task = &board->tasks[number];
	CqrsBoardPool *pool = &board->pools[task->pool];
	Demand	   *demand = &demands[task->pool];
	static CqrsBoardDatabase *database = NULL;

	/* neighbours are mostly of the same database */
	if (database == NULL || database->oid != task->database)
		database = cqrs_board_find_database(task->database);
	if (database == NULL || pool->problem == CQRS_POOL_NO_LOGIN ||
		cqrs_board_is_blocked(task->database))
		return;
	/* while one of them rebuilds, another one is there for what is live */
	if (task->others && task->slot >= 0 && pool->n_workers < 2 && now >= pool->next_start)
	{
		demand->ready = demand->overdue = true;
		demand->waiting_since = Min(demand->waiting_since, now);
	}
	if (!cqrs_board_task_ready(task, database, now))
	{
		TimestampTz due = cqrs_board_task_due(task, now);

		task->noticed_at = 0;
		if (due != 0)
			demand->due = Min(demand->due, due);
		return;
	}
	if (now < pool->next_start)
	{
		demand->due = Min(demand->due, pool->next_start);
		return;
	}

	if (task->noticed_at == 0)
		task->noticed_at = now;
	demand->ready = true;
	demand->waiting_since = Min(demand->waiting_since, task->noticed_at);
	if (pool->n_workers == 0)
		return;
	if (TimestampDifferenceExceeds(task->noticed_at, now, HELP_MS))
		demand->overdue = true;
	else
		demand->due = Min(demand->due, TimestampTzPlusMilliseconds(task->noticed_at, HELP_MS + 1));
}

/*
 * Pools without a worker first, and then who has waited longest; -1: none.
 */
static int
neediest_pool(CqrsBoard *board, TimestampTz now)
{
	int			best = -1;

	for (int i = 0; i < CQRS_MAX_POOLS; i++)
	{
		Demand	   *demand = &demands[i];
		bool		has_none = (board->pools[i].n_workers == 0);

		if (!demand->ready || !OidIsValid(board->pools[i].database))
			continue;
		if (!has_none && !demand->overdue)
			continue;
		if (best < 0 ||
			(has_none && board->pools[best].n_workers > 0) ||
			(has_none == (board->pools[best].n_workers == 0) &&
			 demand->waiting_since < demands[best].waiting_since))
			best = i;
	}
	return best;
}

static int
count_workers(CqrsBoard *board)
{
	int			count = 0;

	for (int i = 0; i < CQRS_MAX_SLOTS; i++)
		if (board->slots[i].state != CQRS_SLOT_FREE && OidIsValid(board->slots[i].owner))
			count++;
	return count;
}

/*
 * Tells one worker to go: an idle one, or for the sake of somebody who has none a
 * busy one.  Nobody goes when somebody is on the way out already, and gets there.
 */
static void
make_room(CqrsBoard *board, TimestampTz now, bool even_busy)
{
	CqrsBoardSlot *best = NULL;

	for (int i = 0; i < CQRS_MAX_SLOTS; i++)
	{
		CqrsBoardSlot *slot = &board->slots[i];

		if (slot->state == CQRS_SLOT_FREE || !OidIsValid(slot->owner))
			continue;
		if (slot->leave)
		{
			if (!TimestampDifferenceExceeds(slot->leave_at, now, SHARE_MS))
				return;
			if (!even_busy || !waits_for_lock(slot))
				continue;
			/* a process gives up its slot before it ends: this is still the one */
			kill(slot->pid, SIGTERM);
			return;
		}
		if (!is_idle(slot) &&
			(!even_busy || !TimestampDifferenceExceeds(slot->started_at, now, SHARE_MS)))
			continue;
		if (best == NULL ||
			(is_idle(slot) && !is_idle(best)) ||
			(is_idle(slot) == is_idle(best) &&
			 slot->started_at < best->started_at))
			best = slot;
	}
	if (best)
		cqrs_board_ask_to_leave(best);
}

/*
 * One that pauses is not: it will have something to do in a few milliseconds.
 */
static bool
is_idle(const CqrsBoardSlot *slot)
{
	return slot->state == CQRS_SLOT_IDLE && !slot->pausing;
}

static bool
all_wait_for_locks(const CqrsBoard *board, int pool)
{
	for (int i = 0; i < CQRS_MAX_SLOTS; i++)
		if (board->slots[i].state != CQRS_SLOT_FREE && board->slots[i].pool == pool &&
			!waits_for_lock(&board->slots[i]))
			return false;
	return true;
}

/*
 * For how long that may be depends on others only.
 */
static bool
waits_for_lock(const CqrsBoardSlot *slot)
{
	return slot->proc && (slot->proc->wait_event_info & 0xFF000000) == PG_WAIT_LOCK;
}

/*
 * When the number of workers has been lowered, some go.
 */
static void
dismiss_surplus(CqrsBoard *board)
{
	int			surplus = -cqrs_max_workers;

	for (int i = 0; i < CQRS_MAX_SLOTS; i++)
	{
		CqrsBoardSlot *slot = &board->slots[i];

		if (slot->state == CQRS_SLOT_FREE || !OidIsValid(slot->owner) || slot->leave)
			continue;
		if (++surplus <= 0)
			continue;
		cqrs_board_ask_to_leave(slot);
	}
}

/*
 * False when there is no process to be had.
 */
static bool
start_worker(int number, TimestampTz now)
{
	CqrsBoardPool *pool = &cqrs_board()->pools[number];
	CqrsProcessStart result = cqrs_process_start(pool->database, number);
	CqrsBoard  *board;

	board = cqrs_board_lock(LW_EXCLUSIVE);
	if (result == CQRS_PROCESS_STARTED)
	{
		if (pool->problem == CQRS_POOL_WAITING)
			pool->problem = CQRS_POOL_FINE;
	}
	else if (pool->n_workers == 0)
	{
		note_waiting(pool);
		make_room(board, now, true);
	}
	cqrs_board_unlock();
	return result == CQRS_PROCESS_STARTED;
}

static void
note_waiting(CqrsBoardPool *pool)
{
	if (pool->problem == CQRS_POOL_FINE)
	{
		pool->problem = CQRS_POOL_WAITING;
		pool->since = GetCurrentTimestamp();
	}
}
