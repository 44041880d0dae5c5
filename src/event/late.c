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
 *		merged by position, one index scan for each transaction.
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

/*
 * The late events of one transaction; "slot" holds the next one.
 */
typedef struct Source
{
	IndexScanDesc scan;
	TupleTableSlot *slot;
	int64		position;
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
	Source	   *given;			/* whose slot the caller has, or NULL */
};

static void add_source(CqrsLate *late, const CqrsCursor *cursor, FullTransactionId xid);
static void add_unlisted(CqrsLate *late, const CqrsCursor *cursor);
static bool advance(CqrsLate *late, Source *source);
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

	if (late->given && !advance(late, late->given))
	{
		/* fill the gap by the last one */
		*late->given = late->sources[--late->n_sources];
	}
	late->given = NULL;

	for (int i = 0; i < late->n_sources; i++)
		if (lowest == NULL || late->sources[i].position < lowest->position)
			lowest = &late->sources[i];
	if (lowest == NULL)
		return NULL;

	late->given = lowest;
	*position = lowest->position;
	return lowest->slot;
}

void
cqrs_late_end(CqrsLate *late)
{
	for (int i = 0; i < late->n_sources; i++)
	{
		index_endscan(late->sources[i].scan);
		ExecDropSingleTupleTableSlot(late->sources[i].slot);
	}
	if (late->sources)
		pfree(late->sources);
	pfree(late);
}

/*
 * Adds the events of a transaction, if the target shows it and it has any that
 * were not delivered.
 */
static void
add_source(CqrsLate *late, const CqrsCursor *cursor, FullTransactionId xid)
{
	int64		after_position = late->after_position;
	ScanKeyData keys[3];
	Source		source;

	if (!cqrs_snapshot_shows(cursor->target.snapshot, xid))
		return;
	if (FullTransactionIdEquals(xid, cursor->own_xid))
		after_position = Max(after_position, cursor->own_position);

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_XID8EQ, FullTransactionIdGetDatum(xid));
	ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(after_position));
	ScanKeyInit(&keys[2], 2, BTLessEqualStrategyNumber, F_INT8LE, Int64GetDatum(late->last_position));
	source.scan = cqrs_index_beginscan(late->event, late->xid_index, late->snapshot, 3);
	source.slot = table_slot_create(late->event, NULL);
	index_rescan(source.scan, keys, 3, NULL, 0);

	if (late->n_sources >= late->max_sources)
	{
		late->max_sources = Max(8, late->max_sources * 2);
		late->sources = late->sources
			? repalloc(late->sources, late->max_sources * sizeof(Source))
			: palloc(late->max_sources * sizeof(Source));
	}
	if (advance(late, &source))
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
 * Goes to the next event of a source.  At its end, closes it and says false.
 */
static bool
advance(CqrsLate *late, Source *source)
{
	bool		isnull;

	CHECK_FOR_INTERRUPTS();
	if (index_getnext_slot(source->scan, ForwardScanDirection, source->slot))
	{
		source->position = DatumGetInt64(slot_getattr(source->slot, EVENT_POSITION, &isnull));
		return true;
	}
	index_endscan(source->scan);
	ExecDropSingleTupleTableSlot(source->slot);
	return false;
}

/*
 * The lowest xid from "from" on and below "to" that has events.
 */
static bool
next_xid(CqrsLate *late, FullTransactionId from, FullTransactionId to,
		 FullTransactionId *xid)
{
	TupleTableSlot *slot;
	IndexScanDesc scan;
	ScanKeyData keys[2];
	bool		found;
	bool		isnull;

	if (!FullTransactionIdPrecedes(from, to))
		return false;

	ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_XID8GE, FullTransactionIdGetDatum(from));
	ScanKeyInit(&keys[1], 1, BTLessStrategyNumber, F_XID8LT, FullTransactionIdGetDatum(to));
	slot = table_slot_create(late->event, NULL);
	scan = cqrs_index_beginscan(late->event, late->xid_index, late->snapshot, 2);
	index_rescan(scan, keys, 2, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	if (found)
		*xid = DatumGetFullTransactionId(slot_getattr(slot, EVENT_XID, &isnull));
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return found;
}
