/*-------------------------------------------------------------------------
 *
 * catch_up.c
 *		cqrs_catch_up(): applies events in the foreground.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/catch_up.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/clock.h"
#include "base/compat.h"
#include "event/recent.h"
#include "projection/apply.h"
#include "projection/build_row.h"
#include "projection/registry.h"
#include "projection/upkeep.h"

/* how long we wait for others so that a build can be put in place */
#define PATIENCE_MS 2000

PG_FUNCTION_INFO_V1(cqrs_catch_up);

static bool is_running(const CqrsProjection *projection);
static int64 catch_up(const char *name, int64 *budget);
static int64 catch_up_together(List *names, int64 *budget);
static pg_noinline List *running_of(List *names);
static void take_turns(List *left, int64 *budget, int64 *applied);
static int64 look_after_others(const char *name, int64 *budget);
static bool sleep_until(TimestampTz moment, TimestampTz patience);

/*
 * cqrs_catch_up(projection, max_events) -> number of events applied
 *
 * All of it happens in the caller's transaction, batch by batch.
 */
Datum
cqrs_catch_up(PG_FUNCTION_ARGS)
{
	char	   *name = cqrs_arg_string_or_null(fcinfo, 0);
	int64		budget = PG_ARGISNULL(1) ? PG_INT64_MAX : PG_GETARG_INT64(1);
	int64		applied = 0;
	List	   *names;
	ListCell   *lc;

	if (budget < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be negative", "max_events")));
	PreventCommandIfReadOnly("cqrs_catch_up()");
	PreventCommandIfParallelMode("cqrs_catch_up()");

	if (name)
	{
		CqrsProjection *projection = cqrs_projection_get_own(name);

		if (is_running(projection))
			applied = catch_up(name, &budget);
		if (cqrs_build_has_others(name))
			applied += look_after_others(name, &budget);
		/* dropped while we waited for it? */
		(void) cqrs_projection_get(name);
		PG_RETURN_INT64(applied);
	}

	names = cqrs_projection_to_catch_up();
	applied = catch_up_together(names, &budget);
	foreach(lc, names)
	{
		CqrsProjection *projection = cqrs_projection_find(lfirst(lc));

		if (projection && cqrs_projection_is_mine(projection) &&
			cqrs_build_has_others(projection->name))
			applied += look_after_others(projection->name, &budget);
	}
	PG_RETURN_INT64(applied);
}

/*
 * Has it to be asked for events?  Whoever named a projection that does not run
 * is told why nothing happens.
 */
static bool
is_running(const CqrsProjection *projection)
{
	switch (projection->state)
	{
		case CQRS_PROJECTION_RUNNING:
			/* one that runs inline is never behind */
			return !projection->is_inline;

		case CQRS_PROJECTION_DRAFT:
			cqrs_projection_require_started(projection);
			break;

		case CQRS_PROJECTION_PAUSED:
		case CQRS_PROJECTION_STOPPED:
			cqrs_projection_warn_at_rest(projection);
			break;
	}
	return false;
}

/*
 * Until there is nothing more to apply, the budget of events is used up, or the
 * projection does not run any more.
 */
static int64
catch_up(const char *name, int64 *budget)
{
	CqrsApplyResult result = {.status = CQRS_APPLY_MORE};
	int64		applied = 0;

	while (result.status == CQRS_APPLY_MORE && *budget > 0)
	{
		CHECK_FOR_INTERRUPTS();
		result = cqrs_projection_apply(name, *budget, true);
		applied += result.applied;
		*budget -= result.applied + result.parked;
	}
	return applied;
}

/*
 * The same for several projections, in the order of their names: a batch of each,
 * again and again, so that events are read once for all of them.
 */
static int64
catch_up_together(List *names, int64 *budget)
{
	List	   *running = running_of(names);
	int64		applied = 0;

	if (list_length(running) == 1)
		return catch_up(linitial(running), budget);
	cqrs_recent_keep(true);
	PG_TRY();
	{
		take_turns(running, budget, &applied);
	}
	PG_FINALLY();
	{
		cqrs_recent_keep(false);
	}
	PG_END_TRY();
	return applied;
}

static pg_noinline List *
running_of(List *names)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, names)
	{
		CqrsProjection *projection = cqrs_projection_find(lfirst(lc));

		if (projection && cqrs_projection_is_mine(projection) &&
			projection->state == CQRS_PROJECTION_RUNNING && !projection->is_inline)
			result = lappend(result, projection->name);
	}
	return result;
}

static void
take_turns(List *left, int64 *budget, int64 *applied)
{
	ListCell   *lc;

	while (left != NIL && *budget > 0)
		foreach(lc, left)
		{
			CqrsApplyResult result;

			CHECK_FOR_INTERRUPTS();
			if (*budget <= 0)
				break;
			result = cqrs_projection_apply(lfirst(lc), *budget, true);
			*applied += result.applied;
			*budget -= result.applied + result.parked;
			if (result.status != CQRS_APPLY_MORE)
				left = foreach_delete_current(left, lc);
		}
}

/*
 * Takes builds beside the live one as far as they can be taken now.  One that is
 * complete is put in place, unless somebody stands in the way for long: then
 * another call will do it.
 */
static int64
look_after_others(const char *name, int64 *budget)
{
	TimestampTz patience = TimestampTzPlusMilliseconds(cqrs_clock(), PATIENCE_MS);
	int64		applied = 0;
	CqrsUpkeep	done;

	do
	{
		CHECK_FOR_INTERRUPTS();
		done = cqrs_projection_upkeep(name, *budget, true);
		applied += done.result.applied - done.copied;
		*budget -= done.result.applied + done.result.parked;
	} while (*budget > 0 &&
			 (done.result.status == CQRS_APPLY_MORE ||
			  (done.result.status == CQRS_APPLY_CAUGHT_UP && done.not_before != 0 &&
			   sleep_until(done.not_before, patience))));
	return applied;
}

/*
 * False when that is too long.
 */
static bool
sleep_until(TimestampTz moment, TimestampTz patience)
{
	static uint32 wait_event = 0;

	if (moment > patience)
		return false;
	if (wait_event == 0)
		wait_event = cqrs_wait_event("CqrsBuild");
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 Max(TimestampDifferenceMilliseconds(cqrs_clock(), moment), 1),
					 wait_event);
	ResetLatch(MyLatch);
	return true;
}
