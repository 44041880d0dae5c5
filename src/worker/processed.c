/*-------------------------------------------------------------------------
 *
 * processed.c
 *		Has a reader of the log got past what a token names?
 *
 * NOTES
 *		The answers come from the latest snapshot, whatever the isolation level
 *		of the transaction that asks.
 *
 *		Delivered to a cursor is what src/README.md says.  So a transaction has
 *		been processed when "done" shows it, and also in the middle of a step,
 *		when "target" shows it and none of its events lies beyond the position.
 *		While neither snapshot shows it, not even one event of it was given.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/processed.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "base/compat.h"
#include "base/table.h"
#include "event/cursor.h"
#include "event/incarnation.h"
#include "event/log.h"
#include "worker/processed.h"

static bool has_events(const CqrsToken *token, const CqrsIncarnation *incarnation, int64 after);
static const char *transaction_status(FullTransactionId xid);

/*
 * What has become of the transaction.
 */
CqrsTokenState
cqrs_token_state(const CqrsToken *token)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	CqrsIncarnation incarnation;
	bool		known = cqrs_incarnation_read(token->incarnation, snapshot, &incarnation);
	int32		here = known ? token->incarnation : cqrs_incarnation_here(snapshot);
	const char *status = NULL;
	bool		is_lost = false;

	UnregisterSnapshot(snapshot);
	if (!known)
		/* the next one's row may be part of the transaction itself, which adds it */
		return RecoveryInProgress() ||
			(token->incarnation == here &&
			 FullTransactionIdPrecedes(token->xid, ReadNextFullTransactionId())) ?
			CQRS_TOKEN_OPEN : CQRS_TOKEN_UNKNOWN;

	/* elsewhere it has ended long ago, whatever its number means here */
	if (incarnation.is_here)
	{
		/* a timeline that is still to come has been another server's */
		if (!RecoveryInProgress() && token->timeline > GetWALInsertionTimeLine())
			return CQRS_TOKEN_UNKNOWN;
		if (!FullTransactionIdPrecedes(token->xid, ReadNextFullTransactionId()))
			return RecoveryInProgress() ? CQRS_TOKEN_OPEN : CQRS_TOKEN_UNKNOWN;
		status = transaction_status(token->xid);
		if (status && strcmp(status, "in progress") == 0)
			return CQRS_TOKEN_OPEN;
		/* of a server that went on after this one had been split off from it */
		is_lost = !RecoveryInProgress() && token->timeline != GetWALInsertionTimeLine();
		if (status && strcmp(status, "aborted") == 0)
			return is_lost ? CQRS_TOKEN_UNKNOWN : CQRS_TOKEN_NOTHING;
	}
	if (has_events(token, &incarnation, 0))
		return CQRS_TOKEN_EVENTS;
	return is_lost ? CQRS_TOKEN_UNKNOWN : CQRS_TOKEN_NOTHING;
}

/*
 * Is it the transaction that asks, even if all of its events have been rolled back?
 */
bool
cqrs_token_is_own(const CqrsToken *token)
{
	return FullTransactionIdEquals(token->xid, GetTopFullTransactionIdIfAny()) &&
		token->incarnation == cqrs_incarnation_current();
}

/*
 * False also when there is no such cursor.  The hint tells where its row was
 * lately, if that is known.
 */
bool
cqrs_token_processed(const CqrsToken *token, const char *name, ItemPointer hint)
{
	Snapshot	snapshot;
	CqrsIncarnation incarnation;
	CqrsCursor	cursor;
	int64		delivered = 0;
	bool		known;

	if (!cqrs_cursor_read_near(name, hint, &cursor))
		return false;
	if (cursor.incarnation != token->incarnation)
		return cursor.incarnation > token->incarnation;
	if (cqrs_snapshot_shows(cursor.done.snapshot, token->xid))
		return true;

	if (cursor.target.snapshot && cqrs_snapshot_shows(cursor.target.snapshot, token->xid))
		delivered = cursor.position;
	if (FullTransactionIdIsValid(cursor.own_xid) &&
		FullTransactionIdEquals(cursor.own_xid, token->xid))
		delivered = Max(delivered, cursor.own_position);
	if (delivered == 0)
		return false;

	snapshot = RegisterSnapshot(GetLatestSnapshot());
	known = cqrs_incarnation_read(token->incarnation, snapshot, &incarnation);
	UnregisterSnapshot(snapshot);
	return known && !has_events(token, &incarnation, delivered);
}

/*
 * Has the transaction events beyond a position?
 */
static bool
has_events(const CqrsToken *token, const CqrsIncarnation *incarnation, int64 after)
{
	Relation	event = cqrs_table_open("event", AccessShareLock);
	Relation	index = cqrs_log_open_index(EVENT_XID_INDEX);
	TupleTableSlot *slot = table_slot_create(event, NULL);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	IndexScanDesc scan = cqrs_index_beginscan(event, index, snapshot, 3);
	ScanKeyData keys[3];
	bool		found;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_XID8EQ, FullTransactionIdGetDatum(token->xid));
	ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_INT8GT,
				Int64GetDatum(Max(after, incarnation->after_position)));
	ScanKeyInit(&keys[2], 2, BTLessEqualStrategyNumber, F_INT8LE,
				Int64GetDatum(incarnation->last_position));
	index_rescan(scan, keys, 3, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	index_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	table_close(event, NoLock);
	return found;
}

/*
 * NULL when it is so old that the server does not know any more.
 */
static const char *
transaction_status(FullTransactionId xid)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum		status;

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = FullTransactionIdGetDatum(xid);
	fcinfo->args[0].isnull = false;
	status = pg_xact_status(fcinfo);
	return fcinfo->isnull ? NULL : TextDatumGetCString(status);
}
