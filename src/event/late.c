/*-------------------------------------------------------------------------
 *
 * late.c
 *		Late events: of transactions that were running when "done" was taken.
 *
 * NOTES
 *		There are at most as many such transactions as there were sessions and
 *		prepared transactions.  Those that "done" lists are probed one by one in
 *		the index on (xid, position); those that had an id beyond its list are
 *		found there too, by skipping from one xid to the next.  What is found is
 *		merged by position.
 *
 *		When many sessions append, dozens of them are late each time, with an event or
 *		two.  A scan of its own for each would take most of a batch's time, and a
 *		megabyte.  So one scan finds where the events of each transaction are, some at
 *		a time, and they are fetched from there.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/late.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/xid8.h"

#include "base/compat.h"
#include "event/late.h"
#include "event/log.h"

/* so many places of a transaction's events are found at first, and later on */
#define FIRST_PLACES 4
#define MORE_PLACES 256

/*
 * Where an event is.
 */
typedef struct Place
{
	int64		position;
	ItemPointerData tid;
} Place;

/*
 * The late events of one transaction, those beyond "after_position" that are not in
 * "places" yet.
 */
typedef struct Source
{
	FullTransactionId xid;
	int64		after_position;
	bool		more;			/* there may be others there */
	Place	   *places;
	int			n_places;
	int			next_place;
} Source;

struct CqrsLate
{
	Relation	event;
	Relation	xid_index;
	Snapshot	snapshot;
	int64		after_position;
	int64		last_position;
	int			n_sources;
	int			max_sources;
	Source	   *sources;
	IndexScanDesc scan;			/* of three keys, or NULL */
	TupleTableSlot *found;		/* by the scan */
	TupleTableSlot *given;		/* to the caller */
};

static void add_source(CqrsLate *late, const CqrsCursor *cursor, FullTransactionId xid);
static void add_unlisted(CqrsLate *late, const CqrsCursor *cursor);
static bool find_places(CqrsLate *late, Source *source, int max);
static bool find_next(CqrsLate *late, ScanKeyData *keys);
static bool next_xid(CqrsLate *late, FullTransactionId from, FullTransactionId to,
					 FullTransactionId *xid);

/*
 * Finds the events that the cursor's step has beyond "after_position" and up to
 * "last_position": what lies outside is of other incarnations, in which the same
 * transaction ids meant other transactions.
 */
CqrsLate *
cqrs_late_begin(Relation event, Relation xid_index, Snapshot snapshot,
				const CqrsCursor *cursor, int64 after_position, int64 last_position)
{
	CqrsLate   *late = palloc0(sizeof(CqrsLate));
	const CqrsSnapshot *done = cursor->done.snapshot;

	late->event = event;
	late->xid_index = xid_index;
	late->snapshot = snapshot;
	late->after_position = Max(cursor->position, after_position);
	late->last_position = last_position;
	if (late->after_position >= last_position)
		return late;

	for (uint32 i = 0; i < done->nxip; i++)
		add_source(late, cursor, done->xip[i]);
	add_unlisted(late, cursor);
	return late;
}

/*
 * The next event, or NULL when there is none; its position goes to *position.
 */
TupleTableSlot *
cqrs_late_next(CqrsLate *late, int64 *position)
{
	Source	   *lowest = NULL;
	Place		place;

	for (int i = 0; i < late->n_sources; i++)
	{
		Source	   *source = &late->sources[i];

		if (lowest == NULL || source->places[source->next_place].position <
			lowest->places[lowest->next_place].position)
			lowest = source;
	}
	if (lowest == NULL)
		return NULL;

	place = lowest->places[lowest->next_place++];
	if (lowest->next_place == lowest->n_places && !find_places(late, lowest, MORE_PLACES))
	{
		/* fill the gap by the last one */
		*lowest = late->sources[--late->n_sources];
	}
	if (late->given == NULL)
		late->given = table_slot_create(late->event, NULL);
	if (!table_tuple_fetch_row_version(late->event, &place.tid, late->snapshot, late->given))
		elog(ERROR, "event at position " INT64_FORMAT " is not there any more", place.position);
	*position = place.position;
	return late->given;
}

void
cqrs_late_end(CqrsLate *late)
{
	for (int i = 0; i < late->n_sources; i++)
		pfree(late->sources[i].places);
	if (late->sources)
		pfree(late->sources);
	if (late->scan)
	{
		index_endscan(late->scan);
		ExecDropSingleTupleTableSlot(late->found);
	}
	if (late->given)
		ExecDropSingleTupleTableSlot(late->given);
	pfree(late);
}

/*
 * Adds the events of a transaction, if the target shows it and it has any that
 * were not delivered.
 */
static void
add_source(CqrsLate *late, const CqrsCursor *cursor, FullTransactionId xid)
{
	Source		source = {.xid = xid, .after_position = late->after_position, .more = true};

	if (!cqrs_snapshot_shows(cursor->target.snapshot, xid))
		return;
	if (FullTransactionIdEquals(xid, cursor->own_xid))
		source.after_position = Max(source.after_position, cursor->own_position);
	if (!find_places(late, &source, FIRST_PLACES))
		return;

	if (late->n_sources >= late->max_sources)
	{
		late->max_sources = Max(8, late->max_sources * 2);
		late->sources = late->sources
			? repalloc(late->sources, late->max_sources * sizeof(Source))
			: palloc(late->max_sources * sizeof(Source));
	}
	late->sources[late->n_sources++] = source;
}

/*
 * Transactions that had an id when done was taken, but one that its snapshot
 * does not reach up to.
 */
static void
add_unlisted(CqrsLate *late, const CqrsCursor *cursor)
{
	FullTransactionId xid = cursor->done.snapshot->xmax;

	while (next_xid(late, xid, cursor->done.next_xid, &xid))
	{
		add_source(late, cursor, xid);
		xid.value++;
	}
}

/*
 * Finds the next events of a source, at most so many.  False when there are no more:
 * then it holds nothing.
 */
static bool
find_places(CqrsLate *late, Source *source, int max)
{
	ScanKeyData keys[3];
	bool		isnull;

	if (source->places)
		pfree(source->places);
	source->places = NULL;
	source->n_places = source->next_place = 0;
	if (!source->more)
		return false;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_XID8EQ, FullTransactionIdGetDatum(source->xid));
	ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(source->after_position));
	ScanKeyInit(&keys[2], 2, BTLessEqualStrategyNumber, F_INT8LE, Int64GetDatum(late->last_position));
	while (source->n_places < max && find_next(late, source->n_places == 0 ? keys : NULL))
	{
		Place	   *place;

		if (source->places == NULL)
			source->places = palloc(max * sizeof(Place));
		place = &source->places[source->n_places++];
		place->position = DatumGetInt64(slot_getattr(late->found, EVENT_POSITION, &isnull));
		place->tid = late->found->tts_tid;
		source->after_position = place->position;
	}
	source->more = (source->n_places == max);
	return source->n_places > 0;
}

/*
 * The lowest xid from "from" on and below "to" that has events.
 */
static bool
next_xid(CqrsLate *late, FullTransactionId from, FullTransactionId to,
		 FullTransactionId *xid)
{
	ScanKeyData keys[3];
	bool		isnull;

	if (!FullTransactionIdPrecedes(from, to))
		return false;

	ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_XID8GE, FullTransactionIdGetDatum(from));
	ScanKeyInit(&keys[1], 1, BTLessStrategyNumber, F_XID8LT, FullTransactionIdGetDatum(to));
	/* any; the scan has three keys */
	ScanKeyInit(&keys[2], 2, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(PG_INT64_MIN));
	if (!find_next(late, keys))
		return false;
	*xid = DatumGetFullTransactionId(slot_getattr(late->found, EVENT_XID, &isnull));
	return true;
}

/*
 * The next event that a scan with these three keys finds, or, without keys, the last scan.
 */
static bool
find_next(CqrsLate *late, ScanKeyData *keys)
{
	CHECK_FOR_INTERRUPTS();
	if (late->scan == NULL)
	{
		late->scan = cqrs_index_beginscan(late->event, late->xid_index, late->snapshot, 3);
		late->found = table_slot_create(late->event, NULL);
	}
	if (keys)
		index_rescan(late->scan, keys, 3, NULL, 0);
	return index_getnext_slot(late->scan, ForwardScanDirection, late->found);
}
