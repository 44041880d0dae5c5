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

static bool has_appended(Relation event, Relation index, FullTransactionId xid);

/*
 * cqrs.open_appender() -> pid of the session, not our own, whose transaction
 * is the oldest that runs and has appended events; NULL: there is none.  A
 * prepared transaction has no session.
 */
Datum
cqrs_open_appender(PG_FUNCTION_ARGS)
{
	CqrsSnapshot *snapshot = cqrs_snapshot_take();
	Relation	event = cqrs_table_open("event", AccessShareLock);
	Relation	index = cqrs_log_open_index(EVENT_XID_INDEX);
	int			pid = 0;

	for (uint32 i = 0; i < snapshot->nxip && pid == 0; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (has_appended(event, index, snapshot->xip[i]))
			pid = BackendXidGetPid(XidFromFullTransactionId(snapshot->xip[i]));
		if (pid == MyProcPid)
			pid = 0;
	}
	index_close(index, AccessShareLock);
	table_close(event, AccessShareLock);
	if (pid == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(pid);
}

/*
 * Has it inserted a row that is not committed?  A dirty snapshot shows it, and says
 * so.  Committed ones are of another server's transaction with this id.
 */
static bool
has_appended(Relation event, Relation index, FullTransactionId xid)
{
	TupleTableSlot *slot = table_slot_create(event, NULL);
	SnapshotData dirty;
	IndexScanDesc scan;
	ScanKeyData key;
	bool		found = false;

	InitDirtySnapshot(dirty);
	scan = cqrs_index_beginscan(event, index, &dirty, 1);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_XID8EQ, FullTransactionIdGetDatum(xid));
	index_rescan(scan, &key, 1, NULL, 0);
	while (!found && index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		found = TransactionIdIsValid(dirty.xmin);
		CHECK_FOR_INTERRUPTS();
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return found;
}
