/*-------------------------------------------------------------------------
 *
 * swap.c
 *		Putting another build in the place of the live one.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/swap.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "event/append.h"
#include "event/cursor.h"
#include "projection/build.h"
#include "projection/inline.h"
#include "projection/successor.h"
#include "projection/swap.h"
#include "projection/tables.h"
#include "projection/views.h"

static void swap_inline(CqrsProjection *projection, int32 number, Oid role, CqrsApplyResult *sum);
static List *replace_views(const CqrsProjection *projection, int32 number, Oid role);
static CqrsProjection *lock_both(const char *name, int32 number, CqrsBuildState state);
static void bring_up_to_date(const CqrsProjection *projection, int32 number, bool with_own,
							 CqrsApplyResult *sum);
static void write_rows(CqrsProjection *projection, int32 number, List *views);
static TimestampTz keep_until(const CqrsProjection *projection);

/*
 * The build, which is in that state, serves from now on.  Whoever cannot have
 * the locks that this takes within his lock_timeout gets an error, and all is
 * as it was.
 */
void
cqrs_build_swap(const char *name, int32 number, CqrsBuildState state, bool with_own,
				CqrsApplyResult *sum)
{
	CqrsProjection *projection = cqrs_projection_get(name);
	Oid			role = cqrs_projection_role(projection);
	List	   *views;

	if (projection->is_inline)
		cqrs_inline_lock();
	projection = lock_both(name, number, state);
	if (projection->is_inline && projection->state == CQRS_PROJECTION_RUNNING)
		swap_inline(projection, number, role, sum);
	else
	{
		bring_up_to_date(projection, number, with_own, sum);
		views = replace_views(projection, number, role);
		write_rows(projection, number, views);
	}
}

/*
 * Appends are locked out, but this transaction itself may append: by the rules
 * of the new build, or by event triggers when the views are replaced.  Up to a
 * moment the old build is given what there is, from then on the new one.
 */
static void
swap_inline(CqrsProjection *projection, int32 number, Oid role, CqrsApplyResult *sum)
{
	uint64		appends;
	List	   *views;
	bool		before;

	do
	{
		appends = cqrs_append_count();
		bring_up_to_date(projection, number, true, sum);
		cqrs_inline_flush();
	} while (cqrs_append_count() != appends);
	cqrs_cursor_copy(cqrs_build_name(projection->name, number),
					 cqrs_build_name(projection->name, projection->live_build));

	before = cqrs_inline_hold();
	PG_TRY();
	{
		views = replace_views(projection, number, role);
		do
		{
			appends = cqrs_append_count();
			bring_up_to_date(projection, number, true, sum);
		} while (cqrs_append_count() != appends);
		write_rows(projection, number, views);
		cqrs_inline_settle(projection);
	}
	PG_FINALLY();
	{
		cqrs_inline_release(before);
	}
	PG_END_TRY();
}

static List *
replace_views(const CqrsProjection *projection, int32 number, Oid role)
{
	cqrs_successor_check_row_security(projection, projection->live_build, number);
	cqrs_successor_carry_acls(projection, projection->live_build, number);
	return cqrs_views_replace(projection, projection->live_build, number, role);
}

/*
 * Locks the cursors of two builds; 0 is none.  Always in the same order.
 */
void
cqrs_build_lock_two(const char *projection, int32 a, int32 b)
{
	if (Min(a, b) > 0)
		cqrs_build_lock(projection, Min(a, b));
	if (Max(a, b) > 0)
		cqrs_build_lock(projection, Max(a, b));
}

/*
 * Then looks whether all is still as the caller believes.
 */
static CqrsProjection *
lock_both(const char *name, int32 number, CqrsBuildState state)
{
	CqrsProjection *before = cqrs_projection_get(name);
	CqrsProjection *projection;
	CqrsBuildRow *row;

	cqrs_build_lock_two(name, before->live_build, number);
	projection = cqrs_projection_lock(name);
	row = cqrs_build_row_or_null(name, number);
	if (projection->live_build != before->live_build || row == NULL || row->state != state ||
		(projection->next_build != 0 && projection->next_build != number))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("builds of projection \"%s\" have changed meanwhile", name)));
	return projection;
}

/*
 * An inline projection has to take every event.
 */
static void
bring_up_to_date(const CqrsProjection *projection, int32 number, bool with_own,
				 CqrsApplyResult *sum)
{
	CqrsApplyOptions options = {.max_events = PG_INT64_MAX, .with_own = with_own};
	CqrsApplyResult result = {0};

	if (!cqrs_build_apply_all(projection, number, &options, &result))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("build %d of projection \"%s\" cannot be brought up to date",
						number, projection->name),
				 errdetail("%s", cqrs_build_row(projection->name, number)->last_error)));
	sum->applied += result.applied;
	sum->parked += result.parked;
}

/*
 * The build that has been live is kept, as long as the projection says; the one
 * before it is not any more.
 */
static void
write_rows(CqrsProjection *projection, int32 number, List *views)
{
	TimestampTz until = keep_until(projection);
	ListCell   *lc;

	foreach(lc, cqrs_build_rows(projection->name))
	{
		CqrsBuildRow *row = lfirst(lc);

		if (row->number == number)
		{
			row->state = CQRS_BUILD_LIVE;
			row->views = views;
			row->looked = false;
			row->waits_for = NIL;
			row->keep_until = 0;
		}
		else if (row->number == projection->live_build)
		{
			row->state = until == 0 ? CQRS_BUILD_RETIRED : CQRS_BUILD_PREVIOUS;
			row->keep_until = until;
		}
		else if (row->state == CQRS_BUILD_PREVIOUS)
			row->state = CQRS_BUILD_RETIRED;
		else
			continue;
		cqrs_build_row_write(row);
	}

	projection->live_build = number;
	projection->next_build = projection->follower = 0;
	/* what has stopped the old build is no reason to stop this one */
	if (projection->state == CQRS_PROJECTION_STOPPED)
		projection->state = CQRS_PROJECTION_RUNNING;
	cqrs_projection_write(projection);
}

/*
 * 0: not at all.
 */
static TimestampTz
keep_until(const CqrsProjection *projection)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until;

	until = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													TimestampTzGetDatum(now),
													IntervalPGetDatum(projection->keep_previous)));
	return until > now ? until : 0;
}
