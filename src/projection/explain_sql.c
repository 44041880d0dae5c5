/*-------------------------------------------------------------------------
 *
 * explain_sql.c
 *		cqrs_explain(): how each rule is executed.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/explain_sql.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "base/args.h"
#include "base/compat.h"
#include "projection/attempt.h"
#include "projection/build.h"
#include "projection/build_row.h"
#include "projection/registry.h"
#include "projection/start.h"

PG_FUNCTION_INFO_V1(cqrs_explain);

/*
 * A draft that is to be explained.
 */
typedef struct Draft
{
	const CqrsProjection *projection;
	int32		number;			/* of the build, 0 when there is no draft */
	List	   *rows;
} Draft;

static void explain_draft(void *arg);
static void put_row(ReturnSetInfo *rsinfo, const CqrsExplainRow *row);

/*
 * cqrs_explain(projection) -> (event_type, plan, reason): of the draft, if there
 * is one, as that is what one is working at
 */
Datum
cqrs_explain(PG_FUNCTION_ARGS)
{
	char	   *name = cqrs_arg_string(fcinfo, 0, "projection");
	CqrsProjection *projection = cqrs_projection_get_own(name);
	Draft		draft = {projection, cqrs_build_draft(projection->name), NIL};
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	if (draft.number != 0)
		cqrs_try_and_undo(explain_draft, &draft);
	else
	{
		/* it may have been started since we have read it */
		if (projection->live_build == 0)
			projection = cqrs_projection_get_own(name);
		draft.rows = cqrs_engine_explain(cqrs_build_get(projection, projection->live_build)->engine);
	}
	foreach(lc, draft.rows)
		put_row((ReturnSetInfo *) fcinfo->resultinfo, lfirst(lc));
	return (Datum) 0;
}

/*
 * What a draft would be is known only when there are tables.  So they are made,
 * and unmade again.
 */
static void
explain_draft(void *arg)
{
	Draft	   *draft = (Draft *) arg;
	CqrsBuild  *build = cqrs_start_build(draft->projection, draft->number);

	draft->rows = cqrs_engine_explain(build->engine);
}

static void
put_row(ReturnSetInfo *rsinfo, const CqrsExplainRow *row)
{
	Datum		values[3] = {0};
	bool		nulls[3] = {row->event_type == NULL, row->plan == NULL, row->reason == NULL};

	if (row->event_type)
		values[0] = CStringGetTextDatum(row->event_type);
	if (row->plan)
		values[1] = CStringGetTextDatum(row->plan);
	if (row->reason)
		values[2] = CStringGetTextDatum(row->reason);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}
