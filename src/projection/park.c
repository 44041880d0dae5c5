/*-------------------------------------------------------------------------
 *
 * park.c
 *		Parked events: rows of cqrs.parked_event, and which streams wait behind one.
 *
 * NOTES
 *		Who reads or changes the parked events of a build has locked the
 *		build's cursor, so they are what the latest snapshot shows.  Whether a
 *		stream is parked is looked up in the index, once a batch and stream,
 *		and not at all when the build has no parked events: the price is paid
 *		by those who have them, and memory does not grow with their number.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/park.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/names.h"
#include "base/plans.h"
#include "base/table.h"
#include "event/log.h"
#include "projection/park.h"

/* columns of cqrs.parked_event */
enum
{
	COL_PROJECTION = 1,
	COL_BUILD,
	COL_POSITION,
	COL_STREAM,
	COL_VERSION,
	COL_EVENT_TYPE,
	COL_RULE,
	COL_SQLSTATE,
	COL_MESSAGE,
	COL_DETAIL,
	COL_HINT,
	COL_CONTEXT,
	COL_ATTEMPTS,
	COL_PARKED_AT,
	COL_TRIED_AT
};

#define STREAM_INDEX "parked_event_stream_idx"

typedef struct StreamEntry
{
	char		stream[CQRS_MAX_STREAM + 1];	/* hash key */
	bool		parked;
} StreamEntry;

struct CqrsParkedStreams
{
	CqrsBuild  *build;
	bool		look_up;		/* ask the table, too? */
	HTAB	   *streams;		/* NULL: no stream is parked */
	MemoryContext context;
};

static bool any_parked(CqrsBuild *build, text *stream);
static StreamEntry *find_stream(CqrsParkedStreams *parked, text *stream, bool *found);
static Datum event_column(TupleTableSlot *event, int column);
static void set_text(Datum *value, bool *isnull, const char *string);

/*
 * Lives in the current memory context.  Without "look_up" only those streams
 * count that are added.
 */
CqrsParkedStreams *
cqrs_parked_begin(CqrsBuild *build, bool look_up)
{
	CqrsParkedStreams *parked = palloc0(sizeof(CqrsParkedStreams));

	parked->build = build;
	parked->context = CurrentMemoryContext;
	parked->look_up = look_up;
	if (look_up && any_parked(build, NULL))
		cqrs_parked_add(parked, NULL);
	return parked;
}

/*
 * Does the stream of the event wait behind a parked one?
 */
bool
cqrs_parked_has(CqrsParkedStreams *parked, TupleTableSlot *event)
{
	text	   *stream;
	StreamEntry *entry;
	bool		found;

	if (parked->streams == NULL)
		return false;
	stream = DatumGetTextPP(event_column(event, EVENT_STREAM));
	entry = find_stream(parked, stream, &found);
	if (!found)
	{
		entry->parked = false;
		entry->parked = parked->look_up && any_parked(parked->build, stream);
	}
	return entry->parked;
}

/*
 * From now on the stream of the event is parked.
 */
void
cqrs_parked_add(CqrsParkedStreams *parked, TupleTableSlot *event)
{
	bool		found;

	if (parked->streams == NULL)
	{
		HASHCTL		ctl = {
			.keysize = CQRS_MAX_STREAM + 1,
			.entrysize = sizeof(StreamEntry),
			.hcxt = parked->context
		};

		parked->streams = hash_create("cqrs parked streams", 256, &ctl,
									  HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	}
	if (event)
		find_stream(parked, DatumGetTextPP(event_column(event, EVENT_STREAM)), &found)->parked = true;
}

/*
 * Parks an event: because of an error, or, without one, behind another event.
 */
void
cqrs_parked_insert(CqrsBuild *build, TupleTableSlot *event,
				   const ErrorData *error, const char *rule)
{
	CqrsTable	table;
	Datum	   *values;
	bool	   *nulls;

	cqrs_table_begin(&table, "parked_event", false);
	values = cqrs_table_new_row(&table);
	nulls = table.slot->tts_isnull;
	values[COL_PROJECTION - 1] = CStringGetTextDatum(build->projection);
	values[COL_BUILD - 1] = Int32GetDatum(build->number);
	values[COL_POSITION - 1] = event_column(event, EVENT_POSITION);
	values[COL_STREAM - 1] = event_column(event, EVENT_STREAM);
	values[COL_VERSION - 1] = event_column(event, EVENT_VERSION);
	values[COL_EVENT_TYPE - 1] = event_column(event, EVENT_TYPE);
	set_text(&values[COL_RULE - 1], &nulls[COL_RULE - 1], rule);
	set_text(&values[COL_SQLSTATE - 1], &nulls[COL_SQLSTATE - 1],
			 error ? unpack_sql_state(error->sqlerrcode) : NULL);
	set_text(&values[COL_MESSAGE - 1], &nulls[COL_MESSAGE - 1], error ? error->message : NULL);
	set_text(&values[COL_DETAIL - 1], &nulls[COL_DETAIL - 1], error ? error->detail : NULL);
	set_text(&values[COL_HINT - 1], &nulls[COL_HINT - 1], error ? error->hint : NULL);
	set_text(&values[COL_CONTEXT - 1], &nulls[COL_CONTEXT - 1], error ? error->context : NULL);
	values[COL_ATTEMPTS - 1] = Int32GetDatum(error ? 1 : 0);
	values[COL_PARKED_AT - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[COL_TRIED_AT - 1] = values[COL_PARKED_AT - 1];
	nulls[COL_TRIED_AT - 1] = (error == NULL);
	cqrs_table_insert(&table);
	cqrs_table_end(&table);
	CommandCounterIncrement();
}

/*
 * A parked event has been tried again, in vain.
 */
void
cqrs_parked_failed_again(CqrsBuild *build, TupleTableSlot *event,
						 const ErrorData *error, const char *rule)
{
	Datum		values[9];
	bool		nulls[9] = {false};

	values[0] = CStringGetTextDatum(build->projection);
	values[1] = Int32GetDatum(build->number);
	values[2] = event_column(event, EVENT_POSITION);
	set_text(&values[3], &nulls[3], rule);
	set_text(&values[4], &nulls[4], unpack_sql_state(error->sqlerrcode));
	set_text(&values[5], &nulls[5], error->message);
	set_text(&values[6], &nulls[6], error->detail);
	set_text(&values[7], &nulls[7], error->hint);
	set_text(&values[8], &nulls[8], error->context);

	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_UPDATE_PARKED_EVENT, values, nulls);
	SPI_finish();
}

/*
 * A parked event has been applied.
 */
void
cqrs_parked_delete(CqrsBuild *build, TupleTableSlot *event)
{
	Datum		values[3] = {CStringGetTextDatum(build->projection),
		Int32GetDatum(build->number), event_column(event, EVENT_POSITION)};

	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_DELETE_PARKED_EVENT, values, NULL);
	SPI_finish();
}

/*
 * Positions (int64 *) of the next parked events, of one stream or of all.
 * False when there are none.
 */
bool
cqrs_parked_list(CqrsBuild *build, text *stream, int64 after, int64 count, List **positions)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[5] = {CStringGetTextDatum(build->projection),
		Int32GetDatum(build->number), Int64GetDatum(after),
	PointerGetDatum(stream), Int64GetDatum(count)};
	bool		nulls[5] = {false, false, false, stream == NULL, false};

	*positions = NIL;
	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_LIST_PARKED, values, nulls);
	MemoryContextSwitchTo(caller);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		int64	   *position = palloc(sizeof(int64));
		bool		isnull;

		*position = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[row],
												SPI_tuptable->tupdesc, 1, &isnull));
		*positions = lappend(*positions, position);
	}
	SPI_finish();
	return *positions != NIL;
}

/*
 * One line about an error, for those who watch the projection.
 */
char *
cqrs_error_summary(TupleTableSlot *event, const ErrorData *error)
{
	if (event == NULL)
		return psprintf("%s: %s", unpack_sql_state(error->sqlerrcode), error->message);
	return psprintf("event " INT64_FORMAT " (%s, stream %s): %s: %s",
					DatumGetInt64(event_column(event, EVENT_POSITION)),
					TextDatumGetCString(event_column(event, EVENT_TYPE)),
					TextDatumGetCString(event_column(event, EVENT_STREAM)),
					unpack_sql_state(error->sqlerrcode), error->message);
}

/*
 * Has the build a parked event, of this stream if given?
 */
static bool
any_parked(CqrsBuild *build, text *stream)
{
	Relation	rel = cqrs_table_open("parked_event", AccessShareLock);
	Relation	index = index_open(cqrs_table_oid(STREAM_INDEX), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	int			n_keys = stream ? 3 : 2;
	IndexScanDesc scan = cqrs_index_beginscan(rel, index, snapshot, n_keys);
	ScanKeyData keys[3];
	bool		result;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(build->projection));
	keys[0].sk_collation = C_COLLATION_OID;
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(build->number));
	ScanKeyInit(&keys[2], 3, BTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(stream));
	keys[2].sk_collation = C_COLLATION_OID;

	index_rescan(scan, keys, n_keys, NULL, 0);
	result = index_getnext_slot(scan, ForwardScanDirection, slot);
	index_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	table_close(rel, NoLock);
	return result;
}

static StreamEntry *
find_stream(CqrsParkedStreams *parked, text *stream, bool *found)
{
	char		key[CQRS_MAX_STREAM + 1];

	text_to_cstring_buffer(stream, key, sizeof(key));
	return hash_search(parked->streams, key, HASH_ENTER, found);
}

static Datum
event_column(TupleTableSlot *event, int column)
{
	bool		isnull;

	return slot_getattr(event, column, &isnull);
}

static void
set_text(Datum *value, bool *isnull, const char *string)
{
	*isnull = (string == NULL);
	*value = string ? CStringGetTextDatum(string) : (Datum) 0;
}
