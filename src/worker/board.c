/*-------------------------------------------------------------------------
 *
 * board.c
 *		What launcher, workers and sessions tell each other in shared memory.
 *
 * NOTES
 *		How nobody sleeps through news.  A worker sets its "sleeping" flag and
 *		then looks once more whether there is work; a session that commits
 *		first counts "appended" up and then looks for the flag.  Both do it by
 *		atomic operations that are full barriers, so at least one of them sees
 *		the other.  Who takes the flag down, and nobody else, sets the latch:
 *		under load nobody sleeps, and a commit costs one atomic addition.
 *
 *		Databases with a worker that does not sleep, and may be stuck, or with a
 *		pool that has none at all, are for the launcher to look at.  It is told
 *		once ("armed") until it has looked, and whenever a worker ends.
 *
 *		Latches are set without a lock.  A PGPROC never goes away; that it may
 *		belong to another process by now makes that one look up in vain.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/board.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/shmem.h"
#include "worker/board.h"

static Size board_size(void);
static void init_board(void *address);

static CqrsShmemPart part = {"cqrs workers", board_size, init_board};

/* this session's database */
static CqrsBoardDatabase *my_database = NULL;

void
cqrs_board_init(void)
{
	cqrs_shmem_add(&part);
}

/*
 * NULL when the library was not loaded by shared_preload_libraries.
 */
CqrsBoard *
cqrs_board(void)
{
	return (CqrsBoard *) part.address;
}

CqrsBoard *
cqrs_board_lock(LWLockMode mode)
{
	LWLockAcquire(part.lock, mode);
	return (CqrsBoard *) part.address;
}

void
cqrs_board_unlock(void)
{
	LWLockRelease(part.lock);
}

/*
 * NULL when it is not there, or when it is to be created and there is no room.
 */
CqrsBoardDatabase *
cqrs_board_database(Oid oid, bool create)
{
	CqrsBoardDatabase *result;
	CqrsBoard  *board = cqrs_board_lock(create ? LW_EXCLUSIVE : LW_SHARED);

	result = cqrs_board_find_database(oid);
	for (int i = 0; i < CQRS_MAX_DATABASES && result == NULL && create; i++)
	{
		CqrsBoardDatabase *database = &board->databases[i];

		if (OidIsValid(database->oid))
			continue;
		result = database;
		database->n_workers = database->n_unserved = 0;
		database->needs_scan = database->needs_scan_when_prepared = false;
		database->needs_prune = false;
		database->prune_at = 0;
		database->prune_block = 0;
		database->other_version = 0;
		pg_atomic_write_u32(&database->armed, 0);
		pg_atomic_write_u32(&database->sleepers, 0);
		database->oid = oid;
	}
	cqrs_board_unlock();
	return result;
}

/*
 * The session's own, created at need.  NULL without shared memory, or room.
 */
CqrsBoardDatabase *
cqrs_board_my_database(void)
{
	if (part.address == NULL)
		return NULL;
	if (my_database == NULL || my_database->oid != MyDatabaseId)
		my_database = cqrs_board_database(MyDatabaseId, true);
	return my_database;
}

/*
 * There is no extension any more, or no database.
 */
void
cqrs_board_forget_database(Oid oid)
{
	CqrsBoard  *board = cqrs_board_lock(LW_EXCLUSIVE);
	CqrsBoardDatabase *database = cqrs_board_find_database(oid);
	bool		busy = false;

	for (int i = 0; i < CQRS_MAX_SLOTS; i++)
		if (board->slots[i].state != CQRS_SLOT_FREE && board->slots[i].database == oid &&
			OidIsValid(board->slots[i].owner))
		{
			cqrs_board_ask_to_leave(&board->slots[i]);
			busy = true;
		}

	for (int i = 0; i < board->n_tasks; i++)
		if (board->tasks[i].pool >= 0 && board->tasks[i].database == oid)
		{
			board->tasks[i].running = false;
			if (board->tasks[i].slot < 0)
				board->tasks[i].pool = -1;
		}
	for (int i = 0; i < CQRS_MAX_POOLS; i++)
		if (board->pools[i].database == oid)
		{
			board->pools[i].listed = false;
			if (board->pools[i].n_workers == 0)
				board->pools[i].database = InvalidOid;
		}
	if (database)
	{
		database->n_unserved = 0;
		database->needs_prune = false;
		database->other_version = 0;
		pg_atomic_write_u32(&database->armed, 0);
		if (!busy)
			database->oid = InvalidOid;
	}
	cqrs_board_unlock();
	if (database)
	{
		cqrs_board_wake(database);
		ConditionVariableBroadcast(&database->progress);
	}
}

/*
 * The extension there is of another version than the library: nobody works for
 * it until the next scan.
 */
void
cqrs_board_set_aside_database(Oid oid)
{
	CqrsBoardDatabase *database;

	cqrs_board_forget_database(oid);
	database = cqrs_board_database(oid, true);
	if (database)
		database->other_version = GetCurrentTimestamp();
}

/*
 * There may be new events.  Neither throws nor waits; fit for the end of a
 * transaction.
 */
void
cqrs_board_announce(CqrsBoardDatabase *database)
{
	pg_atomic_fetch_add_u64(&database->appended, 1);
	cqrs_board_wake(database);
}

/*
 * Wakes the workers of a database that sleep, and the launcher when there is one
 * that does not, or a pool without any.
 */
void
cqrs_board_wake(CqrsBoardDatabase *database)
{
	CqrsBoard  *board = cqrs_board();
	uint32		sleepers = pg_atomic_fetch_add_u32(&database->sleepers, 0);

	for (int i = 0; i < CQRS_MAX_SLOTS && sleepers > 0; i++)
	{
		CqrsBoardSlot *slot = &board->slots[i];

		if (slot->database == database->oid && pg_atomic_read_u32(&slot->sleeping) != 0 &&
			pg_atomic_exchange_u32(&slot->sleeping, 0) != 0)
		{
			PGPROC	   *proc = slot->proc;

			pg_atomic_fetch_sub_u32(&database->sleepers, 1);
			if (proc)
				SetLatch(&proc->procLatch);
		}
	}
	if (((int) sleepers < database->n_workers || database->n_unserved > 0) &&
		pg_atomic_read_u32(&database->armed) == 0 &&
		pg_atomic_exchange_u32(&database->armed, 1) == 0)
		cqrs_board_wake_launcher();
}

/*
 * Ends the pauses of a database's workers.  To be called by one who has counted his wait.
 */
void
cqrs_board_cut_pauses(const CqrsBoardDatabase *database)
{
	CqrsBoard  *board = cqrs_board();

	for (int i = 0; i < CQRS_MAX_SLOTS; i++)
	{
		const CqrsBoardSlot *slot = &board->slots[i];
		PGPROC	   *proc = slot->proc;

		if (slot->pausing && slot->database == database->oid && proc)
			SetLatch(&proc->procLatch);
	}
}

void
cqrs_board_wake_launcher(void)
{
	PGPROC	   *launcher = cqrs_board()->launcher;

	if (launcher)
		SetLatch(&launcher->procLatch);
}

CqrsBoardDatabase *
cqrs_board_find_database(Oid oid)
{
	CqrsBoard  *board = cqrs_board();

	for (int i = 0; i < CQRS_MAX_DATABASES; i++)
		if (board->databases[i].oid == oid)
			return &board->databases[i];
	return NULL;
}

/*
 * The process is to end, after its batch if it has one.
 */
void
cqrs_board_ask_to_leave(CqrsBoardSlot *slot)
{
	if (!slot->leave)
		slot->leave_at = cqrs_clock();
	slot->leave = true;
	if (slot->proc)
		SetLatch(&slot->proc->procLatch);
}

/*
 * The process has ended, or will never come up.
 */
void
cqrs_board_free_slot(CqrsBoardSlot *slot)
{
	CqrsBoard  *board = cqrs_board();
	CqrsBoardDatabase *database = cqrs_board_find_database(slot->database);

	if (slot->task >= 0)
	{
		board->tasks[slot->task].slot = -1;
		board->tasks[slot->task].more = true;
		/* others of its pool come first, whose worker might end in the same place again */
		board->tasks[slot->task].served_at = cqrs_clock();
		slot->task = -1;
	}
	if (pg_atomic_exchange_u32(&slot->sleeping, 0) != 0 && database)
		pg_atomic_fetch_sub_u32(&database->sleepers, 1);
	if (slot->pool >= 0)
		board->pools[slot->pool].n_workers--;
	if (slot->pool >= 0 && database)
		cqrs_board_count_pools(database);
	slot->pool = -1;
	slot->pid = 0;
	slot->proc = NULL;
	slot->leave = false;
	slot->database = InvalidOid;
	slot->state = CQRS_SLOT_FREE;
}

bool
cqrs_board_is_blocked(Oid database)
{
	CqrsBoard  *board = cqrs_board();

	for (int i = 0; i < CQRS_MAX_BLOCKS; i++)
		if (board->blocks[i].database == database)
			return true;
	return false;
}

/*
 * From now on no process of ours is started in the database.  False when there is
 * no room to say so.
 */
bool
cqrs_board_block(Oid database)
{
	CqrsBoard  *board = cqrs_board_lock(LW_EXCLUSIVE);
	bool		blocked = false;

	for (int i = 0; i < CQRS_MAX_BLOCKS && !blocked; i++)
		blocked = board->blocks[i].database == database && board->blocks[i].pid == MyProcPid;
	for (int i = 0; i < CQRS_MAX_BLOCKS && !blocked; i++)
		if (!OidIsValid(board->blocks[i].database))
		{
			board->blocks[i].database = database;
			board->blocks[i].pid = MyProcPid;
			blocked = true;
		}
	cqrs_board_unlock();
	return blocked;
}

/*
 * Tells our processes in a database to go: those that are idle, or all when it
 * has to be, at once.  Says how many there are.
 */
int
cqrs_board_send_away(Oid database, bool force)
{
	CqrsBoard  *board = cqrs_board_lock(LW_EXCLUSIVE);
	int			count = 0;

	for (int i = 0; i < CQRS_MAX_SLOTS; i++)
	{
		CqrsBoardSlot *slot = &board->slots[i];

		if (slot->state == CQRS_SLOT_FREE || slot->database != database)
			continue;
		count++;
		cqrs_board_ask_to_leave(slot);
		/* a process gives up its slot before it ends: this is still the one */
		if (slot->pid != 0 && (force || slot->state != CQRS_SLOT_IDLE))
			kill(slot->pid, SIGTERM);
	}
	cqrs_board_unlock();
	return count;
}

/*
 * Takes back what this session has blocked.
 */
void
cqrs_board_unblock(void)
{
	CqrsBoard  *board = cqrs_board_lock(LW_EXCLUSIVE);

	for (int i = 0; i < CQRS_MAX_BLOCKS; i++)
		if (OidIsValid(board->blocks[i].database) && board->blocks[i].pid == MyProcPid)
			board->blocks[i].database = InvalidOid;
	cqrs_board_unlock();
	cqrs_board_wake_launcher();
}

static Size
board_size(void)
{
	return sizeof(CqrsBoard);
}

static void
init_board(void *address)
{
	CqrsBoard  *board = (CqrsBoard *) address;

	pg_atomic_init_u32(&board->list_databases, CQRS_LIST_ALL);
	ConditionVariableInit(&board->left);
	for (int i = 0; i < CQRS_MAX_DATABASES; i++)
	{
		CqrsBoardDatabase *database = &board->databases[i];

		/* counters begin at 1, so that 0 is behind; they are never set back */
		pg_atomic_init_u64(&database->appended, 1);
		pg_atomic_init_u64(&database->waits, 1);
		pg_atomic_init_u32(&database->definition, 1);
		pg_atomic_init_u32(&database->scans, 1);
		pg_atomic_init_u32(&database->sleepers, 0);
		pg_atomic_init_u32(&database->armed, 0);
		ConditionVariableInit(&database->progress);
	}
	for (int i = 0; i < CQRS_MAX_TASKS; i++)
		board->tasks[i].pool = -1;
	for (int i = 0; i < CQRS_MAX_SLOTS; i++)
	{
		board->slots[i].pool = board->slots[i].task = -1;
		pg_atomic_init_u32(&board->slots[i].sleeping, 0);
	}
}
