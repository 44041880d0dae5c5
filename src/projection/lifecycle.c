/*-------------------------------------------------------------------------
 *
 * lifecycle.c
 *		cqrs_pause(), cqrs_resume() and cqrs_drop_projection().
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/lifecycle.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/plans.h"
#include "event/cursor.h"
#include "projection/build.h"
#include "projection/build_row.h"
#include "projection/inline.h"
#include "projection/lifecycle.h"
#include "projection/registry.h"
#include "projection/tables.h"
#include "stats/applied.h"

PG_FUNCTION_INFO_V1(cqrs_pause);
PG_FUNCTION_INFO_V1(cqrs_resume);
PG_FUNCTION_INFO_V1(cqrs_drop_projection);

static CqrsProjection *lock_started(const char *name);
static void lock_builds(const char *name);
static void resume_builds(const CqrsProjection *projection);
static void delete_rows(const char *name);

/*
 * cqrs_pause(projection).  Does nothing when it is paused already.
 *
 * It does not wait for a batch under way, which may be in a transaction that
 * lasts; that batch still counts, and the next one does not happen.
 */
Datum
cqrs_pause(PG_FUNCTION_ARGS)
{
	CqrsProjection *projection = lock_started(cqrs_arg_string(fcinfo, 0, "projection"));

	if (projection->state == CQRS_PROJECTION_PAUSED)
		PG_RETURN_VOID();
	if (projection->is_inline && projection->state == CQRS_PROJECTION_RUNNING)
		cqrs_inline_end(projection);
	cqrs_projection_set_state(projection, CQRS_PROJECTION_PAUSED);
	PG_RETURN_VOID();
}

/*
 * cqrs_resume(projection).  What an error has stopped, the projection or another
 * build of it, goes on; does nothing when all is running already.
 */
Datum
cqrs_resume(PG_FUNCTION_ARGS)
{
	CqrsProjection *projection = lock_started(cqrs_arg_string(fcinfo, 0, "projection"));

	resume_builds(projection);
	if (projection->state == CQRS_PROJECTION_RUNNING)
		PG_RETURN_VOID();
	cqrs_projection_set_state(projection, CQRS_PROJECTION_RUNNING);
	if (projection->is_inline)
		cqrs_inline_begin(projection);
	PG_RETURN_VOID();
}

/*
 * cqrs_drop_projection(projection).  Waits for a batch under way.
 */
Datum
cqrs_drop_projection(PG_FUNCTION_ARGS)
{
	char	   *name = cqrs_arg_string(fcinfo, 0, "projection");
	CqrsProjection *projection = cqrs_projection_get_own(name);
	ListCell   *lc;

	cqrs_build_require_idle(name);
	if (projection->is_inline)
		cqrs_inline_lock();
	lock_builds(name);
	projection = cqrs_projection_lock_own(name);

	foreach(lc, cqrs_build_rows(name))
	{
		CqrsBuildRow *row = lfirst(lc);

		if (row->state == CQRS_BUILD_DRAFT)
			continue;
		cqrs_tables_drop(projection, row->number);
		cqrs_cursor_drop(cqrs_build_name(name, row->number));
	}
	delete_rows(name);
	cqrs_applied_forget(name);
	PG_RETURN_VOID();
}

/*
 * There is no role of that name.  Stops the projection, as a worker would, unless
 * it has changed meanwhile.
 */
void
cqrs_projection_stop_orphan(const char *name, const char *owner)
{
	char	   *reason = psprintf("%s: role \"%s\", which owns projection \"%s\", does not exist",
								  unpack_sql_state(ERRCODE_UNDEFINED_OBJECT), owner, name);
	Datum		values[3] = {CStringGetTextDatum(name), CStringGetTextDatum(owner),
	CStringGetTextDatum(reason)};
	uint64		stopped;

	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_STOP_ORPHAN, values, NULL);
	stopped = SPI_processed;
	SPI_finish();
	if (stopped > 0)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("projection \"%s\" has been stopped by an error", name),
				 errdetail("%s", reason),
				 errhint("Use cqrs_resume(%s) when the cause has been removed.",
						 quote_literal_cstr(name))));
}

/*
 * Locks a projection that is not a draft.
 */
static CqrsProjection *
lock_started(const char *name)
{
	CqrsProjection *projection = cqrs_projection_get_own(name);

	if (projection->is_inline)
		cqrs_inline_lock();
	projection = cqrs_projection_lock_own(name);
	cqrs_projection_require_started(projection);
	return projection;
}

/*
 * In the order that everybody locks them in.
 */
static void
lock_builds(const char *name)
{
	ListCell   *lc;

	foreach(lc, cqrs_build_rows(name))
		if (((CqrsBuildRow *) lfirst(lc))->state != CQRS_BUILD_DRAFT)
			cqrs_build_lock(name, ((CqrsBuildRow *) lfirst(lc))->number);
}

static void
resume_builds(const CqrsProjection *projection)
{
	ListCell   *lc;

	foreach(lc, cqrs_build_rows(projection->name))
	{
		CqrsBuildRow *row = lfirst(lc);

		if (row->last_error == NULL)
			continue;
		row->last_error = NULL;
		cqrs_build_row_write(row);
		/* whoever works for it learns of it by a change of the projection */
		cqrs_projection_write(projection);
	}
}

static void
delete_rows(const char *name)
{
	Datum		values[3] = {CStringGetTextDatum(name)};
	bool		nulls[3] = {false, true, true};

	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_DELETE_PARKED, values, nulls);
	cqrs_plan_execute(CQRS_PLAN_DELETE_RULES, values, nulls);
	cqrs_plan_execute(CQRS_PLAN_DELETE_BUILDS, values, nulls);
	cqrs_plan_execute(CQRS_PLAN_DELETE_PROJECTION, values, nulls);
	SPI_finish();
}
