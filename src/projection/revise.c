/*-------------------------------------------------------------------------
 *
 * revise.c
 *		cqrs_revise(), cqrs_rebuild(), cqrs_cancel_build() and cqrs_revert().
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/revise.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/plans.h"
#include "event/cursor.h"
#include "projection/build.h"
#include "projection/build_row.h"
#include "projection/draft.h"
#include "projection/start.h"
#include "projection/swap.h"
#include "projection/tables.h"

PG_FUNCTION_INFO_V1(cqrs_revise);
PG_FUNCTION_INFO_V1(cqrs_rebuild);
PG_FUNCTION_INFO_V1(cqrs_cancel_build);
PG_FUNCTION_INFO_V1(cqrs_revert);

static void revise(FunctionCallInfo fcinfo, int tables_arg, int keep_arg);
static void open_draft(const CqrsProjection *projection, bool has_tables, Datum tables);
static void change_draft(const CqrsProjection *projection, int32 draft, bool has_tables,
						 Datum tables);
static CqrsBuildRow *find_build(const char *projection, bool (*wanted) (const CqrsBuildRow *));
static bool is_on_its_way(const CqrsBuildRow *row);
static bool is_previous(const CqrsBuildRow *row);
static void require_previous(const CqrsProjection *projection, const CqrsBuildRow *previous);
static bool keeps_previous(const CqrsProjection *projection);

/*
 * cqrs_revise(projection, tables, keep_previous)
 */
Datum
cqrs_revise(PG_FUNCTION_ARGS)
{
	revise(fcinfo, 1, 2);
	PG_RETURN_VOID();
}

/*
 * cqrs_rebuild(projection, keep_previous)
 */
Datum
cqrs_rebuild(PG_FUNCTION_ARGS)
{
	char	   *name = cqrs_arg_string(fcinfo, 0, "projection");
	CqrsProjection *projection = cqrs_projection_get_own(name);

	if (projection->live_build != 0 && cqrs_build_draft(name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("projection \"%s\" has a draft", name),
				 errdetail("To build it anew as it is, the draft would have to be forgotten."),
				 errhint("Use cqrs_start(%s) to build what the draft says, or cqrs_cancel_build(%s) to throw it away.",
						 quote_literal_cstr(name), quote_literal_cstr(name))));
	cqrs_projection_require_started(projection);
	revise(fcinfo, -1, 1);
	cqrs_start_draft(name);
	PG_RETURN_VOID();
}

/*
 * cqrs_cancel_build(projection): waits for a batch under way.
 */
Datum
cqrs_cancel_build(PG_FUNCTION_ARGS)
{
	char	   *name = cqrs_arg_string(fcinfo, 0, "projection");
	CqrsProjection *projection = cqrs_projection_get_own(name);
	CqrsBuildRow *row = find_build(name, is_on_its_way);

	cqrs_build_require_idle(name);
	if (row && row->state != CQRS_BUILD_DRAFT)
		cqrs_build_lock(name, row->number);
	projection = cqrs_projection_lock_own(name);
	row = find_build(name, is_on_its_way);
	if (row == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("projection \"%s\" is not being rebuilt", name)));
	if (projection->live_build == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("projection \"%s\" has nothing but its draft", name),
				 errhint("Use cqrs_drop_projection(%s) to drop it.", quote_literal_cstr(name))));

	if (row->state != CQRS_BUILD_DRAFT)
	{
		cqrs_tables_drop(projection, row->number);
		cqrs_cursor_drop(cqrs_build_name(name, row->number));
		projection->next_build = projection->follower = 0;
		cqrs_projection_write(projection);
	}
	cqrs_build_row_delete(name, row->number);
	PG_RETURN_VOID();
}

/*
 * cqrs_revert(projection)
 */
Datum
cqrs_revert(PG_FUNCTION_ARGS)
{
	char	   *name = cqrs_arg_string(fcinfo, 0, "projection");
	CqrsProjection *projection = cqrs_projection_get_own(name);
	CqrsBuildRow *previous = find_build(name, is_previous);
	CqrsApplyResult ignored = {0};

	cqrs_build_require_idle(name);
	require_previous(projection, previous);
	cqrs_build_swap(name, previous->number, CQRS_BUILD_PREVIOUS, true, &ignored);
	PG_RETURN_VOID();
}

/*
 * An argument that is not given leaves things as they are.
 */
static void
revise(FunctionCallInfo fcinfo, int tables_arg, int keep_arg)
{
	CqrsProjection *projection =
		cqrs_projection_lock_own(cqrs_arg_string(fcinfo, 0, "projection"));
	bool		has_tables = tables_arg >= 0 && !PG_ARGISNULL(tables_arg);
	Datum		tables = has_tables ? PG_GETARG_DATUM(tables_arg) : (Datum) 0;
	int32		draft = cqrs_build_draft(projection->name);

	if (!PG_ARGISNULL(keep_arg))
	{
		projection->keep_previous = PG_GETARG_INTERVAL_P(keep_arg);
		cqrs_require_not_negative(projection->keep_previous, "keep_previous");
		cqrs_projection_write(projection);
	}
	cqrs_projection_require_no_rebuild(projection);
	if (draft != 0)
		change_draft(projection, draft, has_tables, tables);
	else
		open_draft(projection, has_tables, tables);
}

/*
 * A copy of what is live.
 */
static void
open_draft(const CqrsProjection *projection, bool has_tables, Datum tables)
{
	Datum		values[5] = {CStringGetTextDatum(projection->name),
		Int32GetDatum(projection->live_build),
		Int32GetDatum(cqrs_free_build_number(projection->name)), tables,
	CStringGetTextDatum("draft")};
	bool		nulls[5] = {false, false, false, !has_tables, false};

	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_COPY_BUILD, values, nulls);
	cqrs_plan_execute(CQRS_PLAN_COPY_RULES, values, nulls);
	SPI_finish();
}

/*
 * In a draft that is open, only the tables can be meant.
 */
static void
change_draft(const CqrsProjection *projection, int32 draft, bool has_tables, Datum tables)
{
	Datum		values[3] = {CStringGetTextDatum(projection->name),
	Int32GetDatum(draft), tables};

	if (!has_tables)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("projection \"%s\" has a draft already", projection->name),
				 projection->live_build != 0 ?
				 errhint("Go on with cqrs_on() and cqrs_start(%s), or throw the draft away with cqrs_cancel_build(%s).",
						 quote_literal_cstr(projection->name), quote_literal_cstr(projection->name)) :
				 errhint("Go on with cqrs_on() and cqrs_start(%s).", quote_literal_cstr(projection->name))));
	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_SET_TABLES, values, NULL);
	SPI_finish();
}

/*
 * The first one, or NULL.
 */
static CqrsBuildRow *
find_build(const char *projection, bool (*wanted) (const CqrsBuildRow *))
{
	ListCell   *lc;

	foreach(lc, cqrs_build_rows(projection))
		if (wanted(lfirst(lc)))
			return lfirst(lc);
	return NULL;
}

static bool
is_on_its_way(const CqrsBuildRow *row)
{
	return row->state == CQRS_BUILD_DRAFT || cqrs_build_is_next(row);
}

static bool
is_previous(const CqrsBuildRow *row)
{
	return row->state == CQRS_BUILD_PREVIOUS && row->keep_until > GetCurrentTimestamp();
}

static void
require_previous(const CqrsProjection *projection, const CqrsBuildRow *previous)
{
	cqrs_projection_require_no_rebuild(projection);
	if (previous == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("projection \"%s\" has no previous build", projection->name),
				 errdetail("A build that has been replaced is kept for the \"keep_previous\" of its projection."),
				 keeps_previous(projection) ? 0 :
				 errhint("Set it with cqrs_revise() or cqrs_rebuild().")));
	if (previous->last_error)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the previous build of projection \"%s\" has been stopped by an error",
						projection->name),
				 errdetail("%s", previous->last_error)));
}

static bool
keeps_previous(const CqrsProjection *projection)
{
	const Interval *keep = projection->keep_previous;

	return keep->month != 0 || keep->day != 0 || keep->time != 0;
}
