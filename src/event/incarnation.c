/*-------------------------------------------------------------------------
 *
 * incarnation.c
 *		The databases this log has lived in, and which part each one wrote.
 *
 * NOTES
 *		A transaction id means something in one cluster only.  After a dump is
 *		restored elsewhere, after pg_upgrade, and in a copy of a database, all
 *		events that came along are known to be committed, whatever their xids
 *		say, while the xids of new ones are those of the new home.  So the log
 *		is divided by position into incarnations.
 *
 *		The row of a new incarnation is added by the first append, in its own
 *		transaction, so no event is visible without the row that it belongs to.
 *		Another append that does not see that row yet adds its own, rather than
 *		wait for a transaction that may stay open: as no event of the new
 *		incarnation is visible to either of the two, both find the same last
 *		position, and the rows say the same.  Equal rows count as one.
 *
 *		A restore that is still copying events must not be overtaken; it is
 *		the one thing that a first append waits for.  Readers never add a row:
 *		they may be at work while a dump is being loaded.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/incarnation.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/table.h"
#include "event/incarnation.h"
#include "event/log.h"

/* columns of cqrs.incarnation */
enum
{
	COL_ID = 1,
	COL_SYSTEM_IDENTIFIER,
	COL_DATABASE,
	COL_AFTER_POSITION,
	COL_STARTED_AT
};

/* the event table for which we have seen our incarnation's committed row */
static Oid	settled_event_table = InvalidOid;

/* the event table of which we know that its last events are of this server */
static Oid	known_event_table = InvalidOid;

/* the incarnation that is this database, when readers have seen its row and events */
static Oid	home_event_table = InvalidOid;
static CqrsIncarnation home;

/* our incarnation, as the last append of this session saw it */
static int32 current_id = 0;
static int64 current_after_position = PG_INT64_MAX;

typedef struct LastRow
{
	int32		id;				/* 0 when there is none */
	int64		after_position;
	bool		is_here;
	bool		is_committed;
} LastRow;

static bool is_empty(Snapshot snapshot);
static LastRow read_last(Relation rel, Snapshot snapshot);
static bool is_our_history(int64 after_position, Snapshot snapshot);
static void wait_for_restore(Relation rel, Relation event);
static bool writes_to(Relation rel, VirtualTransactionId vxid, const LockData *locks);
static int32 add_incarnation(int64 last_event, int32 last_id);
static void add_row(int32 id, uint64 system_identifier, Oid database, int64 after_position);
static bool names_this_database(TupleTableSlot *slot);
static bool is_own(TupleTableSlot *slot);
static int64 get_int64(TupleTableSlot *slot, int column);

/*
 * Reads an incarnation as of a snapshot.  False when there is no such row.
 *
 * That of this database stays the last one for as long as the database is here. Once
 * the log has events of it, which only this server can have written, a session does not
 * read its row again.
 */
bool
cqrs_incarnation_read(int32 id, Snapshot snapshot, CqrsIncarnation *result)
{
	Oid			event_oid = cqrs_table_oid("event");
	Relation	rel;
	TupleTableSlot *slot;
	TableScanDesc scan;
	bool		found = false;
	bool		own = false;

	if (home_event_table == event_oid && home.id == id)
	{
		*result = home;
		return true;
	}

	rel = cqrs_table_open("incarnation", AccessShareLock);
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, snapshot, 0, NULL);
	result->id = id;
	result->last_position = PG_INT64_MAX;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		int32		row_id = (int32) get_int64(slot, COL_ID);

		if (row_id == id)
		{
			found = true;
			result->after_position = get_int64(slot, COL_AFTER_POSITION);
			result->is_here = names_this_database(slot);
			own = is_own(slot);
		}
		else if (row_id == id + 1)
			result->last_position = get_int64(slot, COL_AFTER_POSITION);
	}

	if (result->last_position != PG_INT64_MAX)
		result->is_here = false;
	else if (found && result->is_here)
		result->is_here = is_our_history(result->after_position, snapshot);

	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
	if (found && result->is_here && !own && known_event_table == event_oid)
	{
		home = *result;
		home_event_table = event_oid;
	}
	return found;
}

/*
 * Called by an append before it draws a position: sees to it that the last
 * incarnation is this database.  Costs nothing but for the first time.
 */
void
cqrs_incarnation_ensure(Oid event_oid)
{
	Relation	rel;
	LastRow		last;

	if (settled_event_table == event_oid)
		return;

	rel = cqrs_table_open("incarnation", AccessShareLock);
	last = read_last(rel, GetLatestSnapshot());
	if (last.id == 0 || !last.is_here)
	{
		Relation	event = table_open(event_oid, AccessShareLock);
		Snapshot	snapshot;

		wait_for_restore(rel, event);
		snapshot = RegisterSnapshot(GetLatestSnapshot());
		last = read_last(rel, snapshot);
		if (last.id == 0 || !last.is_here)
		{
			last.after_position = cqrs_log_last_position(event, snapshot, NULL);
			last.id = add_incarnation(last.after_position, last.id);
			last.is_committed = false;
		}
		UnregisterSnapshot(snapshot);
		table_close(event, NoLock);
	}
	table_close(rel, NoLock);

	current_id = last.id;
	current_after_position = last.after_position;
	if (last.is_committed)
		settled_event_table = event_oid;
}

/*
 * The incarnation that the last append of this session belongs to; 0 when it has
 * not appended.
 */
int32
cqrs_incarnation_current(void)
{
	return current_id;
}

/*
 * What this database has appended lies beyond this position: up to there, the
 * same transaction id may be that of another server's transaction.  When this
 * session has not appended anything yet, that is beyond all positions.
 */
int64
cqrs_incarnation_floor(void)
{
	return current_after_position;
}

/*
 * The incarnation that this database is, or will be from the next append on, in
 * the eyes of a snapshot.
 */
int32
cqrs_incarnation_here(Snapshot snapshot)
{
	Relation	rel = cqrs_table_open("incarnation", AccessShareLock);
	LastRow		last = read_last(rel, snapshot);

	table_close(rel, NoLock);
	if (last.id > 0)
		return last.is_here ? last.id : last.id + 1;
	/* events without an incarnation get one of their own before */
	return is_empty(snapshot) ? 1 : 2;
}

/*
 * Has this log been written by appends of this database last?  If not, it came
 * by a restore, which may still be under way, by a copy, or by an upgrade.  A log
 * without events is settled.
 */
bool
cqrs_incarnation_is_settled(Snapshot snapshot)
{
	Relation	rel = cqrs_table_open("incarnation", AccessShareLock);
	LastRow		last = read_last(rel, snapshot);
	bool		result = last.is_here;

	table_close(rel, NoLock);
	if (last.id == 0)
		result = is_empty(snapshot);
	return result;
}

/*
 * Are there no events?
 */
static bool
is_empty(Snapshot snapshot)
{
	Relation	event = cqrs_table_open("event", AccessShareLock);
	bool		result = (cqrs_log_last_position(event, snapshot, NULL) == 0);

	table_close(event, NoLock);
	return result;
}

static LastRow
read_last(Relation rel, Snapshot snapshot)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan;
	LastRow		last = {0};

	snapshot = RegisterSnapshot(snapshot);
	scan = table_beginscan(rel, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		int32		id = (int32) get_int64(slot, COL_ID);

		if (id < last.id)
			continue;
		if (id > last.id)
			last.is_committed = false;
		last.id = id;
		last.after_position = get_int64(slot, COL_AFTER_POSITION);
		last.is_here = names_this_database(slot);
		if (!is_own(slot))
			last.is_committed = true;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	if (last.is_here)
		last.is_here = is_our_history(last.after_position, snapshot);
	UnregisterSnapshot(snapshot);
	return last;
}

/*
 * A row may name this database, and yet the log come from elsewhere: this server is
 * an older copy of the one that the log was dumped from.  Then it has events of
 * transactions that are still to come here.
 */
static bool
is_our_history(int64 after_position, Snapshot snapshot)
{
	Oid			event_oid = cqrs_table_oid("event");
	Relation	event;
	FullTransactionId xid = InvalidFullTransactionId;
	int64		position;

	if (known_event_table == event_oid)
		return true;
	event = table_open(event_oid, AccessShareLock);
	position = cqrs_log_last_position(event, snapshot, &xid);
	table_close(event, NoLock);
	if (position <= after_position)
		return true;
	if (!FullTransactionIdPrecedes(xid, ReadNextFullTransactionId()))
		return false;
	known_event_table = event_oid;
	return true;
}

/*
 * Waits for the end of transactions that write to the log, but not to
 * cqrs.incarnation: a dump is being restored.  Other first appends write to both.
 * VACUUM, ANALYZE and CREATE INDEX CONCURRENTLY, which may take long after a
 * restore, conflict with SHARE and write to neither.
 */
static void
wait_for_restore(Relation rel, Relation event)
{
	LOCKTAG		tag;
	VirtualTransactionId *others;
	LockData   *locks;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, RelationGetRelid(event));
	others = GetLockConflicts(&tag, ShareLock, NULL);
	if (!VirtualTransactionIdIsValid(*others))
		return;

	locks = GetLockStatusData();
	for (; VirtualTransactionIdIsValid(*others); others++)
		if (writes_to(event, *others, locks) && !writes_to(rel, *others, locks))
			VirtualXactLock(*others, true);
}

/*
 * Does the transaction hold a lock that is good for writing to the table?  It may
 * hold several.
 */
static bool
writes_to(Relation rel, VirtualTransactionId vxid, const LockData *locks)
{
	const LOCKMASK writing = LOCKBIT_ON(RowExclusiveLock) | LOCKBIT_ON(ShareRowExclusiveLock) |
		LOCKBIT_ON(ExclusiveLock) | LOCKBIT_ON(AccessExclusiveLock);

	for (int i = 0; i < locks->nelements; i++)
	{
		const LockInstanceData *lock = &locks->locks[i];

		if (lock->locktag.locktag_type == LOCKTAG_RELATION &&
			lock->locktag.locktag_field1 == MyDatabaseId &&
			lock->locktag.locktag_field2 == RelationGetRelid(rel) &&
			(lock->holdMask & writing) != 0 &&
			VirtualTransactionIdEquals(cqrs_lock_holder(lock), vxid))
			return true;
	}
	return false;
}

/*
 * All events there are belong to the incarnations before.  The sequence has
 * come along with a dump; should it lag behind, mend it.  Gives the new id.
 */
static int32
add_incarnation(int64 last_event, int32 last_id)
{
	cqrs_log_advance(last_event);

	/* events without an incarnation: where they come from is not known */
	if (last_id == 0 && last_event > 0)
		add_row(++last_id, 0, InvalidOid, 0);
	add_row(++last_id, GetSystemIdentifier(), MyDatabaseId, last_event);
	CommandCounterIncrement();
	return last_id;
}

static void
add_row(int32 id, uint64 system_identifier, Oid database, int64 after_position)
{
	CqrsTable	table;
	Datum	   *values;

	cqrs_table_begin(&table, "incarnation");
	values = cqrs_table_new_row(table.slot, COL_STARTED_AT);
	values[COL_ID - 1] = Int32GetDatum(id);
	values[COL_SYSTEM_IDENTIFIER - 1] = Int64GetDatum((int64) system_identifier);
	values[COL_DATABASE - 1] = ObjectIdGetDatum(database);
	values[COL_AFTER_POSITION - 1] = Int64GetDatum(after_position);
	values[COL_STARTED_AT - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	cqrs_table_insert(&table);
	cqrs_table_end(&table);
}

static bool
names_this_database(TupleTableSlot *slot)
{
	bool		isnull;

	return get_int64(slot, COL_SYSTEM_IDENTIFIER) == (int64) GetSystemIdentifier() &&
		DatumGetObjectId(slot_getattr(slot, COL_DATABASE, &isnull)) == MyDatabaseId;
}

/*
 * Has this transaction added the row?
 */
static bool
is_own(TupleTableSlot *slot)
{
	bool		isnull;
	Datum		inserter = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull);

	return TransactionIdIsCurrentTransactionId(DatumGetTransactionId(inserter));
}

static int64
get_int64(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	Assert(!isnull);
	return column == COL_ID ? DatumGetInt32(value) : DatumGetInt64(value);
}
