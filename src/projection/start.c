/*-------------------------------------------------------------------------
 *
 * start.c
 *		cqrs_start(): from a draft to a build that events can be applied to.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/start.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/errcodes.h"
#include "base/names.h"
#include "base/plans.h"
#include "event/cursor.h"
#include "projection/bulk.h"
#include "projection/inline.h"
#include "projection/run_as.h"
#include "projection/start.h"
#include "projection/successor.h"
#include "projection/tables.h"
#include "projection/views.h"

PG_FUNCTION_INFO_V1(cqrs_start);

static int32 require_draft(const CqrsProjection *projection);
static void start_first(CqrsProjection *projection, int32 draft);
static void start_next(CqrsProjection *projection, int32 draft);
static void require_place_for_views(const CqrsProjection *projection, Oid role);

/*
 * cqrs_start(projection)
 */
Datum
cqrs_start(PG_FUNCTION_ARGS)
{
	cqrs_start_draft(cqrs_arg_string(fcinfo, 0, "projection"));
	PG_RETURN_VOID();
}

/*
 * The first build of a projection serves from now on; another one is filled
 * beside it, to take its place.
 */
void
cqrs_start_draft(const char *name)
{
	CqrsProjection *projection = cqrs_projection_get_own(name);
	int32		draft;

	require_draft(projection);
	if (projection->is_inline && projection->live_build == 0)
		cqrs_inline_lock();
	projection = cqrs_projection_lock_own(name);
	draft = require_draft(projection);
	if (projection->live_build == 0)
		start_first(projection, draft);
	else
		start_next(projection, draft);
}

/*
 * Creates what a build consists of and checks its rules.  An error leaves
 * nothing of it.
 */
CqrsBuild *
cqrs_start_build(const CqrsProjection *projection, int32 number)
{
	cqrs_tables_create(projection, number, cqrs_projection_role(projection));
	cqrs_successor_note_policies(projection, number);
	cqrs_cursor_create(cqrs_build_name(projection->name, number));
	return cqrs_build_get(projection, number);
}

/*
 * Throws away what a build has been filled with.  It is filled again from the
 * first event, with all of its indexes in place.
 */
void
cqrs_restart_build(const CqrsProjection *projection, CqrsBuildRow *row)
{
	Datum		values[3] = {CStringGetTextDatum(projection->name), Int32GetDatum(row->number)};
	bool		nulls[3] = {false, false, true};

	cqrs_tables_drop(projection, row->number);
	cqrs_cursor_drop(cqrs_build_name(projection->name, row->number));
	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_DELETE_PARKED, values, nulls);
	SPI_finish();

	cqrs_start_build(projection, row->number);
	row->later = NIL;
	row->state = CQRS_BUILD_FILLING;
	cqrs_build_row_write(row);
}

/*
 * Gives the number of the build.
 */
static int32
require_draft(const CqrsProjection *projection)
{
	int32		draft = cqrs_build_draft(projection->name);

	if (draft != 0)
		return draft;
	cqrs_projection_require_no_rebuild(projection);
	ereport(ERROR,
			(errcode(ERRCODE_CQRS_PROJECTION_NOT_DRAFT),
			 errmsg("projection \"%s\" is not a draft", projection->name),
			 projection->state == CQRS_PROJECTION_RUNNING ?
			 errdetail("It has been started.") : 0,
			 projection->state == CQRS_PROJECTION_RUNNING ?
			 errhint("Use cqrs_revise(%s) to open a draft of it.", quote_literal_cstr(projection->name)) :
			 errhint("Use cqrs_resume(%s) to let it go on.", quote_literal_cstr(projection->name))));
	return 0;					/* keep compiler quiet */
}

static void
start_first(CqrsProjection *projection, int32 draft)
{
	CqrsBuildRow *row = cqrs_build_row(projection->name, draft);
	CqrsBuild  *build = cqrs_start_build(projection, row->number);

	row->state = CQRS_BUILD_LIVE;
	row->views = cqrs_views_create(projection, row->number, build->role);
	cqrs_build_row_write(row);

	projection->live_build = row->number;
	projection->state = CQRS_PROJECTION_RUNNING;
	cqrs_projection_write(projection);
	if (projection->is_inline)
		cqrs_inline_begin(projection);
}

/*
 * What can stand in the way of the swap is looked for here, before there is work to
 * be lost.
 */
static void
start_next(CqrsProjection *projection, int32 draft)
{
	CqrsBuildRow *row = cqrs_build_row(projection->name, draft);
	CqrsBuild  *build = cqrs_start_build(projection, row->number);

	require_place_for_views(projection, build->role);
	cqrs_views_check(projection, projection->live_build, row->number, build->role);
	cqrs_successor_check_row_security(projection, projection->live_build, row->number);
	row->state = CQRS_BUILD_FILLING;
	row->later = cqrs_bulk_leave_out(projection, row->number);
	cqrs_build_row_write(row);

	projection->next_build = row->number;
	cqrs_projection_write(projection);
}

static void
require_place_for_views(const CqrsProjection *projection, Oid role)
{
	CqrsRunAs	before;

	cqrs_run_as_begin(role, NULL, &before);
	cqrs_require_schema_create(get_namespace_oid(projection->read_schema, false),
							   projection->read_schema);
	cqrs_run_as_end(&before);
}
