/*-------------------------------------------------------------------------
 *
 * open.c
 *		Who has appended events and not committed them yet.
 *
 * NOTES
 *		For the status views.  Nobody waits for such a transaction but those
 *		who want its events; when they are late, this tells whom to ask.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/open.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "base/compat.h"
#include "base/table.h"
#include "event/log.h"
#include "event/snapshot.h"

PG_FUNCTION_INFO_V1(cqrs_open_appender);

static FullTransactionId find_oldest(void);
static bool find_last(IndexScanDesc scan, TupleTableSlot *slot, FullTransactionId from,
					  FullTransactionId *xid, bool *is_open);

/*
 * cqrs.open_appender() -> pid of the session, not our own, whose transaction
 * is the oldest that runs and has appended events; NULL: there is none.  A
 * prepared transaction has no session: 0, as in pg_blocking_pids().
 */
Datum
cqrs_open_appender(PG_FUNCTION_ARGS)
{
	TransactionId oldest = InvalidTransactionId;
	int			pid = 0;

	/* on a standby nobody appends, and the sessions of its primary are not here */
	if (!RecoveryInProgress())
		oldest = XidFromFullTransactionId(find_oldest());
	if (TransactionIdIsValid(oldest))
		pid = BackendXidGetPid(oldest);
	if (pid == 0 && !(TransactionIdIsValid(oldest) && TransactionIdIsInProgress(oldest)))
		PG_RETURN_NULL();
	PG_RETURN_INT32(pid);
}

/*
 * A snapshot lists those that run with ids up to the last one that has ended.
 * All from there up to the next one to be given out run, too, if they have not
 * ended meanwhile.  In a log from elsewhere there may be events with any ids.
 */
static FullTransactionId
find_oldest(void)
{
	Relation	event = cqrs_table_open("event", AccessShareLock);
	Relation	index = cqrs_log_open_index(EVENT_XID_INDEX);
	TupleTableSlot *slot = table_slot_create(event, NULL);
	FullTransactionId result = InvalidFullTransactionId;
	FullTransactionId xid;
	CqrsSnapshot *now;
	SnapshotData dirty;
	IndexScanDesc scan;
	bool		is_open;

	/* that of the transaction may be old, and far from the next id */
	PushActiveSnapshot(GetLatestSnapshot());
	now = cqrs_snapshot_take();
	PopActiveSnapshot();

	InitDirtySnapshot(dirty);
	scan = cqrs_index_beginscan(event, index, &dirty, 2);
	xid = ReadNextFullTransactionId();
	while (find_last(scan, slot, now->xmax, &xid, &is_open))
		if (is_open)
			result = xid;
	for (int i = (int) now->nxip - 1; i >= 0; i--)
	{
		xid = now->xip[i];
		xid.value++;
		if (find_last(scan, slot, now->xip[i], &xid, &is_open) && is_open)
			result = xid;
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(event, AccessShareLock);
	return result;
}

/*
 * Finds the last transaction that has events and an id from "from" on and below
 * *xid, which becomes its id.  Is its last event one of somebody who has not
 * committed it?  A dirty snapshot shows it, and says so.  Of another server's
 * transaction with the same id they would be committed, and come before.
 */
static bool
find_last(IndexScanDesc scan, TupleTableSlot *slot, FullTransactionId from,
		  FullTransactionId *xid, bool *is_open)
{
	ScanKeyData keys[2];
	bool		isnull;

	CHECK_FOR_INTERRUPTS();
	ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_XID8GE, FullTransactionIdGetDatum(from));
	ScanKeyInit(&keys[1], 1, BTLessStrategyNumber, F_XID8LT, FullTransactionIdGetDatum(*xid));
	index_rescan(scan, keys, 2, NULL, 0);
	if (!index_getnext_slot(scan, BackwardScanDirection, slot))
		return false;
	*xid = DatumGetFullTransactionId(slot_getattr(slot, EVENT_XID, &isnull));
	*is_open = TransactionIdIsValid(scan->xs_snapshot->xmin);
	return true;
}
