/*-------------------------------------------------------------------------
 *
 * tail.c
 *		The end of a stream: found, and held against others who append.
 *
 * NOTES
 *		There is no row for a stream: its version is that of its last event,
 *		which the unique index on (stream, version) finds.  Who has appended
 *		events and not committed them holds the stream: others see them by a
 *		dirty scan, and wait for the transaction.
 *
 *		Between looking for the last event and inserting the next one, two
 *		could come to the same version.  So whoever looks first takes a lock on
 *		the stream's name, and keeps it until the new events are in the index.
 *		He also keeps it while he waits for the transaction of somebody's
 *		events.  So those who wait queue up, and only the first of them is
 *		woken.  Who finds events of his own at the end needs no lock, as nobody
 *		else gets past them; he must not wait for it either, since its holder
 *		may be waiting for him.
 *
 *		The lock is one on an "object": cqrs.event stands for the class, and 48
 *		bits of a hash of the name for the object.  Two names with the same hash
 *		wait for one another, and nothing else comes of it.
 *
 *		Of streams that were used lately we remember a version and, within a
 *		transaction, the place of the last event.  Both are hints.  The version
 *		says from where on the index is to be read, as a page of it may hold
 *		hundreds of events of one stream.  An event at the place must be alive,
 *		our own, and of this stream; then it is the last one, since we would
 *		know of a later one.  As a rollback to a savepoint takes away the last
 *		one, we also remember the one before the current subtransaction.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/tail.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/errcodes.h"
#include "event/log.h"
#include "event/tail.h"

typedef struct Hint
{
	uint64		hash;			/* of the stream's name */
	int64		version;		/* the stream had this many events */
	TransactionId xid;			/* transaction that the places are good for */
	SubTransactionId subxact;	/* that appended the last event */
	ItemPointerData last;		/* the last event */
	ItemPointerData outer;		/* the last one before that subtransaction */
} Hint;

#define HINTS 512

static Hint hints[HINTS];

/*
 * What a look at the end of a stream shows.
 */
typedef struct Look
{
	int64		version;		/* of the last event, committed or ours; 0 for none */
	bool		is_ours;		/* appended by this transaction */
	TransactionId writer;		/* one who has appended more, and goes on */
} Look;

static bool is_ours_at(CqrsTail *tail, CqrsTable *events, ItemPointer place);
static void look(CqrsTable *events, text *stream, uint64 hash, Look *result);
static bool look_from(CqrsTable *events, text *stream, int64 version, Look *result);
static Relation stream_index(CqrsTable *events);
static bool lock_name(uint64 hash, CqrsTable *events, bool wait);
static void set_tag(LOCKTAG *tag, CqrsTable *events, uint64 hash);
static void wait_for(CqrsTable *events, TransactionId writer);
static bool is_ours(TupleTableSlot *slot);
static Datum get_column(TupleTableSlot *slot, int column);
static void require_visible(CqrsTable *events, const Look *found);
static uint64 hash_of(const text *stream);
static Hint *hint_of(uint64 hash);
pg_noreturn static void version_conflict(const text *stream, int64 expected, int64 actual);

/*
 * Finds the end of the stream, and holds it until cqrs_tail_moved(), or until the
 * (sub)transaction fails.  "expected", if given, must be the version.  The
 * transaction has an id.
 */
void
cqrs_tail_take(CqrsTail *tail, CqrsTable *events, text *stream, const int64 *expected)
{
	Hint	   *hint;

	tail->stream = stream;
	tail->hash = hash_of(stream);
	tail->locked = false;
	hint = hint_of(tail->hash);

	if (!is_ours_at(tail, events, &hint->last) && !is_ours_at(tail, events, &hint->outer))
	{
		Look		found;

		tail->locked = lock_name(tail->hash, events, false);
		for (;;)
		{
			look(events, stream, tail->hash, &found);
			if (found.is_ours)
				break;
			if (!tail->locked)
				tail->locked = lock_name(tail->hash, events, true);
			else if (TransactionIdIsValid(found.writer))
				wait_for(events, found.writer);
			else
				break;
			CHECK_FOR_INTERRUPTS();
		}
		require_visible(events, &found);
		tail->version = found.version;
	}

	if (expected && *expected != tail->version)
		version_conflict(stream, *expected, tail->version);
}

/*
 * The events up to this version, the last of them at that place, are in the index.
 */
void
cqrs_tail_moved(CqrsTail *tail, CqrsTable *events, int64 version, ItemPointer place)
{
	Hint	   *hint = hint_of(tail->hash);
	SubTransactionId subxact = GetCurrentSubTransactionId();

	if (hint->subxact != subxact)
		hint->outer = hint->last;
	hint->version = version;
	hint->xid = GetTopTransactionId();
	hint->subxact = subxact;
	hint->last = *place;

	if (tail->locked)
	{
		LOCKTAG		tag;

		set_tag(&tag, events, tail->hash);
		LockRelease(&tag, ExclusiveLock, false);
		tail->locked = false;
	}
}

/*
 * The version of the stream, which is not held: one who is appending may commit
 * at any time.  But where that decides about "expected", he is waited for.
 */
int64
cqrs_tail_version(CqrsTable *events, text *stream, const int64 *expected)
{
	Look		found;

	for (;;)
	{
		look(events, stream, hash_of(stream), &found);
		if (expected == NULL || *expected == found.version)
			break;
		if (!TransactionIdIsValid(found.writer))
			version_conflict(stream, *expected, found.version);
		wait_for(events, found.writer);
		CHECK_FOR_INTERRUPTS();
	}
	require_visible(events, &found);
	return found.version;
}

/*
 * Is the event at that place of this stream, alive, and our own?  Then the
 * stream's version is known.
 */
static bool
is_ours_at(CqrsTail *tail, CqrsTable *events, ItemPointer place)
{
	TupleTableSlot *slot = events->slot;

	if (!ItemPointerIsValid(place) ||
		!cqrs_block_exists(events->rel, ItemPointerGetBlockNumber(place)) ||
		!table_tuple_fetch_row_version(events->rel, place, SnapshotSelf, slot) ||
		!is_ours(slot) ||
		!DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID,
											  get_column(slot, EVENT_STREAM),
											  PointerGetDatum(tail->stream))))
		return false;
	tail->version = DatumGetInt64(get_column(slot, EVENT_VERSION));
	return true;
}

/*
 * Leaves the last event, if there is one, in the slot of the table.
 */
static void
look(CqrsTable *events, text *stream, uint64 hash, Look *result)
{
	Hint	   *hint = hint_of(hash);

	/* more than that may have been rolled back since */
	if (hint->version <= 1 || !look_from(events, stream, hint->version, result))
		look_from(events, stream, 0, result);
	hint->version = result->version;
}

/*
 * Looks at events from this version on only.  False when none of them is
 * committed or our own.
 */
static bool
look_from(CqrsTable *events, text *stream, int64 version, Look *result)
{
	Relation	index = stream_index(events);
	int			nkeys = version > 0 ? 2 : 1;
	TupleTableSlot *slot = events->slot;
	SnapshotData dirty;
	IndexScanDesc scan;
	ScanKeyData keys[2];
	bool		found = false;

	result->version = 0;
	result->is_ours = false;
	result->writer = InvalidTransactionId;

	InitDirtySnapshot(dirty);
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(stream));
	keys[0].sk_collation = C_COLLATION_OID;
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(version));
	scan = cqrs_index_beginscan(events->rel, index, &dirty, nkeys);
	index_rescan(scan, keys, nkeys, NULL, 0);

	while (!found && index_getnext_slot(scan, BackwardScanDirection, slot))
	{
		if (TransactionIdIsValid(dirty.xmin))
			result->writer = dirty.xmin;
		else
		{
			result->version = DatumGetInt64(get_column(slot, EVENT_VERSION));
			result->is_ours = is_ours(slot);
			found = true;
		}
		CHECK_FOR_INTERRUPTS();
	}
	index_endscan(scan);
	return found;
}

/*
 * Among the indexes of the table, which are open.
 */
static Relation
stream_index(CqrsTable *events)
{
	Oid			oid = cqrs_table_oid(EVENT_STREAM_INDEX);

	for (int i = 0; i < events->rri->ri_NumIndices; i++)
		if (RelationGetRelid(events->rri->ri_IndexRelationDescs[i]) == oid)
			return events->rri->ri_IndexRelationDescs[i];
	elog(ERROR, "index \"%s\" is not one of cqrs.event", EVENT_STREAM_INDEX);
}

/*
 * False when somebody has the lock and we do not want to wait.
 */
static bool
lock_name(uint64 hash, CqrsTable *events, bool wait)
{
	LOCKTAG		tag;

	ExecClearTuple(events->slot);
	set_tag(&tag, events, hash);
	return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

static void
set_tag(LOCKTAG *tag, CqrsTable *events, uint64 hash)
{
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, RelationGetRelid(events->rel),
					   (uint32) (hash >> 32), (uint16) hash);
}

/*
 * Waits for a transaction to end, without holding up others that want to clean
 * the page we have looked at.
 */
static void
wait_for(CqrsTable *events, TransactionId writer)
{
	ExecClearTuple(events->slot);
	XactLockTableWait(writer, NULL, NULL, XLTW_None);
}

static bool
is_ours(TupleTableSlot *slot)
{
	HeapTuple	tuple = ((BufferHeapTupleTableSlot *) slot)->base.tuple;

	Assert(TTS_IS_BUFFERTUPLE(slot));
	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
}

static Datum
get_column(TupleTableSlot *slot, int column)
{
	bool		isnull;

	return slot_getattr(slot, column, &isnull);
}

/*
 * In a transaction with a snapshot of its own, the last event has to be one that
 * the snapshot shows.
 */
static void
require_visible(CqrsTable *events, const Look *found)
{
	if (found->version > 0 && !found->is_ours)
		cqrs_row_require_visible(events->rel, events->slot);
}

static uint64
hash_of(const text *stream)
{
	return hash_bytes_extended((const unsigned char *) VARDATA_ANY(stream),
							   VARSIZE_ANY_EXHDR(stream), 0);
}

/*
 * What we know of a stream; with a version of 0 and invalid places when that is
 * nothing.
 */
static Hint *
hint_of(uint64 hash)
{
	Hint	   *hint = &hints[hash % HINTS];

	if (hint->hash != hash)
	{
		hint->hash = hash;
		hint->version = 0;
		hint->xid = InvalidTransactionId;
	}
	if (hint->xid != GetTopTransactionIdIfAny() || !TransactionIdIsValid(hint->xid))
	{
		hint->xid = InvalidTransactionId;
		hint->subxact = InvalidSubTransactionId;
		ItemPointerSetInvalid(&hint->last);
		ItemPointerSetInvalid(&hint->outer);
	}
	return hint;
}

static void
version_conflict(const text *stream, int64 expected, int64 actual)
{
	ereport(ERROR,
			(errcode(ERRCODE_CQRS_VERSION_CONFLICT),
			 errmsg("stream \"%s\" is not at the expected version", text_to_cstring(stream)),
			 errdetail("Expected version " INT64_FORMAT ", but the stream is at version " INT64_FORMAT ".",
					   expected, actual),
			 errhint("Read the stream again and decide anew.")));
}
