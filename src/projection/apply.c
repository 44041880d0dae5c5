/*-------------------------------------------------------------------------
 *
 * apply.c
 *		Applying events to a projection, one batch at a time.
 *
 * NOTES
 *		A build's cursor is the lock: whoever applies events, or retries
 *		parked ones, or drops the projection, locks its row first, and the
 *		row of cqrs.projection only after that.
 *
 *		The first attempt reads events and applies them as it goes.  When it
 *		fails, they are read again into memory, and applied by halves (batch.c).
 *		Who can roll back all there is need not have it in a subtransaction.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/apply.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/stop_point.h"
#include "event/cursor.h"
#include "event/log.h"
#include "event/reader.h"
#include "projection/apply.h"
#include "projection/attempt.h"
#include "projection/batch.h"
#include "projection/build.h"
#include "projection/build_row.h"
#include "projection/park.h"
#include "projection/registry.h"
#include "stats/applied.h"

/* look at the clock, and at the memory taken, after so many events */
#define CLOCK_EVERY 64

/* or after events of so large a part of the memory that there is */
#define WEIGH_PART 8

/* so many times larger are batches of a build that nobody reads yet */
#define BULK_FACTOR 10

/*
 * One batch under way.
 */
typedef struct Run
{
	const CqrsProjection *projection;
	int32		number;			/* of the build */
	CqrsBuild  *build;
	CqrsReader *reader;
	CqrsParkedStreams *parked;	/* NULL: this projection does not park streams */
	bool		with_own;
	bool		guarded;
	List	   *left_out;
	const CqrsCursor *limit;	/* NULL: there is none */
	int64		max_events;
	TimestampTz deadline;
	int64		seen;			/* events that there is a rule for */
	int64		held;			/* of them, parked behind another one */
	int64		skipped;		/* events that there is no rule for */
	bool		is_full;
	Size		unweighed;		/* data of events since we have looked at the memory */
	bool		exhausted;
	char	   *last_error;		/* NULL: none */
	bool		stopped;
	bool		in_doubt;		/* have the rules changed when an event failed? */
	bool		certain;		/* it has failed with rules made anew, too */
	CqrsApplyResult result;
} Run;

/*
 * The follower's turn.
 */
typedef struct Follow
{
	const CqrsProjection *projection;
	bool		with_own;
	bool		complete;
} Follow;

static void follow(const CqrsProjection *projection, bool with_own);
static void try_to_follow(void *arg);
static void apply_batch(Run *run);
static bool renew_build(Run *run);
static void get_build(void *arg);
static void try_batch(void *arg);
static void feed_batch(CqrsBuild *build, void *arg);
static bool feed_event(Run *run, TupleTableSlot *event);
static bool wanted(CqrsBuild *build, TupleTableSlot *event);
static bool batch_is_full(Run *run);
static void apply_by_halves(Run *run);
static bool admit(CqrsBatch *batch, TupleTableSlot *event);
static bool failed(CqrsBatch *batch, TupleTableSlot *event, const ErrorData *error);
static void stop(Run *run, const char *reason);

CqrsApplyResult
cqrs_projection_apply(const char *name, int64 max_events, bool with_own)
{
	return cqrs_projection_apply_with(name, &(CqrsApplyOptions)
									  {.max_events = max_events, .with_own = with_own});
}

CqrsApplyResult
cqrs_projection_apply_with(const char *name, const CqrsApplyOptions *options)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "cqrs apply",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	CqrsApplyResult result = {.status = CQRS_APPLY_NOT_RUNNING};
	CqrsProjection *projection;

	cqrs_build_require_idle(name);
	projection = cqrs_build_lock_live(name, options->build);
	if (projection && projection->state == CQRS_PROJECTION_RUNNING)
	{
		result = cqrs_build_apply_batch(projection, projection->live_build, options);
		result.build = projection->live_build;
		cqrs_applied_note(name, result.applied);
		if (projection->follower != 0 && result.status != CQRS_APPLY_NOT_RUNNING)
			follow(projection, options->with_own);
	}

	MemoryContextSwitchTo(before);
	MemoryContextDelete(context);
	return result;
}

CqrsApplyResult
cqrs_build_apply_batch(const CqrsProjection *projection, int32 number,
					   const CqrsApplyOptions *options)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "cqrs batch",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	Run			run = {.projection = projection, .number = number,
		.with_own = options->with_own, .guarded = !options->unguarded, .left_out = options->left_out, .limit = options->limit,
	.result = {.status = CQRS_APPLY_NOT_RUNNING}};
	int64		most = (int64) cqrs_batch_max_events * (options->bulk ? BULK_FACTOR : 1);

	run.max_events = Min(options->max_events, most);
	run.deadline = TimestampTzPlusMilliseconds(cqrs_clock(), cqrs_batch_max_time);
	apply_batch(&run);
	if (run.build)
		run.result.cursor_place = run.build->cursor_place;
	if (run.build && run.build->engine)
		run.result.needs_indexes = cqrs_engine_needs_indexes(run.build->engine);

	MemoryContextSwitchTo(before);
	MemoryContextDelete(context);
	return run.result;
}

bool
cqrs_build_apply_all(const CqrsProjection *projection, int32 number,
					 const CqrsApplyOptions *options, CqrsApplyResult *sum)
{
	CqrsApplyResult result;

	do
	{
		CHECK_FOR_INTERRUPTS();
		result = cqrs_build_apply_batch(projection, number, options);
		sum->applied += result.applied;
		sum->parked += result.parked;
	} while (result.status == CQRS_APPLY_MORE);
	sum->status = result.status;
	return result.status == CQRS_APPLY_CAUGHT_UP;
}

/*
 * Takes the follower to the end of the log, so to the live build at least.  The
 * live build shall not suffer when that fails.
 */
static void
follow(const CqrsProjection *projection, bool with_own)
{
	Follow		follow = {projection, with_own};
	ErrorData  *error = cqrs_attempt_quietly(try_to_follow, &follow);

	if (error == NULL && follow.complete)
		return;
	if (cqrs_build_unfollow(projection->name, projection->follower) &&
		error && !cqrs_error_is_passing(error))
		cqrs_build_stop(projection->name, projection->follower, cqrs_error_summary(NULL, error));
}

static void
try_to_follow(void *arg)
{
	Follow	   *follow = (Follow *) arg;
	CqrsApplyOptions options = {.max_events = PG_INT64_MAX, .with_own = follow->with_own};
	CqrsApplyResult ignored = {0};
	const CqrsProjection *projection = follow->projection;

	if (cqrs_build_lock(projection->name, projection->follower))
		follow->complete = cqrs_build_apply_all(projection, projection->follower,
												&options, &ignored);
}

static void
apply_batch(Run *run)
{
	ErrorData  *error;

	if (!renew_build(run))
		return;
	error = cqrs_attempt_if(run->guarded, try_batch, run);
	cqrs_build_clean(run->build);
	if (error)
	{
		/* where the error came up is not known, but no later than this */
		run->max_events = Max(run->seen, 1);
		if (renew_build(run))
			apply_by_halves(run);
		if (run->in_doubt && renew_build(run))
		{
			run->certain = true;
			run->max_events = 1;
			apply_by_halves(run);
		}
	}
	else
	{
		run->result.delivered = cqrs_reader_save(run->reader);
		if (run->seen > 0)
			CQRS_STOP_POINT("batch-saved");
		cqrs_reader_close(run->reader);
		run->result.applied = run->seen - run->held;
		run->result.parked = run->held;
	}

	if (run->stopped)
		return;
	if (run->last_error)
		cqrs_projection_set_error(run->projection->name, run->last_error);
	run->result.status = run->exhausted ? CQRS_APPLY_CAUGHT_UP : CQRS_APPLY_MORE;
}

/*
 * Makes the rules anew, if they have to be.  When that fails somebody has altered
 * or dropped what they use: no event's fault.
 */
static bool
renew_build(Run *run)
{
	ErrorData  *error = cqrs_attempt_if(run->guarded, get_build, run);

	if (error)
		stop(run, cqrs_error_summary(NULL, error));
	return error == NULL;
}

static void
get_build(void *arg)
{
	Run		   *run = (Run *) arg;

	run->build = cqrs_build_get(run->projection, run->number);
	cqrs_engine_leave_out(run->build->engine, run->left_out);
}

/*
 * The first attempt.
 */
static void
try_batch(void *arg)
{
	Run		   *run = (Run *) arg;

	if (run->projection->on_error == CQRS_ON_ERROR_PARK)
		run->parked = cqrs_parked_begin(run->build, true);
	run->reader = cqrs_reader_open(run->build->name, run->with_own,
								   &run->build->cursor_place);
	cqrs_reader_set_limit(run->reader, run->limit);
	cqrs_build_apply(run->build, feed_batch, run);
	if (run->seen > 0)
		CQRS_STOP_POINT("batch-applied");
	cqrs_reader_finish(run->reader);
}

static void
feed_batch(CqrsBuild *build, void *arg)
{
	Run		   *run = (Run *) arg;
	TupleTableSlot *event;

	while (run->seen < run->max_events && !run->is_full)
	{
		event = cqrs_reader_next(run->reader);
		if (event == NULL)
		{
			run->exhausted = true;
			break;
		}
		if (!feed_event(run, event))
			run->skipped++;
		if ((run->seen + run->skipped) % CLOCK_EVERY == 0 ||
			run->unweighed >= (Size) cqrs_batch_max_bytes * 1024 / WEIGH_PART)
			run->is_full = batch_is_full(run);
	}
	if (run->seen > 0)
		CQRS_STOP_POINT("batch-read");
}

/*
 * False when there is no rule for it.  It counts as seen before it is applied:
 * should that fail, it is among those to be read again.
 */
static bool
feed_event(Run *run, TupleTableSlot *event)
{
	CqrsBuild  *build = run->build;
	bool		isnull;

	if (run->parked)
	{
		if (!wanted(build, event))
			return false;
		if (cqrs_parked_has(run->parked, event))
		{
			run->seen++;
			run->held++;
			cqrs_parked_insert(build, event, NULL, NULL);
			return true;
		}
	}
	run->seen++;
	if (cqrs_engine_apply(build->engine, event))
	{
		run->unweighed += toast_raw_datum_size(slot_getattr(event, EVENT_DATA, &isnull));
		return true;
	}
	run->seen--;
	return false;
}

static bool
wanted(CqrsBuild *build, TupleTableSlot *event)
{
	bool		isnull;
	text	   *type = DatumGetTextPP(slot_getattr(event, EVENT_TYPE, &isnull));

	return cqrs_engine_wants(build->engine, VARDATA_ANY(type), VARSIZE_ANY_EXHDR(type));
}

/*
 * By bytes, by time.  Events that no rule wants take time, too: when it is over
 * the cursor is saved behind them.
 */
static bool
batch_is_full(Run *run)
{
	run->unweighed = 0;
	return cqrs_engine_memory(run->build->engine) > (Size) cqrs_batch_max_bytes * 1024 ||
		cqrs_clock() > run->deadline;
}

/*
 * The second attempt: reads the same events again and applies all that can be.
 */
static void
apply_by_halves(Run *run)
{
	CqrsBatch  *batch = cqrs_batch_create(run->build, true);
	TupleTableSlot *event = NULL;
	CqrsCursor	mark;

	batch->admit = admit;
	batch->failed = failed;
	batch->arg = run;
	run->exhausted = false;
	run->held = 0;
	if (run->projection->on_error == CQRS_ON_ERROR_PARK)
		run->parked = cqrs_parked_begin(run->build, true);

	run->reader = cqrs_reader_open(run->build->name, run->with_own,
								   &run->build->cursor_place);
	cqrs_reader_set_limit(run->reader, run->limit);
	while (batch->count < run->max_events &&
		   batch->bytes < (Size) cqrs_batch_max_bytes * 1024)
	{
		cqrs_reader_mark(run->reader, &mark);
		event = cqrs_reader_next(run->reader);
		if (event == NULL)
		{
			run->exhausted = true;
			break;
		}
		if (wanted(run->build, event))
			cqrs_batch_add(batch, event, &mark);
	}

	cqrs_batch_apply(batch);
	if (batch->end < batch->count)
	{
		cqrs_reader_rewind(run->reader, &batch->marks[batch->end]);
		run->exhausted = false;
	}
	run->result.delivered = cqrs_reader_save(run->reader);
	cqrs_reader_close(run->reader);
	run->result.applied += batch->applied;
	run->result.parked += batch->end - batch->applied;
	cqrs_batch_destroy(batch);
}

static bool
admit(CqrsBatch *batch, TupleTableSlot *event)
{
	Run		   *run = (Run *) batch->arg;

	if (run->parked == NULL || !cqrs_parked_has(run->parked, event))
		return true;
	cqrs_parked_insert(batch->build, event, NULL, NULL);
	return false;
}

/*
 * The culprit is found.
 */
static bool
failed(CqrsBatch *batch, TupleTableSlot *event, const ErrorData *error)
{
	Run		   *run = (Run *) batch->arg;
	char	   *summary = cqrs_error_summary(event, error);

	/* by DDL of others, or of the event itself, which is undone: that will show */
	if (!run->certain && !cqrs_engine_valid(batch->build->engine))
	{
		run->in_doubt = true;
		return false;
	}

	if (run->projection->on_error == CQRS_ON_ERROR_STOP || cqrs_error_is_no_events_fault(error))
	{
		stop(run, summary);
		return false;
	}

	cqrs_parked_insert(batch->build, event, error, batch->failed_rule);
	if (run->parked)
		cqrs_parked_add(run->parked, event);
	run->last_error = MemoryContextStrdup(GetMemoryChunkContext(batch), summary);
	return true;
}

/*
 * The projection stops, and says why, until somebody resumes it; or another
 * build of it, and the live one goes on.
 */
static void
stop(Run *run, const char *reason)
{
	const char *name = run->projection->name;
	bool		paused;

	run->stopped = true;
	run->result.status = CQRS_APPLY_NOT_RUNNING;
	if (run->number != run->projection->live_build)
	{
		cqrs_build_stop(name, run->number, reason);
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("build %d of projection \"%s\" has been stopped by an error",
						run->number, name),
				 errdetail("%s", reason),
				 errhint("Use cqrs_resume(%s) when the cause has been removed, or cqrs_cancel_build(%s).",
						 quote_literal_cstr(name), quote_literal_cstr(name))));
		return;
	}

	/* it may have been paused meanwhile, and then it stays so */
	paused = cqrs_projection_lock(name)->state == CQRS_PROJECTION_PAUSED;
	if (!paused)
		cqrs_projection_set_state(run->projection, CQRS_PROJECTION_STOPPED);
	cqrs_projection_set_error(name, reason);
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 paused ?
			 errmsg("projection \"%s\", which has been paused, has met with an error", name) :
			 errmsg("projection \"%s\" has been stopped by an error", name),
			 errdetail("%s", reason),
			 errhint("Use cqrs_resume(%s) when the cause has been removed.",
					 quote_literal_cstr(run->projection->name))));
}
