/*-------------------------------------------------------------------------
 *
 * retry.c
 *		cqrs_retry_parked() and cqrs_discard_parked().
 *
 * NOTES
 *		Parked events are tried again in position order, so each stream in its
 *		order and causes before effects.  An event that fails again keeps its
 *		place, and so do the ones behind it.  What is held in memory does not
 *		depend on how many there are.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/retry.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/plans.h"
#include "event/pick.h"
#include "projection/batch.h"
#include "projection/build.h"
#include "projection/park.h"
#include "projection/registry.h"
#include "stats/applied.h"

PG_FUNCTION_INFO_V1(cqrs_retry_parked);
PG_FUNCTION_INFO_V1(cqrs_discard_parked);

/* how many parked events are tried at once */
#define CHUNK 1000

/*
 * A retry under way.
 */
typedef struct Retry
{
	CqrsBuild  *build;
	text	   *stream;			/* NULL: all of them */
	int64		position;		/* the last one that has been tried */
	CqrsParkedStreams *blocked; /* streams of which one has failed again, or NULL */
	char	   *last_error;
	MemoryContext context;		/* where that is kept */
} Retry;

static CqrsProjection *lock_own_started(const char *name);
static void say_why_none(const CqrsProjection *projection, const Retry *retry);
static void load_chunk(Retry *retry, CqrsBatch *batch, List *positions);
static bool admit(CqrsBatch *batch, TupleTableSlot *event);
static bool failed(CqrsBatch *batch, TupleTableSlot *event, const ErrorData *error);

/*
 * cqrs_retry_parked(projection, stream) -> number of events applied
 */
Datum
cqrs_retry_parked(PG_FUNCTION_ARGS)
{
	CqrsProjection *projection = lock_own_started(cqrs_arg_string(fcinfo, 0, "projection"));
	Retry		retry = {.stream = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1)};
	MemoryContext chunk = AllocSetContextCreate(CurrentMemoryContext, "cqrs retry",
												ALLOCSET_DEFAULT_SIZES);
	MemoryContext before;
	List	   *positions;
	int64		applied = 0;

	retry.context = CurrentMemoryContext;
	retry.build = cqrs_build_get(projection, projection->live_build);
	if (projection->on_error != CQRS_ON_ERROR_SKIP)
		retry.blocked = cqrs_parked_begin(retry.build, false);

	before = MemoryContextSwitchTo(chunk);
	while (cqrs_parked_list(retry.build, retry.stream, retry.position, CHUNK, &positions))
	{
		CqrsBatch  *batch = cqrs_batch_create(retry.build, false);

		batch->admit = admit;
		batch->failed = failed;
		batch->arg = &retry;
		load_chunk(&retry, batch, positions);
		cqrs_batch_apply(batch);
		applied += batch->applied;
		cqrs_batch_destroy(batch);
		MemoryContextReset(chunk);
	}
	MemoryContextSwitchTo(before);
	MemoryContextDelete(chunk);

	cqrs_applied_note(projection->name, applied);
	if (retry.last_error)
		cqrs_projection_set_error(projection->name, retry.last_error);
	if (applied == 0)
		say_why_none(projection, &retry);
	PG_RETURN_INT64(applied);
}

/*
 * cqrs_discard_parked(projection, stream) -> number of events
 */
Datum
cqrs_discard_parked(PG_FUNCTION_ARGS)
{
	CqrsProjection *projection = lock_own_started(cqrs_arg_string(fcinfo, 0, "projection"));
	Datum		values[3] = {CStringGetTextDatum(projection->name),
		Int32GetDatum(projection->live_build),
	PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1)};
	bool		nulls[3] = {false, false, PG_ARGISNULL(1)};
	uint64		discarded;

	SPI_connect();
	discarded = cqrs_plan_execute(CQRS_PLAN_DELETE_PARKED, values, nulls);
	SPI_finish();
	PG_RETURN_INT64((int64) discarded);
}

/*
 * A projection that has a build in use, with that build's cursor locked: the
 * parked events are ours alone.
 */
static CqrsProjection *
lock_own_started(const char *name)
{
	CqrsProjection *projection = cqrs_projection_get_own(name);

	cqrs_projection_require_started(projection);
	cqrs_build_lock_live(name, projection->live_build);
	projection = cqrs_projection_get_own(name);
	cqrs_projection_require_started(projection);
	return projection;
}

static void
say_why_none(const CqrsProjection *projection, const Retry *retry)
{
	if (retry->last_error)
		ereport(NOTICE,
				(errmsg("no parked event of projection \"%s\" could be applied", projection->name),
				 errdetail("%s", retry->last_error)));
	else if (retry->stream)
		ereport(NOTICE,
				(errmsg("projection \"%s\" has no parked events of stream \"%s\"",
						projection->name, text_to_cstring(retry->stream))));
	else
		ereport(NOTICE,
				(errmsg("projection \"%s\" has no parked events", projection->name)));
}

/*
 * Reads the events at these positions, or the first ones of them when they take
 * too much memory.
 */
static void
load_chunk(Retry *retry, CqrsBatch *batch, List *positions)
{
	CqrsPick   *pick = cqrs_pick_begin();
	ListCell   *lc;

	foreach(lc, positions)
	{
		TupleTableSlot *event;

		if (batch->bytes >= (Size) cqrs_batch_max_bytes * 1024)
			break;
		retry->position = *(int64 *) lfirst(lc);
		event = cqrs_pick_at(pick, retry->position);
		if (event)
			cqrs_batch_add(batch, event, NULL);
	}
	cqrs_pick_end(pick);
}

static bool
admit(CqrsBatch *batch, TupleTableSlot *event)
{
	Retry	   *retry = (Retry *) batch->arg;

	if (retry->blocked && cqrs_parked_has(retry->blocked, event))
		return false;
	cqrs_parked_delete(batch->build, event);
	return true;
}

static bool
failed(CqrsBatch *batch, TupleTableSlot *event, const ErrorData *error)
{
	Retry	   *retry = (Retry *) batch->arg;

	cqrs_parked_failed_again(batch->build, event, error, batch->failed_rule);
	if (retry->blocked)
		cqrs_parked_add(retry->blocked, event);
	if (retry->last_error)
		pfree(retry->last_error);
	retry->last_error = MemoryContextStrdup(retry->context, cqrs_error_summary(event, error));
	return true;
}
