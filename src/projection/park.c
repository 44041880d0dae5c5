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
#include "mb/pg_wchar.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/names.h"
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

/* bytes that are kept of a message, a detail, a context */
#define MAX_ERROR_TEXT 4096

#define POSITION_INDEX "parked_event_pkey"
#define STREAM_INDEX "parked_event_stream_idx"

/*
 * A scan of parked events under way.
 */
typedef struct ParkedScan
{
	Relation	rel;
	Relation	index;
	TupleTableSlot *slot;
	Snapshot	snapshot;
	IndexScanDesc scan;
} ParkedScan;

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
static bool is_empty(void);
static bool find_parked(CqrsBuild *build, TupleTableSlot *event, TupleTableSlot *slot);
static void begin_scan(ParkedScan *scan, CqrsBuild *build, text *stream,
					   StrategyNumber strategy, int64 position);
static bool next_in_scan(ParkedScan *scan);
static void end_scan(ParkedScan *scan);
static StreamEntry *find_stream(CqrsParkedStreams *parked, text *stream, bool *found);
static Datum event_column(TupleTableSlot *event, int column);
static void set_error(Datum *values, bool *nulls, const ErrorData *error, const char *rule);
static void set_text(Datum *value, bool *isnull, const char *string);
static const char *clip(const char *string);

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

	cqrs_table_begin(&table, "parked_event");
	values = cqrs_table_new_row(table.slot, COL_TRIED_AT);
	nulls = table.slot->tts_isnull;
	values[COL_PROJECTION - 1] = CStringGetTextDatum(build->projection);
	values[COL_BUILD - 1] = Int32GetDatum(build->number);
	values[COL_POSITION - 1] = event_column(event, EVENT_POSITION);
	values[COL_STREAM - 1] = event_column(event, EVENT_STREAM);
	values[COL_VERSION - 1] = event_column(event, EVENT_VERSION);
	values[COL_EVENT_TYPE - 1] = event_column(event, EVENT_TYPE);
	set_error(values, nulls, error, rule);
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
	CqrsTable	table;
	TupleTableSlot *old;

	cqrs_table_begin(&table, "parked_event");
	old = table_slot_create(table.rel, NULL);
	if (find_parked(build, event, old))
	{
		Datum	   *values = cqrs_table_new_row(table.slot, COL_TRIED_AT);
		bool	   *nulls = table.slot->tts_isnull;

		slot_getallattrs(old);
		memcpy(values, old->tts_values, COL_TRIED_AT * sizeof(Datum));
		memcpy(nulls, old->tts_isnull, COL_TRIED_AT * sizeof(bool));
		set_error(values, nulls, error, rule);
		values[COL_ATTEMPTS - 1] = Int32GetDatum(DatumGetInt32(values[COL_ATTEMPTS - 1]) + 1);
		values[COL_TRIED_AT - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
		nulls[COL_TRIED_AT - 1] = false;
		if (!cqrs_row_update(&table, &old->tts_tid))
			elog(ERROR, "parked event was changed while its build was locked");
	}
	ExecDropSingleTupleTableSlot(old);
	cqrs_table_end(&table);
	CommandCounterIncrement();
}

/*
 * A parked event has been applied.
 */
void
cqrs_parked_delete(CqrsBuild *build, TupleTableSlot *event)
{
	Relation	rel = cqrs_table_open("parked_event", RowExclusiveLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);

	if (find_parked(build, event, slot))
		simple_table_tuple_delete(rel, &slot->tts_tid, GetTransactionSnapshot());
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

/*
 * Positions (int64 *) of the next parked events, of one stream or of all.
 * False when there are none.
 */
bool
cqrs_parked_list(CqrsBuild *build, text *stream, int64 after, int64 count, List **positions)
{
	ParkedScan	scan;

	*positions = NIL;
	if (is_empty())
		return false;
	begin_scan(&scan, build, stream,
			   BTGreaterStrategyNumber, after);
	while (list_length(*positions) < count && next_in_scan(&scan))
	{
		int64	   *position = palloc(sizeof(int64));

		*position = DatumGetInt64(event_column(scan.slot, COL_POSITION));
		*positions = lappend(*positions, position);
	}
	end_scan(&scan);
	return *positions != NIL;
}

/*
 * One line about an error, for those who watch the projection.
 */
char *
cqrs_error_summary(TupleTableSlot *event, const ErrorData *error)
{
	if (event == NULL)
		return psprintf("%s: %s", unpack_sql_state(error->sqlerrcode), clip(error->message));
	return psprintf("event " INT64_FORMAT " (%s, stream %s): %s: %s",
					DatumGetInt64(event_column(event, EVENT_POSITION)),
					TextDatumGetCString(event_column(event, EVENT_TYPE)),
					TextDatumGetCString(event_column(event, EVENT_STREAM)),
					unpack_sql_state(error->sqlerrcode), clip(error->message));
}

/*
 * Has the build a parked event, of this stream if given?
 */
static bool
any_parked(CqrsBuild *build, text *stream)
{
	List	   *positions;

	return cqrs_parked_list(build, stream, 0, 1, &positions);
}

/*
 * Mostly nothing has been parked ever, and this is asked for each batch.
 */
static bool
is_empty(void)
{
	Relation	rel = cqrs_table_open("parked_event", AccessShareLock);
	bool		result = (RelationGetNumberOfBlocks(rel) == 0);

	table_close(rel, NoLock);
	return result;
}

/*
 * Finds the row of an event; the slot keeps it.
 */
static bool
find_parked(CqrsBuild *build, TupleTableSlot *event, TupleTableSlot *slot)
{
	ParkedScan	scan;
	bool		found;

	begin_scan(&scan, build, NULL,
			   BTEqualStrategyNumber, DatumGetInt64(event_column(event, EVENT_POSITION)));
	found = next_in_scan(&scan);
	if (found)
	{
		ExecCopySlot(slot, scan.slot);
		slot->tts_tid = scan.slot->tts_tid;
	}
	end_scan(&scan);
	return found;
}

/*
 * Begins a scan of a build's parked events in position order, of one stream if
 * given: equal to a position, or greater.  By an index, whatever the planner
 * knew of the table when this session began.
 */
static void
begin_scan(ParkedScan *scan, CqrsBuild *build, text *stream,
		   StrategyNumber strategy, int64 position)
{
	ScanKeyData keys[4];
	int			n = 0;

	scan->rel = cqrs_table_open("parked_event", AccessShareLock);
	scan->index = index_open(cqrs_table_oid(stream ? STREAM_INDEX : POSITION_INDEX),
							 AccessShareLock);
	scan->slot = table_slot_create(scan->rel, NULL);
	scan->snapshot = RegisterSnapshot(GetLatestSnapshot());

	ScanKeyInit(&keys[n], 1, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(build->projection));
	keys[n++].sk_collation = C_COLLATION_OID;
	ScanKeyInit(&keys[n++], 2, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(build->number));
	if (stream)
	{
		ScanKeyInit(&keys[n], 3, BTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(stream));
		keys[n++].sk_collation = C_COLLATION_OID;
	}
	ScanKeyInit(&keys[n], n + 1, strategy,
				strategy == BTEqualStrategyNumber ? F_INT8EQ : F_INT8GT, Int64GetDatum(position));
	n++;
	scan->scan = cqrs_index_beginscan(scan->rel, scan->index, scan->snapshot, n);
	index_rescan(scan->scan, keys, n, NULL, 0);
}

static bool
next_in_scan(ParkedScan *scan)
{
	return index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot);
}

static void
end_scan(ParkedScan *scan)
{
	index_endscan(scan->scan);
	UnregisterSnapshot(scan->snapshot);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, NoLock);
	table_close(scan->rel, NoLock);
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

/*
 * Fills in what went wrong; nothing has, without an error.
 */
static void
set_error(Datum *values, bool *nulls, const ErrorData *error, const char *rule)
{
	set_text(&values[COL_RULE - 1], &nulls[COL_RULE - 1], rule);
	set_text(&values[COL_SQLSTATE - 1], &nulls[COL_SQLSTATE - 1],
			 error ? unpack_sql_state(error->sqlerrcode) : NULL);
	set_text(&values[COL_MESSAGE - 1], &nulls[COL_MESSAGE - 1], error ? error->message : NULL);
	set_text(&values[COL_DETAIL - 1], &nulls[COL_DETAIL - 1], error ? error->detail : NULL);
	set_text(&values[COL_HINT - 1], &nulls[COL_HINT - 1], error ? error->hint : NULL);
	set_text(&values[COL_CONTEXT - 1], &nulls[COL_CONTEXT - 1], error ? error->context : NULL);
}

static void
set_text(Datum *value, bool *isnull, const char *string)
{
	*isnull = (string == NULL);
	*value = string ? CStringGetTextDatum(clip(string)) : (Datum) 0;
}

/*
 * What errors say can be as long as an event, and as many as there are events.
 */
static const char *
clip(const char *string)
{
	int			len = strlen(string);

	if (len <= MAX_ERROR_TEXT)
		return string;
	return psprintf("%.*s ...", pg_mbcliplen(string, len, MAX_ERROR_TEXT), string);
}
