/*-------------------------------------------------------------------------
 *
 * pick.c
 *		Picking events out of the log: by position, and those of our own transaction.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/pick.c
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
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "base/compat.h"
#include "base/table.h"
#include "event/log.h"
#include "event/pick.h"

struct CqrsPick
{
	Relation	event;
	Relation	index;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	IndexScanDesc scan;			/* NULL: none under way */
};

static void start_scan(CqrsPick *pick, const char *index, ScanKey keys, int n_keys);
static bool has_text(const List *list, const text *value);

/*
 * Sees what is committed now, and what this transaction has done.
 */
CqrsPick *
cqrs_pick_begin(void)
{
	CqrsPick   *pick = palloc0(sizeof(CqrsPick));

	pick->event = cqrs_table_open("event", AccessShareLock);
	pick->slot = table_slot_create(pick->event, NULL);
	CommandCounterIncrement();
	pick->snapshot = RegisterSnapshot(GetLatestSnapshot());
	return pick;
}

/*
 * The event at this position, or NULL.  Good until the next call.
 */
TupleTableSlot *
cqrs_pick_at(CqrsPick *pick, int64 position)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(position));
	start_scan(pick, EVENT_POSITION_INDEX, &key, 1);
	return cqrs_pick_next(pick);
}

/*
 * Begins a scan of the events that our transaction has appended, between two
 * positions, in order.
 */
void
cqrs_pick_own(CqrsPick *pick, int64 after_position, int64 last_position)
{
	ScanKeyData keys[3];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_XID8EQ,
				FullTransactionIdGetDatum(GetTopFullTransactionId()));
	ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(after_position));
	ScanKeyInit(&keys[2], 2, BTLessEqualStrategyNumber, F_INT8LE, Int64GetDatum(last_position));
	start_scan(pick, EVENT_XID_INDEX, keys, 3);
}

/*
 * The types of these events (text), each once.
 */
List *
cqrs_pick_own_types(int64 after_position, int64 last_position)
{
	CqrsPick   *pick = cqrs_pick_begin();
	TupleTableSlot *event;
	List	   *result = NIL;

	cqrs_pick_own(pick, after_position, last_position);
	while ((event = cqrs_pick_next(pick)) != NULL)
	{
		bool		isnull;
		text	   *type = DatumGetTextPP(slot_getattr(event, EVENT_TYPE, &isnull));

		CHECK_FOR_INTERRUPTS();
		if (!has_text(result, type))
			result = lappend(result, DatumGetTextPCopy(PointerGetDatum(type)));
	}
	cqrs_pick_end(pick);
	return result;
}

/*
 * The next event of the scan, or NULL.
 */
TupleTableSlot *
cqrs_pick_next(CqrsPick *pick)
{
	return index_getnext_slot(pick->scan, ForwardScanDirection, pick->slot) ? pick->slot : NULL;
}

void
cqrs_pick_end(CqrsPick *pick)
{
	if (pick->scan)
		index_endscan(pick->scan);
	if (pick->index)
		index_close(pick->index, NoLock);
	ExecDropSingleTupleTableSlot(pick->slot);
	UnregisterSnapshot(pick->snapshot);
	table_close(pick->event, NoLock);
	pfree(pick);
}

/*
 * One pick uses one index only.
 */
static void
start_scan(CqrsPick *pick, const char *index, ScanKey keys, int n_keys)
{
	if (pick->scan == NULL)
	{
		pick->index = cqrs_log_open_index(index);
		pick->scan = cqrs_index_beginscan(pick->event, pick->index, pick->snapshot, n_keys);
	}
	index_rescan(pick->scan, keys, n_keys, NULL, 0);
}

static bool
has_text(const List *list, const text *value)
{
	ListCell   *lc;

	foreach(lc, list)
	{
		text	   *other = lfirst(lc);

		if (VARSIZE_ANY_EXHDR(other) == VARSIZE_ANY_EXHDR(value) &&
			memcmp(VARDATA_ANY(other), VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)) == 0)
			return true;
	}
	return false;
}
