/*-------------------------------------------------------------------------
 *
 * upkeep.c
 *		Steps of the builds beside the live one: filling, keeping, dropping.
 *
 * NOTES
 *		A step is short, and leaves things so that any process can do the next
 *		one.  src/README.md has the states that it leads through.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/upkeep.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/stop_point.h"
#include "event/cursor.h"
#include "projection/attempt.h"
#include "projection/build.h"
#include "projection/build_row.h"
#include "projection/bulk.h"
#include "projection/complete.h"
#include "projection/park.h"
#include "projection/start.h"
#include "projection/swap.h"
#include "projection/tables.h"
#include "projection/upkeep.h"

/* nobody waits longer behind a swap that waits for a lock */
#define LOCK_TIMEOUT "50ms"

/* when a lock was not to be had, or somebody has an old snapshot */
#define LOOK_AGAIN_MS 20
#define SWAP_AGAIN_MS 200

/* when a build that has been replaced cannot be dropped */
#define DROP_AGAIN_MS 1000
#define REFUSED_AGAIN_MS (60 * 1000)

/*
 * A step under way.
 */
typedef struct Step
{
	CqrsProjection *projection;
	CqrsBuildRow *row;
	int64		max_events;
	bool		with_own;
	CqrsUpkeep	done;
} Step;

static void next_step(Step *step);
static void fill(Step *step);
static void create_indexes(void *arg);
static ErrorData *start_again(Step *step, const char *reason);
static void restart(void *arg);
static void follow(Step *step);
static void swap(void *arg);
static void keep(Step *step);
static void retire(Step *step);
static void drop(void *arg);
static ErrorData *attempt_with_timeout(CqrsAttempt function, Step *step);
static void stop(Step *step, const ErrorData *error);
static void wait_a_while(Step *step, int milliseconds);
static void add(CqrsUpkeep *sum, const CqrsUpkeep *step);
static bool relock(Step *step);

/*
 * One step for each of these builds, in the current transaction.
 */
CqrsUpkeep
cqrs_projection_upkeep(const char *name, int64 max_events, bool with_own)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "cqrs upkeep",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	CqrsUpkeep	sum = {.result = {.status = CQRS_APPLY_NOT_RUNNING}};
	CqrsProjection *projection;
	ListCell   *lc;

	cqrs_build_require_idle(name);
	projection = cqrs_projection_find(name);
	if (projection && projection->state != CQRS_PROJECTION_PAUSED)
		foreach(lc, cqrs_build_rows(name))
		{
			Step		step = {.projection = projection, .row = lfirst(lc),
				.max_events = max_events, .with_own = with_own,
			.done = {.result = {.status = CQRS_APPLY_NOT_RUNNING}}};

			if (cqrs_build_is_next(step.row))
				next_step(&step);
			else if (step.row->state == CQRS_BUILD_PREVIOUS)
				keep(&step);
			else if (step.row->state == CQRS_BUILD_RETIRED)
				retire(&step);
			add(&sum, &step.done);
		}

	MemoryContextSwitchTo(before);
	MemoryContextDelete(context);
	return sum;
}

/*
 * For the build that is to take the place of the live one.
 */
static void
next_step(Step *step)
{
	CqrsBuildRow *row = step->row;
	ErrorData  *error;

	if (row->last_error)
		return;
	switch (row->state)
	{
		case CQRS_BUILD_FILLING:
		case CQRS_BUILD_CATCHING_UP:
			fill(step);
			break;

		case CQRS_BUILD_INDEXING:
			if (!relock(step))
				return;
			error = cqrs_attempt(create_indexes, step);
			if (error && step->row->later != NIL)
				error = start_again(step, cqrs_error_summary(NULL, error));
			if (error)
				stop(step, error);
			break;

		default:
			if (!FullTransactionIdIsValid(row->complete_xid))
			{
				if (cqrs_build_complete(row->projection, row->number, step->with_own,
										&step->done.result))
					step->done.result.status = CQRS_APPLY_MORE;
				CQRS_STOP_POINT("build-completed");
			}
			else
				follow(step);
			break;
	}
}

/*
 * One batch.
 */
static void
fill(Step *step)
{
	CqrsApplyOptions options = {.max_events = step->max_events, .with_own = step->with_own,
	.bulk = true};
	CqrsApplyResult *result = &step->done.result;
	ErrorData  *error;

	if (!relock(step))
		return;
	options.left_out = step->row->later;
	*result = cqrs_build_apply_batch(step->projection, step->row->number, &options);
	if (result->needs_indexes)
	{
		error = start_again(step, "A value has come up that is long for an index that does not exist yet.");
		if (error)
			stop(step, error);
		return;
	}
	if (step->projection->is_inline && result->parked > 0)
	{
		cqrs_build_stop(step->row->projection, step->row->number,
						"An inline projection has to take every event, and one of them was parked.");
		result->status = CQRS_APPLY_NOT_RUNNING;
	}
	if (result->status != CQRS_APPLY_CAUGHT_UP)
		return;

	step->row->state = step->row->state == CQRS_BUILD_FILLING ?
		CQRS_BUILD_INDEXING : CQRS_BUILD_FOLLOWING;
	cqrs_build_row_write(step->row);
	result->status = CQRS_APPLY_MORE;
}

/*
 * One of the indexes that were left out, or materialized views and statistics.
 */
static void
create_indexes(void *arg)
{
	Step	   *step = (Step *) arg;
	CqrsBuildRow *row = step->row;
	CqrsBuild  *build = cqrs_build_get(step->projection, row->number);

	if (row->later != NIL)
	{
		cqrs_bulk_create(build, linitial(row->later));
		row->later = list_delete_first(row->later);
	}
	else
	{
		cqrs_bulk_refresh(build);
		cqrs_bulk_analyze(build);
		row->state = CQRS_BUILD_CATCHING_UP;
	}
	cqrs_build_row_write(row);
	step->done.result.status = CQRS_APPLY_MORE;
	CQRS_STOP_POINT("build-indexed");
}

/*
 * An index cannot be created, perhaps because of a row that it would have refused
 * had it been there; or there has been a value that it may have refused.  Then the
 * event is to blame, as it is for the live build: so the build is filled again,
 * with all indexes.  NULL, or what is the matter.
 */
static ErrorData *
start_again(Step *step, const char *reason)
{
	CqrsBuildRow *row = step->row;
	ErrorData  *other = cqrs_attempt(restart, step);

	if (other == NULL)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("build %d of projection \"%s\" is filled again, with all indexes in place",
						row->number, row->projection),
				 errdetail("%s", reason)));
	return other;
}

static void
restart(void *arg)
{
	Step	   *step = (Step *) arg;

	cqrs_restart_build(step->projection, step->row);
	step->done.result.status = CQRS_APPLY_MORE;
}

/*
 * The build is complete.  It is put in place as soon as nobody is harmed.
 */
static void
follow(Step *step)
{
	ErrorData  *error;
	CqrsApplyResult before;

	/* nothing follows an inline build, so it is kept close by us */
	if (step->projection->is_inline)
	{
		CqrsApplyOptions options = {.max_events = step->max_events, .with_own = step->with_own};

		if (!relock(step))
			return;
		step->done.result = cqrs_build_apply_batch(step->projection, step->row->number, &options);
		if (step->done.result.status != CQRS_APPLY_CAUGHT_UP)
			return;
	}

	step->done.result.status = CQRS_APPLY_CAUGHT_UP;
	if (!cqrs_build_may_be_swapped(step->row))
	{
		wait_a_while(step, LOOK_AGAIN_MS);
		return;
	}
	before = step->done.result;
	error = attempt_with_timeout(swap, step);
	if (error == NULL)
	{
		step->done.result.status = CQRS_APPLY_MORE;
		step->done.swapped = true;
		return;
	}

	/* what it has applied was rolled back */
	step->done.result = before;
	if (cqrs_error_is_passing(error) || error->sqlerrcode == ERRCODE_OBJECT_IN_USE)
		wait_a_while(step, SWAP_AGAIN_MS);
	else
		stop(step, error);
}

static void
swap(void *arg)
{
	Step	   *step = (Step *) arg;

	cqrs_build_swap(step->row->projection, step->row->number, CQRS_BUILD_FOLLOWING,
					step->with_own, &step->done.result);
	CQRS_STOP_POINT("build-swapped");
}

/*
 * A build that was live, and may be wanted back.
 */
static void
keep(Step *step)
{
	CqrsApplyOptions options = {.max_events = step->max_events, .with_own = step->with_own};
	CqrsBuildRow *row = step->row;

	TimestampTz left = row->keep_until - GetCurrentTimestamp();

	if (left <= 0)
	{
		if (!relock(step))
			return;
		row->state = CQRS_BUILD_RETIRED;
		cqrs_build_row_write(row);
		step->done.result.status = CQRS_APPLY_MORE;
		return;
	}

	step->done.result.status = CQRS_APPLY_CAUGHT_UP;
	step->done.due = cqrs_clock() + left;
	if (row->last_error || !relock(step))
		return;
	step->done.result = cqrs_build_apply_batch(step->projection, row->number, &options);
	step->done.copied = step->done.result.applied;
	if (step->done.result.status == CQRS_APPLY_NOT_RUNNING)
		step->done.result.status = CQRS_APPLY_CAUGHT_UP;
}

/*
 * A build that nobody wants any more goes, with its rows.
 */
static void
retire(Step *step)
{
	CqrsBuildRow *row = step->row;
	ErrorData  *error = attempt_with_timeout(drop, step);

	if (error == NULL)
		return;
	step->done.result.status = CQRS_APPLY_CAUGHT_UP;
	if (cqrs_error_is_passing(error) || error->sqlerrcode == ERRCODE_OBJECT_IN_USE)
	{
		wait_a_while(step, DROP_AGAIN_MS);
		return;
	}

	if (!relock(step))
		return;
	row = step->row;
	step->done.result.status = CQRS_APPLY_CAUGHT_UP;
	wait_a_while(step, REFUSED_AGAIN_MS);
	if (row->last_error == NULL || strcmp(row->last_error, error->message) != 0)
	{
		row->last_error = error->message;
		cqrs_build_row_write(row);
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("build %d of projection \"%s\", which has been replaced, cannot be dropped",
						row->number, row->projection),
				 errdetail("%s", cqrs_error_summary(NULL, error))));
	}
}

static void
drop(void *arg)
{
	Step	   *step = (Step *) arg;
	CqrsBuildRow *row = step->row;

	cqrs_build_lock(row->projection, row->number);
	cqrs_tables_drop(step->projection, row->number);
	cqrs_cursor_drop(cqrs_build_name(row->projection, row->number));
	cqrs_build_row_delete(row->projection, row->number);
	CQRS_STOP_POINT("build-dropped");
}

/*
 * Tries something that waits for locks, but not for long.  The error may be a
 * passing one.
 */
static ErrorData *
attempt_with_timeout(CqrsAttempt function, Step *step)
{
	int			level = NewGUCNestLevel();
	ErrorData  *error;

	(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	error = cqrs_attempt_quietly(function, step);
	AtEOXact_GUC(true, level);
	return error;
}

/*
 * What is wrong with the build is for somebody to look at.
 */
static void
stop(Step *step, const ErrorData *error)
{
	char	   *summary = cqrs_error_summary(NULL, error);

	if (error->detail)
		summary = psprintf("%s: %s", summary, error->detail);
	if (!relock(step))
		return;
	if (step->row->state == CQRS_BUILD_FOLLOWING &&
		!cqrs_build_unfollow(step->row->projection, step->row->number))
		return;
	cqrs_build_stop(step->row->projection, step->row->number, summary);
	step->done.result.status = CQRS_APPLY_NOT_RUNNING;
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("build %d of projection \"%s\" has been stopped by an error",
					step->row->number, step->row->projection),
			 errdetail("%s", summary),
			 errhint("Use cqrs_resume(%s) when the cause has been removed, or cqrs_cancel_build(%s).",
					 quote_literal_cstr(step->row->projection), quote_literal_cstr(step->row->projection))));
}

static void
wait_a_while(Step *step, int milliseconds)
{
	step->done.not_before = step->done.due =
		TimestampTzPlusMilliseconds(cqrs_clock(), milliseconds);
}

/*
 * Of several builds, the one that is in a hurry decides.
 */
static void
add(CqrsUpkeep *sum, const CqrsUpkeep *step)
{
	bool		nothing_yet = (sum->result.status == CQRS_APPLY_NOT_RUNNING);

	/* a build may have stopped in the middle of a batch */
	sum->result.applied += step->result.applied;
	sum->result.parked += step->result.parked;
	if (step->result.status == CQRS_APPLY_NOT_RUNNING)
		return;
	if (step->due != 0 && (sum->due == 0 || step->due < sum->due))
		sum->due = step->due;
	if (nothing_yet || (sum->not_before != 0 && step->not_before < sum->not_before))
		sum->not_before = step->not_before;
	if (nothing_yet || step->result.status == CQRS_APPLY_MORE)
		sum->result.status = step->result.status;
	sum->swapped |= step->swapped;
	sum->copied += step->copied;
}

/*
 * Locks the build, and says whether it is still in the state that we believe.  If
 * somebody else has taken the step, the next one is to be looked for.
 */
static bool
relock(Step *step)
{
	CqrsBuildRow *row;

	step->done.result.status = CQRS_APPLY_NOT_RUNNING;
	if (!cqrs_build_lock(step->row->projection, step->row->number))
		return false;
	step->projection = cqrs_projection_find(step->row->projection);
	if (step->projection == NULL || step->projection->state == CQRS_PROJECTION_PAUSED)
		return false;
	row = cqrs_build_row_or_null(step->row->projection, step->row->number);
	if (row == NULL || row->state != step->row->state)
	{
		step->done.result.status = CQRS_APPLY_MORE;
		return false;
	}
	step->row = row;
	return true;
}
