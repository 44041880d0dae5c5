/*-------------------------------------------------------------------------
 *
 * range.c
 *		The part of a step that is read by a range of positions.
 *
 * NOTES
 *		From the log, or from what another reader of this session has kept of
 *		the same part of it, and then from the log if there is more.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/range.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/xid8.h"

#include "base/compat.h"
#include "event/log.h"
#include "event/range.h"
#include "event/recent.h"

struct CqrsRange
{
	Relation	event;
	Relation	index;
	Snapshot	snapshot;
	CqrsCursor *cursor;
	int64		last_position;
	IndexScanDesc scan;			/* NULL: not from the log, or at the end */
	CqrsRecentUse recent;
	MemoryContextCallback at_end;
};

static void scan_log(CqrsRange *range, int64 after_position);
static TupleTableSlot *next_kept(CqrsRange *range);
static bool belongs_to_step(CqrsCursor *cursor, TupleTableSlot *slot);
static void leave_recent(void *range);

/*
 * The events beyond done's floor, and beyond the cursor's position, up to the
 * last one.  As they are given, the cursor moves.  Lives in the current memory
 * context, which has to go after an error.
 */
CqrsRange *
cqrs_range_begin(Relation event, Relation index, Snapshot snapshot,
				 CqrsCursor *cursor, int64 last_position, bool may_share)
{
	CqrsRange  *range = palloc0(sizeof(CqrsRange));
	int64		after_position = Max(cursor->position, cursor->done.floor);

	range->event = event;
	range->index = index;
	range->snapshot = snapshot;
	range->cursor = cursor;
	range->last_position = last_position;

	/* also when an error ends the reader */
	range->at_end.func = leave_recent;
	range->at_end.arg = range;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &range->at_end);

	if (may_share)
		cqrs_recent_begin(&range->recent, cursor, after_position);
	if (!range->recent.reads)
		scan_log(range, after_position);
	return range;
}

/*
 * The next event, or NULL.  "slot" may be used for it.
 */
TupleTableSlot *
cqrs_range_next(CqrsRange *range, TupleTableSlot *slot)
{
	if (range->recent.reads)
	{
		TupleTableSlot *kept = next_kept(range);

		if (kept)
			return kept;
	}
	while (range->scan && index_getnext_slot(range->scan, ForwardScanDirection, slot))
	{
		if (belongs_to_step(range->cursor, slot))
			return range->recent.writes ?
				cqrs_recent_add(&range->recent, slot, range->cursor->position) : slot;
		CHECK_FOR_INTERRUPTS();
	}
	if (range->recent.writes)
		cqrs_recent_set_complete(&range->recent);
	return NULL;
}

void
cqrs_range_end(CqrsRange *range)
{
	if (range->scan)
		index_endscan(range->scan);
	range->scan = NULL;
	leave_recent(range);
}

static void
scan_log(CqrsRange *range, int64 after_position)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(after_position));
	ScanKeyInit(&keys[1], 1, BTLessEqualStrategyNumber, F_INT8LE,
				Int64GetDatum(range->last_position));
	range->scan = cqrs_index_beginscan(range->event, range->index, range->snapshot, 2);
	index_rescan(range->scan, keys, 2, NULL, 0);
}

/*
 * From what was kept.  At its end the log goes on, if there is more.
 */
static TupleTableSlot *
next_kept(CqrsRange *range)
{
	TupleTableSlot *slot = cqrs_recent_next(&range->recent, &range->cursor->position);
	int64		position = range->cursor->position;
	bool		complete;

	if (slot)
		return slot;
	complete = cqrs_recent_complete(&range->recent, &position);
	leave_recent(range);
	if (!complete)
		scan_log(range, Max(position, range->cursor->done.floor));
	return NULL;
}

/*
 * Is this event new in the cursor's step?  Then the cursor moves there.
 */
static bool
belongs_to_step(CqrsCursor *cursor, TupleTableSlot *slot)
{
	FullTransactionId xid;
	int64		position;

	slot_getsomeattrs(slot, EVENT_XID);
	xid = DatumGetFullTransactionId(slot->tts_values[EVENT_XID - 1]);
	position = DatumGetInt64(slot->tts_values[EVENT_POSITION - 1]);

	if (!cqrs_snapshot_shows(cursor->target.snapshot, xid) ||
		cqrs_snapshot_shows(cursor->done.snapshot, xid) ||
		(FullTransactionIdEquals(xid, cursor->own_xid) && position <= cursor->own_position))
		return false;
	cursor->position = position;
	return true;
}

static void
leave_recent(void *range)
{
	cqrs_recent_end(&((CqrsRange *) range)->recent);
}
