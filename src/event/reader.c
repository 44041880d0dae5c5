/*-------------------------------------------------------------------------
 *
 * reader.c
 *		Reading the log: every committed event once, in position order within a step.
 *
 * NOTES
 *		Positions become visible out of order, so "beyond the last position" is
 *		no answer to "what is new".  A step of a reader is the difference of two
 *		snapshots instead: the events that "target" shows and "done" does not.
 *		What a snapshot shows only grows, so each committed event falls into
 *		exactly one step, and a transaction that stays open for an hour delays
 *		its own events only.
 *
 *		A step is read in two parts, both in position order.  Late events lie
 *		up to done's floor: transactions that were running when done was taken
 *		wrote them, and those are known, so an index on (xid, position) gives
 *		their events at a cost that does not depend on how long ago it was.
 *		All other events of the step lie beyond the floor and are read by a
 *		range of positions.  Nothing is collected or sorted: memory does not
 *		depend on how much there is to read.
 *
 *		When a step is exhausted its target becomes done and a new target is
 *		taken; when that brings nothing, the reader has caught up.  It has, too,
 *		without another target, when it has taken one itself and nobody has drawn
 *		a position since before that: at one event at a time, to look again for
 *		nothing would cost as much as to find the event.  In an
 *		incarnation that has ended (see incarnation.c) all there is has been
 *		committed, so its last target shows everything.
 *
 *		A reader "with own" then gives the events of its own, open transaction.
 *		The cursor remembers how far by position, as no snapshot could say it.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/reader.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "base/compat.h"
#include "event/incarnation.h"
#include "event/late.h"
#include "event/log.h"
#include "event/range.h"
#include "event/reader.h"
#include "event/recent.h"

typedef enum ReaderPhase
{
	READER_IDLE,				/* no step under way; next: LATE, OWN or END */
	READER_LATE,				/* late events of the step; next: RANGE */
	READER_RANGE,				/* the others; next: IDLE */
	READER_OWN,					/* of our own transaction; next: END */
	READER_END,					/* caught up */
	READER_FINISHED				/* what is left is the cursor */
} ReaderPhase;

struct CqrsReader
{
	char	   *name;
	bool		with_own;
	bool		changed;		/* is the cursor to be written? */
	bool		fruitless;		/* has the last step given nothing? */
	bool		has_looked;		/* has it taken a target itself? */
	const CqrsCursor *limit;	/* what it has not delivered, we do not; or NULL */
	ReaderPhase phase;
	CqrsCursor	cursor;
	CqrsIncarnation incarnation;
	ItemPointerData place;		/* of the cursor's row */
	ItemPointer hint;			/* the caller's copy of it, or NULL */
	Snapshot	snapshot;		/* what we read the log with */
	Relation	event;
	Relation	position_index;
	Relation	xid_index;
	TupleTableSlot *slot;
	CqrsRange  *range;			/* phase RANGE */
	IndexScanDesc scan;			/* phase OWN */
	CqrsLate   *late;			/* phase LATE */
	bool		may_share;		/* may it read what another reader has kept? */
	MemoryContext context;
};

static CqrsReader *open_reader(const char *cursor, bool with_own, ItemPointer hint, bool lock);
static void lock_cursor(CqrsReader *reader);
pg_noreturn static void no_cursor(CqrsReader *reader);
static void refresh_snapshot(CqrsReader *reader);
static void begin_step(CqrsReader *reader);
static bool is_quiet(const CqrsReader *reader);
static void end_step(CqrsReader *reader);
static bool take_target(CqrsReader *reader);
static void begin_late(CqrsReader *reader);
static void begin_range(CqrsReader *reader);
static void begin_own(CqrsReader *reader);
static TupleTableSlot *next_own(CqrsReader *reader);
static int64 last_of_step(CqrsReader *reader);
static void stop_scans(CqrsReader *reader);

CqrsReader *
cqrs_reader_open(const char *cursor, bool with_own, ItemPointer hint)
{
	PreventCommandIfReadOnly("reading the event log");
	PreventCommandIfParallelMode("reading the event log");
	return open_reader(cursor, with_own, hint, true);
}

CqrsReader *
cqrs_reader_peek(const char *cursor)
{
	return open_reader(cursor, false, NULL, false);
}

TupleTableSlot *
cqrs_reader_next(CqrsReader *reader)
{
	MemoryContext before = MemoryContextSwitchTo(reader->context);
	TupleTableSlot *slot = NULL;

	while (slot == NULL && reader->phase < READER_END)
	{
		CHECK_FOR_INTERRUPTS();
		switch (reader->phase)
		{
			case READER_IDLE:
				begin_step(reader);
				break;

			case READER_LATE:
				slot = cqrs_late_next(reader->late, &reader->cursor.position);
				if (slot == NULL)
					begin_range(reader);
				break;

			case READER_RANGE:
				slot = cqrs_range_next(reader->range, reader->slot);
				if (slot == NULL)
					end_step(reader);
				break;

			case READER_OWN:
				slot = next_own(reader);
				if (slot == NULL)
					reader->phase = READER_END;
				break;

			case READER_END:
			case READER_FINISHED:
				break;
		}
		if (slot && reader->limit &&
			!cqrs_cursor_has_delivered(reader->limit, reader->cursor.incarnation, slot))
			slot = NULL;
	}

	if (slot)
	{
		reader->changed = true;
		reader->fruitless = false;
	}
	MemoryContextSwitchTo(before);
	return slot;
}

void
cqrs_reader_set_limit(CqrsReader *reader, const CqrsCursor *limit)
{
	reader->limit = limit;
}

/*
 * Snapshots are never changed in place, so a shallow copy does.
 */
void
cqrs_reader_mark(CqrsReader *reader, CqrsCursor *mark)
{
	*mark = reader->cursor;
}

void
cqrs_reader_rewind(CqrsReader *reader, const CqrsCursor *mark)
{
	stop_scans(reader);
	reader->cursor = *mark;
	reader->phase = READER_IDLE;
	reader->fruitless = false;
	reader->has_looked = false;
	if (!cqrs_incarnation_read(mark->incarnation, reader->snapshot, &reader->incarnation))
		reader->phase = READER_END;
}

CqrsDelivered
cqrs_reader_save(CqrsReader *reader)
{
	if (reader->changed)
	{
		cqrs_cursor_write(reader->name, &reader->place, &reader->cursor);
		if (reader->hint)
			*reader->hint = reader->place;
		reader->changed = false;
	}
	return cqrs_cursor_delivered(&reader->cursor);
}

void
cqrs_reader_finish(CqrsReader *reader)
{
	stop_scans(reader);
	ExecDropSingleTupleTableSlot(reader->slot);
	index_close(reader->xid_index, NoLock);
	index_close(reader->position_index, NoLock);
	table_close(reader->event, NoLock);
	UnregisterSnapshot(reader->snapshot);
	reader->phase = READER_FINISHED;
}

void
cqrs_reader_close(CqrsReader *reader)
{
	if (reader->phase != READER_FINISHED)
		cqrs_reader_finish(reader);
	MemoryContextDelete(reader->context);
}

static CqrsReader *
open_reader(const char *cursor, bool with_own, ItemPointer hint, bool lock)
{
	MemoryContext context;
	MemoryContext before;
	CqrsReader *reader;

	context = AllocSetContextCreate(CurrentMemoryContext, "cqrs log reader",
									ALLOCSET_DEFAULT_SIZES);
	before = MemoryContextSwitchTo(context);
	reader = palloc0(sizeof(CqrsReader));
	reader->context = context;
	reader->name = pstrdup(cursor);
	reader->with_own = with_own;
	reader->hint = hint;
	reader->may_share = lock;
	if (lock)
		lock_cursor(reader);
	else if (!cqrs_cursor_read(cursor, &reader->cursor))
		no_cursor(reader);

	reader->event = cqrs_table_open("event", AccessShareLock);
	reader->position_index = cqrs_log_open_index(EVENT_POSITION_INDEX);
	reader->xid_index = cqrs_log_open_index(EVENT_XID_INDEX);
	reader->slot = table_slot_create(reader->event, NULL);
	refresh_snapshot(reader);
	begin_step(reader);
	MemoryContextSwitchTo(before);
	return reader;
}

static void
lock_cursor(CqrsReader *reader)
{
	Relation	rel = cqrs_table_open("cursor", RowExclusiveLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);

	if (!cqrs_cursor_lock(rel, reader->name, reader->hint, slot, &reader->cursor))
		no_cursor(reader);
	reader->place = slot->tts_tid;
	if (reader->hint)
		*reader->hint = reader->place;
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
}

static void
no_cursor(CqrsReader *reader)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("cursor \"%s\" does not exist", reader->name)));
}

/*
 * Takes the snapshot that we read with from now on.  Targets are taken from
 * the same moment or before it, so it shows all that they do.
 */
static void
refresh_snapshot(CqrsReader *reader)
{
	if (reader->snapshot)
		UnregisterSnapshot(reader->snapshot);
	CommandCounterIncrement();
	reader->snapshot = RegisterSnapshot(GetTransactionSnapshot());
}

/*
 * Goes on with the step that the cursor is in, or begins the next one.
 */
static void
begin_step(CqrsReader *reader)
{
	if (!is_quiet(reader) &&
		cqrs_incarnation_read(reader->cursor.incarnation, reader->snapshot,
							  &reader->incarnation) &&
		(reader->cursor.target.snapshot || take_target(reader)))
		begin_late(reader);
	else if (reader->with_own)
		begin_own(reader);
	else
		reader->phase = READER_END;
}

/*
 * Between two steps: has nobody drawn a position since before we looked last?  Then
 * we do not look again; whoever is on the way with an older one comes in time for
 * the next reader.
 */
static bool
is_quiet(const CqrsReader *reader)
{
	return reader->has_looked && reader->cursor.target.snapshot == NULL &&
		reader->incarnation.is_here && reader->cursor.done.floor == cqrs_log_last_drawn();
}

/*
 * The step has been delivered: its target is done.
 *
 * A target that shows everything stays the target for as long as it is not
 * known where its incarnation ends.
 */
static void
end_step(CqrsReader *reader)
{
	CqrsCursor *cursor = &reader->cursor;
	bool		is_last = !reader->incarnation.is_here &&
		cqrs_snapshot_shows(cursor->target.snapshot, FullTransactionIdFromU64(PG_INT64_MAX - 1));

	stop_scans(reader);
	if (is_last && reader->incarnation.last_position == PG_INT64_MAX)
	{
		reader->phase = READER_END;
		return;
	}

	if (is_last)
	{
		cqrs_cursor_begin(cursor, cursor->incarnation + 1, reader->incarnation.last_position);
		reader->changed = true;
		reader->fruitless = false;
	}
	else
	{
		cursor->done = cursor->target;
		memset(&cursor->target, 0, sizeof(CqrsMoment));
		cursor->position = 0;
		if (FullTransactionIdIsValid(cursor->own_xid) &&
			cqrs_snapshot_shows(cursor->done.snapshot, cursor->own_xid))
			cursor->own_xid = InvalidFullTransactionId;
	}
	reader->phase = READER_IDLE;
}

/*
 * Takes a new target.  False when there cannot be anything new.
 */
static bool
take_target(CqrsReader *reader)
{
	CqrsCursor *cursor = &reader->cursor;

	/* a step that another reader has been through; it says nothing about now */
	if (reader->may_share && cqrs_recent_target(cursor, &cursor->target))
	{
		cursor->position = 0;
		return true;
	}

	/* two steps without an event: whoever is busy, it is not with the log */
	if (reader->fruitless)
		return false;
	reader->fruitless = true;

	if (reader->incarnation.is_here)
	{
		reader->has_looked = true;
		cursor->target = cqrs_moment_take();
		refresh_snapshot(reader);
	}
	else
	{
		cursor->target.snapshot = cqrs_snapshot_of_everything();
		cursor->target.next_xid = cursor->target.snapshot->xmax;
		cursor->target.floor = cursor->target.ceiling = PG_INT64_MAX;
	}
	cursor->position = 0;
	if (!cqrs_snapshot_equal(cursor->done.snapshot, cursor->target.snapshot))
		return true;
	memset(&cursor->target, 0, sizeof(CqrsMoment));
	return false;
}

static void
begin_late(CqrsReader *reader)
{
	CqrsCursor *cursor = &reader->cursor;

	reader->phase = READER_LATE;
	reader->late = cqrs_late_begin(reader->event, reader->xid_index, reader->snapshot,
								   cursor, reader->incarnation.after_position,
								   Min(cursor->done.floor, last_of_step(reader)));
}

static void
begin_range(CqrsReader *reader)
{
	cqrs_late_end(reader->late);
	reader->late = NULL;
	reader->range = cqrs_range_begin(reader->event, reader->position_index, reader->snapshot,
									 &reader->cursor, last_of_step(reader),
									 reader->may_share && reader->limit == NULL);
	reader->phase = READER_RANGE;
}

/*
 * All that others have committed is delivered, so what our own transaction has
 * added comes last: whatever caused it is before it.
 */
static void
begin_own(CqrsReader *reader)
{
	FullTransactionId xid = GetTopFullTransactionIdIfAny();
	CqrsCursor *cursor = &reader->cursor;
	ScanKeyData keys[2];

	reader->phase = READER_END;
	if (!FullTransactionIdIsValid(xid) || !reader->incarnation.is_here)
		return;

	if (!FullTransactionIdEquals(cursor->own_xid, xid))
	{
		cursor->own_xid = xid;
		cursor->own_position = reader->incarnation.after_position;
	}
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_XID8EQ, FullTransactionIdGetDatum(xid));
	ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_INT8GT,
				Int64GetDatum(cursor->own_position));
	reader->scan = cqrs_index_beginscan(reader->event, reader->xid_index, reader->snapshot, 2);
	index_rescan(reader->scan, keys, 2, NULL, 0);
	reader->phase = READER_OWN;
}

/*
 * The next event of our own transaction.
 */
static TupleTableSlot *
next_own(CqrsReader *reader)
{
	bool		isnull;

	if (!index_getnext_slot(reader->scan, ForwardScanDirection, reader->slot))
	{
		stop_scans(reader);
		return NULL;
	}
	reader->cursor.own_position =
		DatumGetInt64(slot_getattr(reader->slot, EVENT_POSITION, &isnull));
	return reader->slot;
}

/*
 * No event of the step lies beyond this position.
 */
static int64
last_of_step(CqrsReader *reader)
{
	return Min(reader->cursor.target.ceiling, reader->incarnation.last_position);
}

static void
stop_scans(CqrsReader *reader)
{
	if (reader->scan)
		index_endscan(reader->scan);
	reader->scan = NULL;
	if (reader->range)
		cqrs_range_end(reader->range);
	reader->range = NULL;
	if (reader->late)
		cqrs_late_end(reader->late);
	reader->late = NULL;
	ExecClearTuple(reader->slot);
}
