/*-------------------------------------------------------------------------
 *
 * wait.c
 *		Waiting until projections have processed what a token names.
 *
 * NOTES
 *		On a primary the waiter sleeps on the condition variable of its
 *		database, which a worker broadcasts after each commit, and so does who
 *		changes a projection, or rolls back.  On a standby there is nobody to do
 *		so: it looks at the replayed cursor every few milliseconds.  When it is
 *		promoted meanwhile, the waiter goes on as on a primary.  When replay waits
 *		for the waiter it gives up (replay_stop.c).
 *
 *		Where no worker can do it, the waiter applies the events itself, in
 *		its own transaction, if it may.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/wait.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errcodes.h"
#include "base/guc.h"
#include "base/stop_point.h"
#include "event/token.h"
#include "projection/apply.h"
#include "projection/attempt.h"
#include "projection/registry.h"
#include "projection/tables.h"
#include "worker/board.h"
#include "worker/only_waits.h"
#include "worker/processed.h"
#include "worker/replay_stop.h"
#include "worker/wait.h"

PG_FUNCTION_INFO_V1(cqrs_wait);

/* how often a standby looks */
#define STANDBY_MS 5

/* a waiter looks after so long, should nobody tell it; it does not add to the latency */
#define LOOK_MS 1000

typedef enum Verdict
{
	VERDICT_DONE,
	VERDICT_NOT_YET,
	VERDICT_NEVER				/* it has been said why */
} Verdict;

/*
 * One wait.
 */
typedef struct Wait
{
	CqrsToken	token;
	CqrsTokenState state;
	bool		looked;			/* so it is a transaction of this server */
	bool		named;			/* has the caller named them? */
	List	   *projections;	/* names that remain to be waited for */
	TimestampTz deadline;
	bool		only_waits;		/* does the statement do nothing else? */
	bool		recovering;		/* on a standby, as far as this look knows */
	CqrsReplayStop replay;
	CqrsBoardDatabase *board;	/* NULL: there are no workers */
	MemoryContext scratch;
} Wait;

/*
 * Events that are applied here, as there are no workers.
 */
typedef struct Batch
{
	const char *projection;
	CqrsApplyResult result;
} Batch;

static bool wait_for_token(const char *text, ArrayType *projections, int64 timeout, const Node *call);
static void read_token(const char *text, CqrsToken *token);
static List *all_that_run(bool *named);
static List *list_projections(ArrayType *array, bool must_exist);
static Verdict look(Wait *wait);
static bool all_is_delivered(const Wait *wait);
static bool is_delivered(const Wait *wait, const char *name);
static void look_for_workers(Wait *wait);
static Verdict look_at_token(Wait *wait);
static Verdict look_at_projection(Wait *wait, const char *name);
static Verdict look_at_rest(const Wait *wait, const char *name, const CqrsProjection *projection);
static Verdict apply_here(const Wait *wait, const CqrsProjection *projection, bool *caught_up);
static bool apply_in_time(const Wait *wait, Batch *batch);
static void apply_batch(void *arg);
static bool sleep_until_news(Wait *wait);

void
cqrs_wait_init(void)
{
	cqrs_wait_register(wait_for_token);
}

/*
 * cqrs_wait(token, projections, timeout) -> have they processed it?
 */
Datum
cqrs_wait(PG_FUNCTION_ARGS)
{
	char	   *token = PG_ARGISNULL(0) ? cqrs_token_current() : text_to_cstring(PG_GETARG_TEXT_PP(0));
	ArrayType  *projections = PG_ARGISNULL(1) ? NULL : PG_GETARG_ARRAYTYPE_P(1);

	PreventCommandIfParallelMode("cqrs_wait()");
	cqrs_arg_require(fcinfo, 2, "timeout");
	if (projections)
		(void) wait_for_token(NULL, projections, 0, NULL);
	PG_RETURN_BOOL(wait_for_token(token, projections, cqrs_arg_timeout(PG_GETARG_INTERVAL_P(2)),
								  fcinfo->flinfo->fn_expr));
}

/*
 * The function that lower layers call, too.  The token may be NULL: then there
 * is nothing to wait for, and names that are wrong are refused.  With a token
 * they are those of projections that there have been before.
 */
static bool
wait_for_token(const char *text, ArrayType *array, int64 timeout, const Node *call)
{
	MemoryContext before = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(before, "cqrs wait", ALLOCSET_DEFAULT_SIZES);
	Wait		wait = {.deadline = cqrs_clock() + timeout};
	Verdict		verdict = VERDICT_DONE;

	MemoryContextSwitchTo(context);
	wait.named = (array != NULL);
	wait.projections = array ? list_projections(array, text == NULL) : all_that_run(&wait.named);
	if (text)
	{
		read_token(text, &wait.token);
		wait.scratch = AllocSetContextCreate(context, "cqrs look", ALLOCSET_DEFAULT_SIZES);
		wait.only_waits = cqrs_only_waits(call);
		while ((verdict = look(&wait)) == VERDICT_NOT_YET && sleep_until_news(&wait))
			;
		if (wait.board)
			ConditionVariableCancelSleep();
	}
	MemoryContextSwitchTo(before);
	MemoryContextDelete(context);
	return verdict == VERDICT_DONE;
}

static void
read_token(const char *text, CqrsToken *token)
{
	cqrs_token_read(text, token);
	if (cqrs_token_is_own(token))
		ereport(ERROR,
				(errcode(ERRCODE_CQRS_WAIT_IN_OWN_TRANSACTION),
				 errmsg("cannot wait for the transaction that is running"),
				 errdetail("Others see its events when it has been committed."),
				 errhint("Wait after COMMIT, or use cqrs_catch_up() to apply events here and now.")));
}

/*
 * Those to wait for when no names are given.  When none runs they are all there
 * are, as if they were named: nobody shall believe that something has followed.
 */
static List *
all_that_run(bool *named)
{
	List	   *result = cqrs_projection_running_async();
	ListCell   *lc;

	if (result != NIL)
		return result;
	foreach(lc, cqrs_projection_list())
	{
		CqrsProjection *projection = lfirst(lc);

		if (projection->state == CQRS_PROJECTION_RUNNING)
			return NIL;			/* inline */
		result = lappend(result, projection->name);
	}
	*named = (result != NIL);
	return result;
}

static List *
list_projections(ArrayType *array, bool must_exist)
{
	List	   *result = NIL;
	Datum	   *elements;
	int			count;

	elements = cqrs_array_elements(array, "projections", &count);
	for (int i = 0; i < count; i++)
	{
		char	   *name = TextDatumGetCString(elements[i]);

		if (must_exist)
			(void) cqrs_projection_get(name);
		result = lappend(result, name);
	}
	return result;
}

/*
 * Looks at the transaction, and at each projection in turn.
 */
static Verdict
look(Wait *wait)
{
	MemoryContext before;
	Verdict		verdict = VERDICT_DONE;

	look_for_workers(wait);
	if (wait->looked && all_is_delivered(wait))
		return VERDICT_DONE;
	MemoryContextReset(wait->scratch);
	before = MemoryContextSwitchTo(wait->scratch);
	if (wait->state == CQRS_TOKEN_OPEN)
		verdict = look_at_token(wait);
	wait->looked = true;
	while (verdict == VERDICT_DONE && wait->state == CQRS_TOKEN_EVENTS && wait->projections != NIL)
	{
		verdict = look_at_projection(wait, linitial(wait->projections));
		if (verdict == VERDICT_DONE)
			wait->projections = list_delete_first(wait->projections);
	}
	MemoryContextSwitchTo(before);
	return verdict;
}

/*
 * What the board says will do when it is yes: who is woken by a worker need not read
 * what that has just written.
 */
static bool
all_is_delivered(const Wait *wait)
{
	ListCell   *lc;

	foreach(lc, wait->projections)
		if (!is_delivered(wait, lfirst(lc)))
			return false;
	return wait->projections != NIL;
}

/*
 * A transaction that was prepared under another timeline is not looked up: its token
 * might as well name one that this server never had.
 */
static bool
is_delivered(const Wait *wait, const char *name)
{
	return wait->board && wait->token.timeline == GetWALInsertionTimeLine() &&
		cqrs_board_has_delivered(wait->board, name, &wait->token);
}

/*
 * A standby has none, until it is promoted.
 */
static void
look_for_workers(Wait *wait)
{
	if (wait->board)
		return;
	wait->recovering = RecoveryInProgress();
	if (!wait->recovering && cqrs_max_workers > 0)
		wait->board = cqrs_board_my_database();
	/* from now on, no broadcast is missed */
	if (wait->board)
	{
		pg_atomic_fetch_add_u64(&wait->board->waits, 1);
		ConditionVariablePrepareToSleep(&wait->board->progress);
		cqrs_board_cut_pauses(wait->board);
	}
}

static Verdict
look_at_token(Wait *wait)
{
	wait->state = cqrs_token_state(&wait->token);
	switch (wait->state)
	{
		case CQRS_TOKEN_OPEN:
			return VERDICT_NOT_YET;

		case CQRS_TOKEN_EVENTS:
		case CQRS_TOKEN_NOTHING:
			return VERDICT_DONE;

		case CQRS_TOKEN_UNKNOWN:
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("token names a transaction that this database does not know"),
			 errdetail("The token is of incarnation %d of the log, transaction " UINT64_FORMAT ".",
					   wait->token.incarnation, U64FromFullTransactionId(wait->token.xid)),
			 errhint("It was given out by another server, or this one has been restored since.")));
	return VERDICT_NEVER;		/* keep compiler quiet */
}

static Verdict
look_at_projection(Wait *wait, const char *name)
{
	CqrsProjection *projection;
	bool		caught_up = false;
	ItemPointerData place;

	if (is_delivered(wait, name))
		return VERDICT_DONE;
	projection = cqrs_projection_find(name);
	for (;;)
	{
		Verdict		verdict;

		CHECK_FOR_INTERRUPTS();
		if (projection == NULL)
			return look_at_rest(wait, name, NULL);
		if (projection->is_inline && projection->state == CQRS_PROJECTION_RUNNING)
			return VERDICT_DONE;
		ItemPointerSetInvalid(&place);
		if (wait->board)
			place = cqrs_board_cursor_place(wait->board, name);
		if (projection->live_build > 0 &&
			cqrs_token_processed(&wait->token, cqrs_build_name(name, projection->live_build), &place))
			return VERDICT_DONE;
		if (projection->state != CQRS_PROJECTION_RUNNING)
			return look_at_rest(wait, name, projection);
		if (wait->board && cqrs_board_is_idle(wait->board, name))
			cqrs_board_announce(wait->board);
		if (wait->board || wait->recovering || caught_up)
			return VERDICT_NOT_YET;

		verdict = apply_here(wait, projection, &caught_up);
		if (verdict == VERDICT_NEVER)
			return VERDICT_NEVER;
		if (cqrs_clock() >= wait->deadline)
			caught_up = true;	/* a last look */
		projection = cqrs_projection_find(name);
	}
}

/*
 * It does not run, or is NULL as it has been dropped meanwhile.  Whoever waits for
 * all that run has one less to wait for.
 */
static Verdict
look_at_rest(const Wait *wait, const char *name, const CqrsProjection *projection)
{
	if (!wait->named)
		return VERDICT_DONE;
	if (projection)
		cqrs_projection_warn_at_rest(projection);
	else
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("projection \"%s\" has been dropped", name)));
	return VERDICT_NEVER;
}

/*
 * Nobody else will do it: applies a batch.  DONE when it has.
 */
static Verdict
apply_here(const Wait *wait, const CqrsProjection *projection, bool *caught_up)
{
	Batch		batch = {.projection = projection->name};

	if (!cqrs_projection_is_mine(projection) || XactReadOnly)
	{
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("no worker applies events to projection \"%s\"", projection->name),
				 cqrs_board() == NULL ?
				 errhint("Add \"cqrs\" to \"shared_preload_libraries\" and restart the server, or have the owner call cqrs_catch_up().") :
				 errhint("Set \"cqrs.max_workers\" to more than 0, or have the owner call cqrs_catch_up().")));
		return VERDICT_NEVER;
	}
	if (apply_in_time(wait, &batch))
		*caught_up = (batch.result.status == CQRS_APPLY_CAUGHT_UP);
	return VERDICT_DONE;
}

/*
 * Locks of others are not waited for any longer than the wait may take.  False
 * when one was not to be had by then.
 */
static bool
apply_in_time(const Wait *wait, Batch *batch)
{
	long		left = TimestampDifferenceMilliseconds(cqrs_clock(), wait->deadline) + 1;
	int			level = NewGUCNestLevel();
	ErrorData  *error;

	if (left < INT_MAX && (LockTimeout == 0 || left < LockTimeout))
		(void) set_config_option("lock_timeout", psprintf("%ld", left), PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	error = cqrs_attempt_quietly(apply_batch, batch);
	AtEOXact_GUC(true, level);
	if (error && (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE || cqrs_clock() < wait->deadline))
		ReThrowError(error);
	return error == NULL;
}

static void
apply_batch(void *arg)
{
	Batch	   *batch = arg;

	batch->result = cqrs_projection_apply(batch->projection, cqrs_batch_max_events, false);
}

/*
 * False when the time is over.
 */
static bool
sleep_until_news(Wait *wait)
{
	static uint32 wait_event = 0;
	TimestampTz now = cqrs_clock();
	long		left = TimestampDifferenceMilliseconds(now, wait->deadline);

	if (now >= wait->deadline)
		return false;
	if (wait_event == 0)
		wait_event = cqrs_wait_event("CqrsWait");
	/* while it has a snapshot, that may come into the way; whether it has, is asked first */
	if (wait->recovering)
	{
		CQRS_STOP_POINT("wait-looked");
		cqrs_replay_give_way(&wait->replay);
	}
	if (wait->only_waits)
		wait->only_waits = cqrs_let_go_of_snapshot();
	if (wait->only_waits && wait->recovering)
		cqrs_replay_let_go(&wait->replay);

	if (wait->board)
	{
		(void) ConditionVariableTimedSleep(&wait->board->progress,
										   Min(Max(left, 1), LOOK_MS), wait_event);
		/* who has told us may have thought that nobody waits any more */
		cqrs_board_cut_pauses(wait->board);
		return true;
	}
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 Min(Max(left, 1), STANDBY_MS), wait_event);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (wait->only_waits && wait->recovering)
		cqrs_replay_look_around(&wait->replay);
	return true;
}
