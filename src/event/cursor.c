/*-------------------------------------------------------------------------
 *
 * cursor.c
 *		How far a durable reader of the log has come.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/cursor.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "base/compat.h"
#include "base/plans.h"
#include "base/table.h"
#include "event/cursor.h"
#include "event/log.h"

/* columns of cqrs.cursor */
enum
{
	COL_NAME = 1,
	COL_INCARNATION,
	COL_DONE,
	COL_DONE_NEXT_XID,
	COL_DONE_FLOOR,
	COL_TARGET,
	COL_TARGET_NEXT_XID,
	COL_TARGET_FLOOR,
	COL_TARGET_CEILING,
	COL_POSITION,
	COL_OWN_XID,
	COL_OWN_POSITION
};

/* versions of a row that are looked at one after another before the index is asked */
#define MAX_VERSIONS 100

static bool find_near(Relation rel, text *key, ItemPointer hint, TupleTableSlot *slot);
static void cursor_to_row(const CqrsCursor *cursor, const char *name, CqrsTable *table);
static void row_to_cursor(TupleTableSlot *slot, CqrsCursor *cursor);
static CqrsSnapshot *get_snapshot(TupleTableSlot *slot, int column);
static int64 get_int64(TupleTableSlot *slot, int column);

/*
 * Adds a cursor that stands before the first event.
 */
void
cqrs_cursor_create(const char *name)
{
	CqrsTable	table;
	CqrsCursor	cursor;

	cqrs_cursor_begin(&cursor, 1, 0);
	cqrs_table_begin(&table, "cursor");
	cursor_to_row(&cursor, name, &table);
	if (!cqrs_table_insert_unless_exists(&table))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("cursor \"%s\" already exists", name)));
	cqrs_table_end(&table);
	CommandCounterIncrement();
}

/*
 * Removes a cursor; false when there was none.
 */
bool
cqrs_cursor_drop(const char *name)
{
	Datum		value = CStringGetTextDatum(name);
	uint64		dropped;

	SPI_connect();
	dropped = cqrs_plan_execute(CQRS_PLAN_DELETE_CURSOR, &value, NULL);
	SPI_finish();
	return dropped > 0;
}

/*
 * Before the first event of an incarnation.
 */
void
cqrs_cursor_begin(CqrsCursor *cursor, int32 incarnation, int64 after_position)
{
	memset(cursor, 0, sizeof(CqrsCursor));
	cursor->incarnation = incarnation;
	cursor->done.snapshot = cqrs_snapshot_of_nothing();
	cursor->done.next_xid = cursor->done.snapshot->xmax;
	cursor->done.floor = after_position;
}

/*
 * Locks the cursor's row until the end of the transaction and reads it.  False
 * when there is none.  "slot" then tells the row's place.
 *
 * The lock comes before any snapshot that is to become the cursor's target:
 * that is what makes the targets of one cursor a rising sequence.
 */
bool
cqrs_cursor_lock(Relation rel, const char *name, ItemPointer hint,
				 TupleTableSlot *slot, CqrsCursor *cursor)
{
	if (!cqrs_row_lock(rel, cstring_to_text(name), hint, slot))
		return false;
	row_to_cursor(slot, cursor);
	return true;
}

/*
 * Reads a cursor as it is now, without a lock.  False when there is none.
 */
bool
cqrs_cursor_read(const char *name, CqrsCursor *cursor)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	bool		found = cqrs_cursor_read_as_of(name, snapshot, cursor);

	UnregisterSnapshot(snapshot);
	return found;
}

/*
 * The same for one who knows where its row was not long ago.  An index scan
 * would have to look at each version that an old snapshot keeps.  The snapshot
 * is there for what is stored out of line.
 */
bool
cqrs_cursor_read_near(const char *name, ItemPointer hint, CqrsCursor *cursor)
{
	Relation	rel = cqrs_table_open("cursor", AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	bool		found = find_near(rel, cstring_to_text(name), hint, slot);

	if (found)
		row_to_cursor(slot, cursor);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	return found || cqrs_cursor_read(name, cursor);
}

/*
 * Reads a cursor as the snapshot shows it.  False when there is none.
 */
bool
cqrs_cursor_read_as_of(const char *name, Snapshot snapshot, CqrsCursor *cursor)
{
	Relation	rel = cqrs_table_open("cursor", AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	bool		found = cqrs_row_read(rel, cstring_to_text(name), NULL, snapshot, slot);

	if (found)
		row_to_cursor(slot, cursor);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	return found;
}

/*
 * One that has delivered what the active snapshot shows, and what our own
 * transaction has appended so far.
 */
void
cqrs_cursor_of_snapshot(CqrsCursor *cursor, int32 incarnation)
{
	cqrs_cursor_begin(cursor, incarnation, 0);
	cursor->done.snapshot = cqrs_snapshot_take();
	cursor->own_xid = GetTopFullTransactionIdIfAny();
	cursor->own_position = cqrs_log_last_drawn();
}

/*
 * Writes a cursor whose row we hold locked at "tid", which then says where the
 * row is now.
 */
void
cqrs_cursor_write(const char *name, ItemPointer tid, const CqrsCursor *cursor)
{
	CqrsTable	table;

	cqrs_table_begin(&table, "cursor");
	cursor_to_row(cursor, name, &table);
	Assert(ItemPointerIsValid(tid));
	if (!cqrs_row_update(&table, tid))
		elog(ERROR, "cursor \"%s\" was changed while it was locked", name);
	*tid = table.slot->tts_tid;
	cqrs_table_end(&table);

	/* the cursor may be opened again in the same statement */
	CommandCounterIncrement();
}

/*
 * Lets one cursor stand where another one does; both exist.
 */
void
cqrs_cursor_copy(const char *from, const char *to)
{
	Relation	rel = cqrs_table_open("cursor", RowExclusiveLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	CqrsCursor	cursor;
	CqrsCursor	ignored;

	if (!cqrs_cursor_read(from, &cursor) || !cqrs_cursor_lock(rel, to, NULL, slot, &ignored))
		elog(ERROR, "cursor \"%s\" or \"%s\" does not exist", from, to);
	cqrs_cursor_write(to, &slot->tts_tid, &cursor);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
}

/*
 * Had the cursor, as it was read, delivered this event of an incarnation?
 */
bool
cqrs_cursor_has_delivered(const CqrsCursor *cursor, int32 incarnation, TupleTableSlot *event)
{
	FullTransactionId xid;
	int64		position;

	if (incarnation != cursor->incarnation)
		return incarnation < cursor->incarnation;

	slot_getsomeattrs(event, EVENT_XID);
	xid = DatumGetFullTransactionId(event->tts_values[EVENT_XID - 1]);
	position = DatumGetInt64(event->tts_values[EVENT_POSITION - 1]);
	return cqrs_snapshot_shows(cursor->done.snapshot, xid) ||
		(cursor->target.snapshot && position <= cursor->position &&
		 cqrs_snapshot_shows(cursor->target.snapshot, xid)) ||
		(FullTransactionIdEquals(xid, cursor->own_xid) && position <= cursor->own_position);
}

/*
 * What is behind it for certain, without the events of transactions that were still
 * running, or whose step is not finished.
 */
CqrsDelivered
cqrs_cursor_delivered(const CqrsCursor *cursor)
{
	return (CqrsDelivered) {.incarnation = cursor->incarnation, .below = cursor->done.snapshot->xmin};
}

/*
 * The present moment.  In a transaction with one snapshot for all its
 * statements, the moment when that was taken, with a later ceiling.
 */
CqrsMoment
cqrs_moment_take(void)
{
	CqrsMoment	now;

	/* the order matters: see the struct */
	now.floor = cqrs_log_last_drawn();
	PushActiveSnapshot(GetTransactionSnapshot());
	now.snapshot = cqrs_snapshot_take();
	PopActiveSnapshot();
	now.next_xid = ReadNextFullTransactionId();
	now.ceiling = cqrs_log_last_drawn();
	return now;
}

/*
 * Goes from a version of the row to the next until it comes to the one that is
 * alive.  False when it does not.
 */
static bool
find_near(Relation rel, text *key, ItemPointer hint, TupleTableSlot *slot)
{
	ItemPointerData tid = *hint;

	for (int i = 0; i < MAX_VERSIONS; i++)
	{
		HeapTuple	tuple;

		if (cqrs_row_at(rel, key, &tid, slot))
			return true;
		if (!ItemPointerIsValid(&tid) ||
			!cqrs_block_exists(rel, ItemPointerGetBlockNumber(&tid)) ||
			!table_tuple_fetch_row_version(rel, &tid, SnapshotAny, slot))
			return false;
		tuple = ExecFetchSlotHeapTuple(slot, false, NULL);
		if (ItemPointerEquals(&tuple->t_data->t_ctid, &tid))
			return false;
		tid = tuple->t_data->t_ctid;
	}
	return false;
}

static void
cursor_to_row(const CqrsCursor *cursor, const char *name, CqrsTable *table)
{
	Datum	   *values = cqrs_table_new_row(table->slot, COL_OWN_POSITION);
	bool	   *nulls = table->slot->tts_isnull;
	bool		no_target = (cursor->target.snapshot == NULL);

	values[COL_NAME - 1] = CStringGetTextDatum(name);
	values[COL_INCARNATION - 1] = Int32GetDatum(cursor->incarnation);
	values[COL_DONE - 1] = PointerGetDatum(cursor->done.snapshot);
	values[COL_DONE_NEXT_XID - 1] = FullTransactionIdGetDatum(cursor->done.next_xid);
	values[COL_DONE_FLOOR - 1] = Int64GetDatum(cursor->done.floor);
	values[COL_TARGET - 1] = PointerGetDatum(cursor->target.snapshot);
	values[COL_TARGET_NEXT_XID - 1] = FullTransactionIdGetDatum(cursor->target.next_xid);
	values[COL_TARGET_FLOOR - 1] = Int64GetDatum(cursor->target.floor);
	values[COL_TARGET_CEILING - 1] = Int64GetDatum(cursor->target.ceiling);
	for (int column = COL_TARGET; column <= COL_TARGET_CEILING; column++)
		nulls[column - 1] = no_target;
	values[COL_POSITION - 1] = Int64GetDatum(cursor->position);
	values[COL_OWN_XID - 1] = FullTransactionIdGetDatum(cursor->own_xid);
	values[COL_OWN_POSITION - 1] = Int64GetDatum(cursor->own_position);
	nulls[COL_OWN_XID - 1] = nulls[COL_OWN_POSITION - 1] =
		!FullTransactionIdIsValid(cursor->own_xid);
}

static void
row_to_cursor(TupleTableSlot *slot, CqrsCursor *cursor)
{
	memset(cursor, 0, sizeof(CqrsCursor));
	cursor->incarnation = (int32) get_int64(slot, COL_INCARNATION);
	cursor->done.snapshot = get_snapshot(slot, COL_DONE);
	cursor->done.next_xid = FullTransactionIdFromU64(get_int64(slot, COL_DONE_NEXT_XID));
	cursor->done.floor = get_int64(slot, COL_DONE_FLOOR);
	cursor->target.snapshot = get_snapshot(slot, COL_TARGET);
	cursor->target.next_xid = FullTransactionIdFromU64(get_int64(slot, COL_TARGET_NEXT_XID));
	cursor->target.floor = get_int64(slot, COL_TARGET_FLOOR);
	cursor->target.ceiling = get_int64(slot, COL_TARGET_CEILING);
	cursor->position = get_int64(slot, COL_POSITION);
	cursor->own_xid = FullTransactionIdFromU64(get_int64(slot, COL_OWN_XID));
	cursor->own_position = get_int64(slot, COL_OWN_POSITION);
}

static CqrsSnapshot *
get_snapshot(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	/* always a copy, aligned, that outlives the slot */
	return isnull ? NULL : (CqrsSnapshot *) PG_DETOAST_DATUM_COPY(value);
}

/*
 * An integer of either size or an xid8; 0 for null.
 */
static int64
get_int64(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	if (isnull)
		return 0;
	return column == COL_INCARNATION ? DatumGetInt32(value) : DatumGetInt64(value);
}
