/*-------------------------------------------------------------------------
 *
 * applied.c
 *		Counting the events that projections have applied, when it is certain.
 *
 * NOTES
 *		Whoever applies events, a worker, a session in the foreground or an
 *		inline projection, notes how many.  They are counted when the
 *		transaction commits, but for those of subtransactions that have been
 *		rolled back.  A transaction that is prepared counts at once.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/stats/applied.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "stats/applied.h"
#include "stats/counters.h"

/*
 * "This (sub)transaction has applied so many events", perhaps to a projection
 * that is another one than before.
 */
typedef struct Note
{
	char		projection[NAMEDATALEN];
	TransactionId xid;
	int64		events;
	bool		anew;
} Note;

/* whether there is a note to add to is looked for in so many, as there may be millions */
#define LOOK_BACK	64

/* of the running transaction, in its memory */
static Note *notes = NULL;
static int	n_notes = 0;
static int	allocated_notes = 0;

static void add_note(const char *projection, TransactionId xid, int64 events, bool anew);

/*
 * To be called when the events have been applied, in the subtransaction that
 * the outcome depends on.
 */
void
cqrs_applied_note(const char *projection, int64 events)
{
	TransactionId xid = GetCurrentTransactionIdIfAny();

	/* without an id nothing can have been written */
	if (events <= 0 || !TransactionIdIsValid(xid))
		return;
	for (int i = n_notes - 1; i >= Max(0, n_notes - LOOK_BACK); i--)
	{
		if (strcmp(notes[i].projection, projection) != 0)
			continue;
		if (notes[i].xid == xid)
		{
			notes[i].events += events;
			return;
		}
		/* what was noted before would be forgotten */
		if (notes[i].anew)
			break;
	}

	/* what can fail is done now */
	if (cqrs_counter_prepare(CQRS_COUNT_PROJECTION, projection))
		add_note(projection, xid, events, false);
}

/*
 * To be called when the projection has been dropped: another one may get its name.
 */
void
cqrs_applied_forget(const char *projection)
{
	if (cqrs_counter_prepare(CQRS_COUNT_PROJECTION, projection))
		add_note(projection, GetCurrentTransactionId(), 0, true);
}

static void
add_note(const char *projection, TransactionId xid, int64 events, bool anew)
{
	if (n_notes == allocated_notes)
	{
		int			size = Max(16, 2 * allocated_notes);

		notes = notes ? repalloc_huge(notes, size * sizeof(Note)) :
			MemoryContextAlloc(TopTransactionContext, size * sizeof(Note));
		allocated_notes = size;
	}
	strlcpy(notes[n_notes].projection, projection, NAMEDATALEN);
	notes[n_notes].xid = xid;
	notes[n_notes].anew = anew;
	notes[n_notes++].events = events;
}

/*
 * The transaction has ended.  Neither throws nor waits for long.
 */
void
cqrs_applied_settle(bool commit)
{
	for (int i = 0; i < n_notes && commit; i++)
		if (TransactionIdIsCurrentTransactionId(notes[i].xid))
		{
			if (notes[i].anew)
				cqrs_counter_clear(CQRS_COUNT_PROJECTION, notes[i].projection);
			cqrs_counter_add(CQRS_COUNT_PROJECTION, notes[i].projection, notes[i].events);
		}
	notes = NULL;
	n_notes = allocated_notes = 0;
}

/*
 * Events applied since the server was started, or its counters reset; -1 when
 * nothing is counted.
 */
int64
cqrs_applied_count(const char *projection)
{
	return cqrs_counter_get(CQRS_COUNT_PROJECTION, projection);
}
