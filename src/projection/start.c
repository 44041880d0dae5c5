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

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/errcodes.h"
#include "base/plans.h"
#include "event/cursor.h"
#include "projection/inline.h"
#include "projection/start.h"
#include "projection/tables.h"

PG_FUNCTION_INFO_V1(cqrs_start);

static void require_draft(const CqrsProjection *projection);
static void record_start(const CqrsProjection *projection, int32 number, List *views);

/*
 * cqrs_start(projection)
 */
Datum
cqrs_start(PG_FUNCTION_ARGS)
{
	char	   *name = cqrs_arg_string(fcinfo, 0, "projection");
	CqrsProjection *projection = cqrs_projection_get_own(name);

	require_draft(projection);
	if (projection->is_inline)
		cqrs_inline_lock();
	projection = cqrs_projection_lock_own(name);
	require_draft(projection);

	cqrs_start_build(projection, projection->draft);
	cqrs_projection_set_state(projection, CQRS_PROJECTION_RUNNING);
	if (projection->is_inline)
		cqrs_inline_begin(projection);
	PG_RETURN_VOID();
}

/*
 * Creates what a build consists of and checks its rules.  An error leaves
 * nothing of it.
 */
CqrsBuild *
cqrs_start_build(const CqrsProjection *projection, int32 number)
{
	Oid			role = cqrs_projection_role(projection);
	List	   *views;

	cqrs_tables_create(projection, number, role);
	views = cqrs_views_create(projection, number, role);
	cqrs_cursor_create(cqrs_build_name(projection->name, number));
	record_start(projection, number, views);
	return cqrs_build_get(projection, number);
}

static void
require_draft(const CqrsProjection *projection)
{
	if (projection->draft == 0)
		ereport(ERROR,
				(errcode(ERRCODE_CQRS_PROJECTION_NOT_DRAFT),
				 errmsg("projection \"%s\" is not a draft", projection->name),
				 projection->state == CQRS_PROJECTION_RUNNING ?
				 errdetail("It has been started.") : 0,
				 projection->state == CQRS_PROJECTION_RUNNING ?
				 errhint("Use cqrs_revise(%s) to open a draft of it.", quote_literal_cstr(projection->name)) :
				 errhint("Use cqrs_resume(%s) to let it go on.", quote_literal_cstr(projection->name))));
	if (projection->live_build != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("projection \"%s\" has a build in use", projection->name)));
}

static void
record_start(const CqrsProjection *projection, int32 number, List *views)
{
	Datum	   *names = palloc(Max(list_length(views), 1) * sizeof(Datum));
	Datum		values[3];
	int			i = 0;
	ListCell   *lc;

	foreach(lc, views)
		names[i++] = CStringGetTextDatum(lfirst(lc));
	values[0] = CStringGetTextDatum(projection->name);
	values[1] = Int32GetDatum(number);
	values[2] = PointerGetDatum(construct_array(names, i, TEXTOID, -1, false, TYPALIGN_INT));

	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_START_BUILD, values, NULL);
	cqrs_plan_execute(CQRS_PLAN_SET_LIVE_BUILD, values, NULL);
	SPI_finish();
}
