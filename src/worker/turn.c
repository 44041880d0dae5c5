/*-------------------------------------------------------------------------
 *
 * turn.c
 *		A worker's batch of one projection: its transaction, and what becomes of errors.
 *
 * NOTES
 *		Subtransactions, which keep an event's error from the rest of its batch,
 *		cost a transaction id and some 15 us, a twentieth of a batch of one event.  So a
 *		batch is tried without first.  When that fails all of it is rolled back and tried again with them,
 *		as are the next ones until one has applied events and parked none.
 *
 *		Another error is logged and recorded, in a transaction of its own, and the
 *		projection is left alone for a while; the worker goes on with others.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/turn.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/identity.h"
#include "base/stop_point.h"
#include "projection/apply.h"
#include "projection/attempt.h"
#include "projection/registry.h"
#include "projection/tables.h"
#include "projection/upkeep.h"
#include "worker/backoff.h"
#include "worker/settled.h"
#include "worker/turn.h"
#include "worker/wakeup.h"

/* whether a restore has ended is asked so often */
#define UNSETTLED_MS 1000

/*
 * One batch, or step.
 */
typedef struct Turn
{
	CqrsBoardSlot *slot;
	CqrsBoardDatabase *database;
	CqrsBoardTask *task;
	MemoryContext scratch;		/* emptied before each batch */
	uint64		appended;		/* the database's counters, before anything is read */
	uint32		definition;
	CqrsUpkeep	done;
	bool		again;			/* without a guard, it has failed */
} Turn;

static bool apply(Turn *turn);
static void apply_in_transaction(Turn *turn);
static void roll_back(Turn *turn);
static void record_error(const Turn *turn, const ErrorData *error);
static void report(const Turn *turn);

bool
cqrs_turn_apply(CqrsBoardSlot *slot, CqrsBoardDatabase *database, MemoryContext scratch)
{
	Turn		turn = {slot, database, &cqrs_board()->tasks[slot->task], scratch};
	bool		went_well;

	turn.appended = pg_atomic_read_u64(&database->appended);
	turn.definition = pg_atomic_read_u32(&database->definition);
	/* what is read from the database from now on is as new as those counters */
	pg_read_barrier();
	MemoryContextReset(scratch);
	MemoryContextSwitchTo(scratch);

	went_well = apply(&turn);
	if (turn.again)
	{
		turn.again = false;
		turn.task->guarded = true;
		MemoryContextReset(scratch);
		went_well = apply(&turn);
	}
	MemoryContextSwitchTo(scratch);
	if (went_well)
		report(&turn);
	/* of a batch, the commit has told; that there will be none, nobody has yet */
	if (!went_well || turn.done.result.status == CQRS_APPLY_NOT_RUNNING)
		ConditionVariableBroadcast(&database->progress);

	/* whoever waits is on the way: what is left to do takes none of his time */
	if (went_well)
	{
		pgstat_report_stat(false);
		pgstat_report_activity(STATE_IDLE, NULL);
	}
	return went_well && turn.done.result.status == CQRS_APPLY_MORE;
}

/*
 * False after an error.
 */
static bool
apply(Turn *turn)
{
	bool volatile went_well = true;

	PG_TRY();
	{
		apply_in_transaction(turn);
	}
	PG_CATCH();
	{
		went_well = false;
		roll_back(turn);
	}
	PG_END_TRY();
	return went_well;
}

static void
apply_in_transaction(Turn *turn)
{
	const CqrsBoardTask *task = turn->task;
	CqrsApplyOptions options = {.max_events = PG_INT64_MAX, .unguarded = !task->guarded};
	CqrsUpkeep *done = &turn->done;

	*done = (CqrsUpkeep) {.result = {.status = CQRS_APPLY_NOT_RUNNING}};
	if (task->build_definition == turn->definition && !task->others)
		options.build = task->build;
	cqrs_fence_expect(options.build != 0 ? cqrs_build_name(NameStr(task->name), options.build) : NULL);
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	pgstat_report_activity(STATE_RUNNING, task->others ? "rebuilding" : "applying events");

	/* a worker may outlive the extension, or its version, for a moment */
	if (cqrs_extension_is_ready())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		if (!cqrs_database_is_settled())
		{
			done->result.status = CQRS_APPLY_CAUGHT_UP;
			done->not_before = done->due = TimestampTzPlusMilliseconds(cqrs_clock(), UNSETTLED_MS);
		}
		else if (task->others)
			*done = cqrs_projection_upkeep(NameStr(task->name), PG_INT64_MAX, false);
		else
			done->result = cqrs_projection_apply_with(NameStr(task->name), &options);
		PopActiveSnapshot();
	}
	/* a projection that had stopped runs again, and its own task is to be found */
	if (done->swapped)
		cqrs_wakeup_scan();
	if (done->result.status != CQRS_APPLY_NOT_RUNNING)
		cqrs_wakeup_progress(turn->database, turn->slot->task, done->result.delivered, turn->definition);
	if (done->result.applied > 0)
		CQRS_STOP_POINT("worker-commits");
	CommitTransactionCommand();
	if (done->result.applied > 0)
		CQRS_STOP_POINT("worker-committed");
}

/*
 * Called with an error that has been thrown.
 */
static void
roll_back(Turn *turn)
{
	ErrorData  *error;

	MemoryContextSwitchTo(turn->scratch);
	error = CopyErrorData();
	turn->again = !turn->task->guarded && !turn->task->others && !cqrs_error_is_passing(error);
	HOLD_INTERRUPTS();
	if (!turn->again)
		EmitErrorReport();
	AbortCurrentTransaction();
	FlushErrorState();
	RESUME_INTERRUPTS();
	pgstat_report_activity(STATE_IDLE, NULL);
	if (!turn->again)
		record_error(turn, error);
}

/*
 * Has the batch tried again later, and says why.
 */
static void
record_error(const Turn *turn, const ErrorData *error)
{
	CqrsBoardTask *task = turn->task;
	int			delay;

	cqrs_board_lock(LW_EXCLUSIVE);
	delay = cqrs_backoff(++task->failures);
	task->errors++;
	task->more = true;
	task->retry_definition = turn->definition;
	task->retry_at = TimestampTzPlusMilliseconds(cqrs_clock(), delay);
	cqrs_board_unlock();

	/* should this fail, too, the process ends and the launcher paces */
	StartTransactionCommand();
	if (cqrs_extension_state(NULL) == CQRS_EXTENSION_READY)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		cqrs_projection_set_error(NameStr(task->name),
								  psprintf("%s (SQLSTATE %s)", error->message,
										   unpack_sql_state(error->sqlerrcode)));
		PopActiveSnapshot();
	}
	CommitTransactionCommand();
}

/*
 * Says on the board what has been done.
 */
static void
report(const Turn *turn)
{
	const CqrsApplyResult *result = &turn->done.result;
	CqrsBoardTask *task = turn->task;
	CqrsBoardPool *pool;
	CqrsBoard  *board = cqrs_board_lock(LW_EXCLUSIVE);

	pool = &board->pools[turn->slot->pool];
	pool->failures = 0;
	/* that there is nobody to come after us is for a scan to find out */
	if (pool->problem != CQRS_POOL_NO_LOGIN)
		pool->problem = CQRS_POOL_FINE;
	task->failures = 0;
	if (result->applied > 0 || result->parked > 0)
		task->guarded = (result->parked > 0);
	task->build = result->build;
	task->build_definition = turn->definition;
	task->cursor_place = result->cursor_place;
	task->parked += result->parked;
	task->batches++;
	task->not_before = turn->done.not_before;
	task->due = turn->done.due;
	task->more = (result->status == CQRS_APPLY_MORE);
	if (result->status == CQRS_APPLY_CAUGHT_UP)
		task->seen = turn->appended;
	/* when it has been changed since we looked, look again */
	else if (result->status == CQRS_APPLY_NOT_RUNNING)
		task->running = task->more =
			(turn->definition != pg_atomic_read_u32(&turn->database->definition));
	cqrs_board_unlock();
}
