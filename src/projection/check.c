/*-------------------------------------------------------------------------
 *
 * check.c
 *		cqrs_check(): is the live build what its events make?
 *
 * NOTES
 *		All is done with one snapshot.  The build that is made for comparison
 *		lives in a subtransaction that is rolled back, whatever it shows; the
 *		live build and its cursor are looked at and not locked.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/check.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/plans.h"
#include "event/incarnation.h"
#include "projection/apply.h"
#include "projection/attempt.h"
#include "projection/build_row.h"
#include "projection/compare.h"
#include "projection/inline.h"
#include "projection/start.h"
#include "projection/tables.h"

PG_FUNCTION_INFO_V1(cqrs_check);

/*
 * A check under way.
 */
typedef struct Check
{
	const CqrsProjection *projection;
	Snapshot	snapshot;
	ReturnSetInfo *result;
} Check;

static void check_aside(void *arg);
static void read_limit(const CqrsProjection *projection, Snapshot snapshot, CqrsCursor *limit);
static int32 copy_definition(const CqrsProjection *projection);
static void fill(const CqrsProjection *projection, int32 number, const CqrsCursor *limit);

/*
 * cqrs_check(projection) -> (relation, live, rebuilt)
 */
Datum
cqrs_check(PG_FUNCTION_ARGS)
{
	char	   *name = cqrs_arg_string(fcinfo, 0, "projection");
	CqrsProjection *projection = cqrs_projection_get_own(name);
	Check		check = {projection, NULL, (ReturnSetInfo *) fcinfo->resultinfo};
	bool		before;

	PreventCommandIfReadOnly("cqrs_check()");
	PreventCommandIfParallelMode("cqrs_check()");
	cqrs_projection_require_started(projection);
	cqrs_build_require_idle(name);
	InitMaterializedSRF(fcinfo, 0);

	check.snapshot = RegisterSnapshot(GetTransactionSnapshot());
	/* what event triggers append on the way is undone, too */
	before = cqrs_inline_hold();
	PG_TRY();
	{
		cqrs_try_and_undo(check_aside, &check);
	}
	PG_FINALLY();
	{
		cqrs_inline_release(before);
	}
	PG_END_TRY();
	UnregisterSnapshot(check.snapshot);
	return (Datum) 0;
}

static void
check_aside(void *arg)
{
	const Check *check = (Check *) arg;
	const CqrsProjection *projection = check->projection;
	CqrsCursor	limit;
	int32		number;

	read_limit(projection, check->snapshot, &limit);
	number = copy_definition(projection);
	(void) cqrs_start_build(projection, number);
	fill(projection, number, &limit);
	cqrs_builds_compare(cqrs_build_get(projection, projection->live_build),
						cqrs_build_get(projection, number), check->snapshot, check->result);
}

/*
 * What the live build has been given, in the eyes of the snapshot.
 */
static void
read_limit(const CqrsProjection *projection, Snapshot snapshot, CqrsCursor *limit)
{
	if (projection->is_inline && projection->state == CQRS_PROJECTION_RUNNING)
	{
		PushCopiedSnapshot(snapshot);
		cqrs_cursor_of_snapshot(limit, cqrs_incarnation_here(snapshot));
		PopActiveSnapshot();
	}
	else if (!cqrs_cursor_read_as_of(cqrs_build_name(projection->name, projection->live_build),
									 snapshot, limit))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("builds of projection \"%s\" have changed meanwhile", projection->name)));
}

/*
 * Not as a draft, of which there is one at most, and with a number from the top,
 * as those from the bottom are for others: nobody shall wait for us who opens a
 * draft meanwhile, or begins a build.
 */
static int32
copy_definition(const CqrsProjection *projection)
{
	int32		number = PG_INT32_MAX;
	Datum		values[5] = {CStringGetTextDatum(projection->name),
	Int32GetDatum(projection->live_build)};
	bool		nulls[5] = {false, false, false, true, false};

	while (OidIsValid(get_namespace_oid(cqrs_build_name(projection->name, number), true)))
		number--;
	values[2] = Int32GetDatum(number);
	values[4] = CStringGetTextDatum("filling");
	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_COPY_BUILD, values, nulls);
	cqrs_plan_execute(CQRS_PLAN_COPY_RULES, values, nulls);
	SPI_finish();
	return number;
}

static void
fill(const CqrsProjection *projection, int32 number, const CqrsCursor *limit)
{
	CqrsApplyOptions options = {.max_events = PG_INT64_MAX, .with_own = true, .bulk = true,
	.limit = limit};
	CqrsApplyResult ignored = {0};

	if (!cqrs_build_apply_all(projection, number, &options, &ignored))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("projection \"%s\" cannot be built anew", projection->name),
				 errdetail("%s", cqrs_build_row(projection->name, number)->last_error)));
}
