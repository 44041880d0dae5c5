/*-------------------------------------------------------------------------
 *
 * status.c
 *		How a reader of the log is doing, for the status views.
 *
 * NOTES
 *		Everybody who may watch calls this, so it runs no code of users and
 *		takes no locks.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/status.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/rights.h"
#include "event/cursor.h"
#include "event/log.h"
#include "event/reader.h"
#include "projection/registry.h"
#include "projection/status.h"

PG_FUNCTION_INFO_V1(cqrs_behind);
PG_FUNCTION_INFO_V1(cqrs_read_progress);

/* beyond this many events, the number is an estimate */
#define COUNT_EXACTLY 100000

static bool may_see_cursor(const char *cursor);
static int64 count_behind(const char *cursor, TimestampTz *oldest);

/*
 * cqrs.behind(cursor_name) -> (events, seconds): how many committed events are
 * before the cursor, and the age of the oldest.  Nulls without such a cursor.
 */
Datum
cqrs_behind(PG_FUNCTION_ARGS)
{
	char	   *name = cqrs_arg_string_or_null(fcinfo, 0);
	TimestampTz oldest = GetCurrentTimestamp();
	TimestampTz now = oldest;
	CqrsCursor	cursor;
	TupleDesc	desc;
	Datum		values[2] = {0};
	bool		nulls[2] = {true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (name && may_see_cursor(name) && cqrs_cursor_read(name, &cursor))
	{
		values[0] = Int64GetDatum(count_behind(name, &oldest));
		values[1] = Float8GetDatum((double) (now - oldest) / USECS_PER_SEC);
		nulls[0] = nulls[1] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * cqrs.read_progress(cursor_name) -> (events_done, events_total): positions of
 * the log that have been passed, and drawn.  Nulls without such a cursor.
 */
Datum
cqrs_read_progress(PG_FUNCTION_ARGS)
{
	char	   *name = cqrs_arg_string_or_null(fcinfo, 0);
	CqrsCursor	cursor;
	TupleDesc	desc;
	Datum		values[2] = {0};
	bool		nulls[2] = {true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (name && may_see_cursor(name) && cqrs_cursor_read(name, &cursor))
	{
		int64		total = cqrs_log_last_drawn();
		int64		done = Max(cursor.done.floor, cursor.position);

		values[0] = Int64GetDatum(Min(done, total));
		values[1] = Int64GetDatum(total);
		nulls[0] = nulls[1] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * Those of others are for who may watch.
 */
bool
cqrs_status_may_see(const char *projection)
{
	CqrsProjection *found;

	if (cqrs_may_watch(GetUserId()))
		return true;
	found = cqrs_projection_find(projection);
	return found && cqrs_projection_is_mine(found);
}

/*
 * A cursor is named like the schema of a build.
 */
static bool
may_see_cursor(const char *cursor)
{
	const char *dollar = strrchr(cursor, '$');

	return cqrs_status_may_see(dollar ? pnstrdup(cursor, dollar - cursor) : cursor);
}

/*
 * Where there are very many, the positions that have been drawn since tell how
 * many more there are at most.
 */
static int64
count_behind(const char *cursor, TimestampTz *oldest)
{
	CqrsReader *reader = cqrs_reader_peek(cursor);
	TupleTableSlot *event;
	int64		count = 0;
	int64		position = 0;
	bool		isnull;

	while (count < COUNT_EXACTLY && (event = cqrs_reader_next(reader)) != NULL)
	{
		TimestampTz at = DatumGetTimestampTz(slot_getattr(event, EVENT_RECORDED_AT, &isnull));

		position = DatumGetInt64(slot_getattr(event, EVENT_POSITION, &isnull));
		*oldest = Min(*oldest, at);
		count++;
	}
	cqrs_reader_close(reader);
	if (count == COUNT_EXACTLY)
		count += Max(cqrs_log_last_drawn() - position, 0);
	return count;
}
