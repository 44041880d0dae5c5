/*-------------------------------------------------------------------------
 *
 * board.h
 *		What launcher, workers and sessions tell each other in shared memory.
 *
 * NOTES
 *		Fields are guarded by the board's lock unless they are atomic or their
 *		comment says otherwise.  The lock is held for short, and nothing is
 *		thrown or waited for under it.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/board.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_BOARD_H
#define CQRS_BOARD_H

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/block.h"
#include "storage/condition_variable.h"
#include "storage/itemptr.h"
#include "storage/lwlock.h"
#include "storage/proc.h"

#include "event/cursor.h"
#include "event/token.h"

/* sizes of the tables; src/README.md says what happens when one is full */
#define CQRS_MAX_DATABASES	512
#define CQRS_MAX_POOLS		1024
#define CQRS_MAX_TASKS		4096
#define CQRS_MAX_SLOTS		64
#define CQRS_MAX_BLOCKS		32

/*
 * A database with the extension.  Once a process has looked one up it keeps
 * the pointer, and checks the oid before each use.
 */
typedef struct CqrsBoardDatabase
{
	Oid			oid;			/* InvalidOid: free */
	int			n_workers;		/* started ones included; may be read without lock */
	int			n_unserved;		/* pools that workers can serve, and that have none; may be read without lock */
	bool		needs_scan;		/* have projections changed? */
	bool		needs_scan_when_prepared;	/* so will they, by COMMIT PREPARED; set back by scans */
	bool		needs_prune;	/* are old rows of the ledger to be removed? */
	TimestampTz prune_at;		/* when the next round of that begins */
	BlockNumber prune_block;	/* the scanner's: where this round goes on */
	TimestampTz other_version;	/* since when it is not served, as library and extension differ; 0: they agree */
	pg_atomic_uint64 appended;	/* counts reasons to look for new events */
	pg_atomic_uint64 waits;		/* counts sessions that began to wait for projections */
	pg_atomic_uint32 definition;	/* counts changes of projections */
	pg_atomic_uint32 scans;		/* counts scans that have ended */
	pg_atomic_uint32 sleepers;	/* how many slots of this database sleep */
	pg_atomic_uint32 armed;		/* 1: the launcher will look at it */
	ConditionVariable progress; /* a batch was committed, or waiting is in vain */
} CqrsBoardDatabase;

/* why a pool has no worker though it needs one */
typedef enum CqrsPoolProblem
{
	CQRS_POOL_FINE,
	CQRS_POOL_WAITING,			/* no process is to be had */
	CQRS_POOL_NO_LOGIN,			/* before 17, only roles that may log in are served */
	CQRS_POOL_NO_CONNECTION		/* the last worker could not connect */
} CqrsPoolProblem;

/*
 * The projections of one owner in one database.
 */
typedef struct CqrsBoardPool
{
	Oid			database;		/* InvalidOid: free */
	Oid			owner;
	bool		listed;			/* did the last scan find projections that run? */
	int			n_workers;		/* slots, started ones included */
	CqrsPoolProblem problem;
	TimestampTz since;			/* when the problem came up */
	TimestampTz next_start;		/* no worker is started before; of cqrs_clock() */
	int			failures;		/* workers in a row that ended badly */
} CqrsBoardPool;

/*
 * A projection, seen as work to do: its live build, or those beside it.
 */
typedef struct CqrsBoardTask
{
	int			pool;			/* -1: free */
	Oid			database;
	NameData	name;
	bool		others;			/* the builds beside the live one? */
	bool		listed;			/* found by the scan under way? */
	bool		running;		/* as far as we know */
	bool		more;			/* whatever "seen" says, there may be events */
	int			slot;			/* of the worker that has it now; -1: none */
	uint64		seen;			/* value of "appended" that it has caught up with */
	TimestampTz served_at;		/* end of its last turn; of cqrs_clock(), as are the next four */
	TimestampTz not_before;		/* nothing to do until then; 0: who knows */
	TimestampTz due;			/* there is something to do then; 0: no */
	TimestampTz noticed_at;		/* the launcher has seen it wait; 0: it has not */
	TimestampTz retry_at;		/* not before, unless the definition has changed */
	uint32		retry_definition;
	int			failures;		/* in a row */
	bool		guarded;		/* its last events were parked: batches need subtransactions */
	int32		build;			/* hint: the live one; 0: who knows */
	uint32		build_definition;	/* value of "definition" at that time */
	ItemPointerData cursor_place;	/* hint: where its cursor is */
	CqrsDelivered delivered;	/* by the live build's cursor */
	uint32		delivered_definition;	/* value of "definition" before that batch; else nothing is known */
	int64		parked;			/* counters, since the server started */
	int64		batches;
	int64		errors;
} CqrsBoardTask;

typedef enum CqrsSlotState
{
	CQRS_SLOT_FREE,				/* next: STARTING */
	CQRS_SLOT_STARTING,			/* registered; next: SCANNING, IDLE, FREE */
	CQRS_SLOT_SCANNING,			/* next: FREE */
	CQRS_SLOT_IDLE,				/* next: APPLYING, FREE */
	CQRS_SLOT_APPLYING			/* next: IDLE, FREE */
} CqrsSlotState;

/*
 * A process, from its registration to its end.  "generation" tells its tenants
 * apart.
 */
typedef struct CqrsBoardSlot
{
	CqrsSlotState state;
	uint32		generation;
	bool		leave;			/* asked to go; may be read without lock */
	TimestampTz leave_at;		/* when that was; of cqrs_clock() */
	Oid			database;		/* may be read without lock */
	Oid			owner;			/* InvalidOid: it scans */
	int			pool;
	int			task;			/* -1: none */
	pid_t		pid;			/* 0: has not come up yet */
	PGPROC	   *proc;			/* may be read without lock */
	pg_atomic_uint32 sleeping;	/* who sets it to 0 decrements "sleepers" */
	bool		pausing;		/* has nothing to do, but looks again in a moment; may be read without lock */
	TimestampTz started_at;		/* registered; of cqrs_clock() */
	TimestampTz since;			/* in this state */
	NameData	projection;
} CqrsBoardSlot;

/*
 * A session that wants a database free of workers until its transaction ends.
 */
typedef struct CqrsBoardBlock
{
	Oid			database;		/* InvalidOid: free */
	pid_t		pid;
} CqrsBoardBlock;

/* what the launcher is asked to do about databases */
#define CQRS_LIST_NEW	0x01	/* look into those that it does not know yet */
#define CQRS_LIST_ALL	0x02	/* look into all of them */

typedef struct CqrsBoard
{
	PGPROC	   *launcher;		/* NULL: there is none; may be read without lock */
	TimestampTz launcher_since;
	pg_atomic_uint32 list_databases;	/* CQRS_LIST_... */
	Oid			unscanned;		/* a scanner has ended there before its time; InvalidOid: none */
	ConditionVariable left;		/* a slot has become free */
	int			n_tasks;		/* no task lies beyond */
	CqrsBoardDatabase databases[CQRS_MAX_DATABASES];
	CqrsBoardPool pools[CQRS_MAX_POOLS];
	CqrsBoardTask tasks[CQRS_MAX_TASKS];
	CqrsBoardSlot slots[CQRS_MAX_SLOTS];
	CqrsBoardBlock blocks[CQRS_MAX_BLOCKS];
} CqrsBoard;

extern void cqrs_board_init(void);
extern CqrsBoard *cqrs_board(void);
extern CqrsBoard *cqrs_board_lock(LWLockMode mode);
extern void cqrs_board_unlock(void);

/* databases */
extern CqrsBoardDatabase *cqrs_board_database(Oid oid, bool create);
extern CqrsBoardDatabase *cqrs_board_my_database(void);
extern void cqrs_board_forget_database(Oid oid);
extern void cqrs_board_set_aside_database(Oid oid);
extern void cqrs_board_announce(CqrsBoardDatabase *database);
extern void cqrs_board_cut_pauses(const CqrsBoardDatabase *database);
extern void cqrs_board_wake(CqrsBoardDatabase *database);
extern void cqrs_board_wake_launcher(void);

/* projections, by name */
extern bool cqrs_board_is_idle(CqrsBoardDatabase *database, const char *projection);
extern ItemPointerData cqrs_board_cursor_place(CqrsBoardDatabase *database, const char *projection);
extern void cqrs_board_set_delivered(int task, CqrsDelivered delivered, uint32 definition);
extern bool cqrs_board_has_delivered(CqrsBoardDatabase *database, const char *projection,
									 const CqrsToken *token);

/* the caller holds the lock */
extern int	cqrs_board_pool(Oid database, Oid owner, bool create);
extern void cqrs_board_count_pools(CqrsBoardDatabase *database);
extern int	cqrs_board_task(Oid database, int pool, const char *name, bool others, bool create);
extern bool cqrs_board_task_ready(const CqrsBoardTask *task, const CqrsBoardDatabase *database,
								  TimestampTz now);
extern TimestampTz cqrs_board_task_due(const CqrsBoardTask *task, TimestampTz now);
extern CqrsBoardDatabase *cqrs_board_find_database(Oid oid);
extern void cqrs_board_ask_to_leave(CqrsBoardSlot *slot);
extern void cqrs_board_free_slot(CqrsBoardSlot *slot);
extern bool cqrs_board_is_blocked(Oid database);

/* keeping workers out */
extern bool cqrs_board_block(Oid database);
extern void cqrs_board_unblock(void);
extern int	cqrs_board_send_away(Oid database, bool force);

#endif							/* CQRS_BOARD_H */
