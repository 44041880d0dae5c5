/*-------------------------------------------------------------------------
 *
 * log.c
 *		The event table and its sequence: columns, ends, and drawing positions.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/log.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/sequence.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/xid8.h"

#include "base/compat.h"
#include "base/identity.h"
#include "base/table.h"
#include "event/log.h"

/*
 * Opens an index of cqrs.event for reading.
 */
Relation
cqrs_log_open_index(const char *name)
{
	return index_open(cqrs_table_oid(name), AccessShareLock);
}

Oid
cqrs_log_sequence(void)
{
	return cqrs_table_oid("event_position");
}

/*
 * Draws the next position.  The caller holds the end of the stream and has a
 * transaction id: that position order is version order inside a stream, and
 * that a snapshot's next xid bounds the positions drawn before it, both rest on
 * this.
 */
int64
cqrs_log_draw(Oid sequence)
{
	Assert(TransactionIdIsValid(GetTopTransactionIdIfAny()));
	return nextval_internal(sequence, false);
}

/*
 * The last position that anybody has drawn, 0 when none was.  Not
 * transactional, and after a crash it may be ahead of the truth.
 */
int64
cqrs_log_last_drawn(void)
{
	Relation	rel = relation_open(cqrs_log_sequence(), AccessShareLock);
	Buffer		buffer = ReadBuffer(rel, 0);
	Page		page;
	HeapTupleHeader tuple;
	Form_pg_sequence_data data;
	int64		result;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	tuple = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, FirstOffsetNumber));
	data = (Form_pg_sequence_data) ((char *) tuple + tuple->t_hoff);
	result = data->is_called ? data->last_value : data->last_value - 1;
	UnlockReleaseBuffer(buffer);

	relation_close(rel, NoLock);
	return result;
}

/*
 * The highest position in the log that the snapshot shows, 0 when there is none;
 * and, unless NULL, whose event that is.
 */
int64
cqrs_log_last_position(Relation event, Snapshot snapshot, FullTransactionId *xid)
{
	Relation	index = cqrs_log_open_index(EVENT_POSITION_INDEX);
	TupleTableSlot *slot = table_slot_create(event, NULL);
	IndexScanDesc scan = cqrs_index_beginscan(event, index, snapshot, 0);
	int64		result = 0;
	bool		isnull;

	index_rescan(scan, NULL, 0, NULL, 0);
	if (index_getnext_slot(scan, BackwardScanDirection, slot))
	{
		result = DatumGetInt64(slot_getattr(slot, EVENT_POSITION, &isnull));
		if (xid)
			*xid = DatumGetFullTransactionId(slot_getattr(slot, EVENT_XID, &isnull));
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	return result;
}

/*
 * Sees to it that no position up to this one will be drawn any more.
 */
void
cqrs_log_advance(int64 position)
{
	Oid			sequence = cqrs_log_sequence();
	CqrsIdentity before;

	if (cqrs_log_last_drawn() >= position)
		return;

	/* nobody may draw between the look and the leap */
	LockRelationOid(sequence, ShareRowExclusiveLock);
	if (cqrs_log_last_drawn() < position)
	{
		cqrs_become_owner(&before);
		DirectFunctionCall2(setval_oid, ObjectIdGetDatum(sequence), Int64GetDatum(position));
		cqrs_come_back(&before);
	}
	UnlockRelationOid(sequence, ShareRowExclusiveLock);
}
