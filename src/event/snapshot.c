/*-------------------------------------------------------------------------
 *
 * snapshot.c
 *		Snapshots as values: pg_snapshot, and whether it shows a transaction.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/snapshot.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "event/snapshot.h"

#define SNAPSHOT_SIZE(nxip) \
	(offsetof(CqrsSnapshot, xip) + (Size) (nxip) * sizeof(FullTransactionId))

static CqrsSnapshot *make_snapshot(FullTransactionId xmin, FullTransactionId xmax, uint32 nxip);

/*
 * The active snapshot, as a value.  Our own transaction counts as running:
 * pg_current_snapshot() may show it as ended, as it never lists the caller.
 */
CqrsSnapshot *
cqrs_snapshot_take(void)
{
	CqrsSnapshot *now = (CqrsSnapshot *)
		DatumGetPointer(DirectFunctionCall1(pg_current_snapshot, (Datum) 0));
	FullTransactionId own = GetTopFullTransactionIdIfAny();
	CqrsSnapshot *result;
	uint32		i;

	if (!FullTransactionIdIsValid(own) || !cqrs_snapshot_shows(now, own))
		return now;

	result = make_snapshot(now->xmin, now->xmax, now->nxip + 1);
	if (FullTransactionIdPrecedes(own, now->xmin))
		result->xmin = own;
	for (i = 0; i < now->nxip && FullTransactionIdPrecedes(now->xip[i], own); i++)
		result->xip[i] = now->xip[i];
	result->xip[i] = own;
	for (; i < now->nxip; i++)
		result->xip[i + 1] = now->xip[i];
	pfree(now);
	return result;
}

/*
 * Shows no transaction at all.
 */
CqrsSnapshot *
cqrs_snapshot_of_nothing(void)
{
	return make_snapshot(FirstNormalFullTransactionId, FirstNormalFullTransactionId, 0);
}

/*
 * Shows every transaction there can be.
 */
CqrsSnapshot *
cqrs_snapshot_of_everything(void)
{
	FullTransactionId last = FullTransactionIdFromU64((uint64) PG_INT64_MAX);

	return make_snapshot(last, last, 0);
}

CqrsSnapshot *
cqrs_snapshot_copy(const CqrsSnapshot *snapshot)
{
	CqrsSnapshot *result = palloc(VARSIZE(snapshot));

	memcpy(result, snapshot, VARSIZE(snapshot));
	return result;
}

bool
cqrs_snapshot_equal(const CqrsSnapshot *a, const CqrsSnapshot *b)
{
	return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
}

/*
 * Had this top-level transaction ended when the snapshot was taken?
 */
bool
cqrs_snapshot_shows(const CqrsSnapshot *snapshot, FullTransactionId xid)
{
	uint32		low = 0;
	uint32		high = snapshot->nxip;

	if (FullTransactionIdPrecedes(xid, snapshot->xmin))
		return true;
	if (!FullTransactionIdPrecedes(xid, snapshot->xmax))
		return false;
	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;

		if (FullTransactionIdEquals(snapshot->xip[middle], xid))
			return false;
		if (FullTransactionIdPrecedes(snapshot->xip[middle], xid))
			low = middle + 1;
		else
			high = middle;
	}
	return true;
}

static CqrsSnapshot *
make_snapshot(FullTransactionId xmin, FullTransactionId xmax, uint32 nxip)
{
	CqrsSnapshot *snapshot = palloc0(SNAPSHOT_SIZE(nxip));

	SET_VARSIZE(snapshot, SNAPSHOT_SIZE(nxip));
	snapshot->xmin = xmin;
	snapshot->xmax = xmax;
	snapshot->nxip = nxip;
	return snapshot;
}
