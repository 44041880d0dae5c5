/*-------------------------------------------------------------------------
 *
 * old_snapshots.c
 *		Transactions of this database that hold a snapshot.
 *
 * NOTES
 *		They are known by their virtual transaction ids, written as in pg_locks.
 *		VACUUM and CREATE INDEX CONCURRENTLY do not count: they look at no view.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/old_snapshots.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"

#include "base/compat.h"
#include "projection/old_snapshots.h"

static bool contains(List *strings, const char *string);

/*
 * All but our own, as strings.
 */
List *
cqrs_snapshots_held(void)
{
	VirtualTransactionId *found;
	List	   *result = NIL;
	int			count;

	found = GetCurrentVirtualXIDs(InvalidTransactionId, true, false,
								  PROC_IS_AUTOVACUUM | PROC_IN_VACUUM | PROC_IN_SAFE_IC,
								  &count);
	for (int i = 0; i < count; i++)
		result = lappend(result, psprintf("%d/%u", CQRS_VXID_BACKEND(found[i]),
										  found[i].localTransactionId));
	pfree(found);
	return result;
}

/*
 * Those of them that do so still, or again within the same transaction.
 */
List *
cqrs_snapshots_still_held(List *before)
{
	List	   *now = before == NIL ? NIL : cqrs_snapshots_held();
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, before)
		if (contains(now, lfirst(lc)))
			result = lappend(result, lfirst(lc));
	return result;
}

static bool
contains(List *strings, const char *string)
{
	ListCell   *lc;

	foreach(lc, strings)
		if (strcmp(lfirst(lc), string) == 0)
			return true;
	return false;
}
