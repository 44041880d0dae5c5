/*-------------------------------------------------------------------------
 *
 * failed.c
 *		Databases that could not be looked into, and when that is tried again.
 *
 * NOTES
 *		Part of the launcher, and in its own memory.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/failed.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "worker/backoff.h"
#include "worker/launcher.h"

typedef struct Failed
{
	Oid			database;
	int			failures;		/* scanners in a row that came to a bad end */
	TimestampTz until;			/* no other one before; of cqrs_clock() */
} Failed;

/* of Failed */
static List *failed = NIL;

static Failed *find(Oid database);

/*
 * One more scanner has come to a bad end there.
 */
void
cqrs_failed_note(Oid database)
{
	Failed	   *entry = find(database);

	if (entry == NULL)
	{
		MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);

		entry = palloc0(sizeof(Failed));
		entry->database = database;
		failed = lappend(failed, entry);
		MemoryContextSwitchTo(before);
	}
	entry->until = TimestampTzPlusMilliseconds(cqrs_clock(), cqrs_backoff(++entry->failures));
}

/*
 * It has been looked into, or there is no such database any more.
 */
void
cqrs_failed_forget(Oid database)
{
	Failed	   *entry = find(database);

	if (entry == NULL)
		return;
	failed = list_delete_ptr(failed, entry);
	pfree(entry);
}

/*
 * 0 when nothing has failed.
 */
TimestampTz
cqrs_failed_until(Oid database)
{
	Failed	   *entry = find(database);

	return entry ? entry->until : 0;
}

static Failed *
find(Oid database)
{
	ListCell   *lc;

	foreach(lc, failed)
		if (((Failed *) lfirst(lc))->database == database)
			return lfirst(lc);
	return NULL;
}
