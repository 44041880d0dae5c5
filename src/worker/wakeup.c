/*-------------------------------------------------------------------------
 *
 * wakeup.c
 *		What a transaction has to tell the workers when it ends.
 *
 * NOTES
 *		The only file that registers transaction callbacks.
 *
 *		While it runs, a transaction notes what it does.  What can fail, such
 *		as finding a place in shared memory, is done then.  At its end the
 *		callback tells, or at abort forgets, what was noted: it neither throws
 *		nor waits.  At commit it is called when others see the transaction as
 *		ended, so a worker that is woken finds the events.
 *
 *		A prepared transaction is committed by some other session, which knows
 *		nothing of its notes: that one always wakes the workers of its
 *		database, which is the one the transaction belongs to.  Whether it also
 *		has the database scanned is up to a flag, which who prepares sets, and
 *		each scan sets or sets back.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/wakeup.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "base/compat.h"
#include "base/identity.h"
#include "base/stop_point.h"
#include "base/triggers.h"
#include "event/after.h"
#include "stats/applied.h"
#include "worker/board.h"
#include "worker/wakeup.h"

/*
 * What the running transaction has done.  A part of it that was rolled back to
 * a savepoint stays noted: somebody looks in vain.
 */
typedef struct Notes
{
	CqrsBoardDatabase *database;	/* NULL: nothing */
	bool		appended;
	bool		defined;
	uint32		list_databases; /* CQRS_LIST_... */
	bool		blocked;
	bool		progressed;
	int			task;			/* of what has progressed, with how far, and since when */
	CqrsDelivered delivered;
	uint32		definition;
} Notes;

static Notes notes;
static bool in_worker = false;

static void note_append(void);
static void note_change(const char *table);
static void warn_no_workers(void);
static void at_end(XactEvent event, void *arg);
static void tell(bool prepared);
static void scan(CqrsBoardDatabase *database);

void
cqrs_wakeup_init(void)
{
	RegisterXactCallback(at_end, NULL);
	cqrs_after_events_register(note_append);
	cqrs_registry_changed_register(note_change);
}

/*
 * What this process changes of projections, it knows: no need to scan, unless it
 * says so by cqrs_wakeup_scan().
 */
void
cqrs_wakeup_in_worker(void)
{
	in_worker = true;
}

/*
 * When the transaction commits, the launcher is to look into databases: those
 * that it does not know yet, or all (CQRS_LIST_...).
 */
void
cqrs_wakeup_list_databases(uint32 which)
{
	notes.list_databases |= which;
}

/*
 * When the transaction commits, the launcher is to look into this database.
 */
void
cqrs_wakeup_scan(void)
{
	CqrsBoardDatabase *database = cqrs_board() ? cqrs_board_database(MyDatabaseId, false) : NULL;

	/* where there has been nothing to serve, a change of a projection will tell */
	if (database == NULL)
		return;
	notes.database = database;
	notes.defined = true;
}

/*
 * When the transaction ends, one way or another, what it has blocked by
 * cqrs_board_block() is to be free again.
 */
void
cqrs_wakeup_unblock(void)
{
	notes.blocked = true;
}

/*
 * When the transaction commits, whoever waits for a projection is to look: at once,
 * and not only when all that a commit has to tidy up is done.  The board says then
 * what has been delivered.
 */
void
cqrs_wakeup_progress(CqrsBoardDatabase *database, int task, CqrsDelivered delivered,
					 uint32 definition)
{
	notes.database = database;
	notes.progressed = true;
	notes.task = task;
	notes.delivered = delivered;
	notes.definition = definition;
}

/*
 * A prepared transaction of this database has just ended.
 */
void
cqrs_wakeup_prepared(void)
{
	CqrsBoardDatabase *database;

	/* not created at need: who prepared it, or a scan since, has done that */
	if (cqrs_board() == NULL || (database = cqrs_board_database(MyDatabaseId, false)) == NULL)
		return;
	if (database->needs_scan_when_prepared)
		scan(database);
	cqrs_board_announce(database);
	ConditionVariableBroadcast(&database->progress);
}

static void
note_append(void)
{
	if (notes.appended)
		return;
	notes.database = cqrs_board_my_database();
	notes.appended = (notes.database != NULL);
}

/*
 * A change is counted when it is made, and again at commit.  In between the transaction
 * itself must not believe what the board says of what it has changed, nor must others
 * when they see that before the callback has been called.  Who puts another build in
 * place, or drops one, has its cursor locked by then: no worker that has begun with the
 * new count can finish a batch of the old build.
 */
static void
note_change(const char *table)
{
	CqrsBoardDatabase *database;

	/* what a rule does is not the worker's own doing */
	if ((in_worker && cqrs_fence_current() == 0) || strcmp(table, "projection") != 0)
		return;
	if (cqrs_board() == NULL)
	{
		warn_no_workers();
		return;
	}
	database = cqrs_board_my_database();
	if (database == NULL)
		return;
	pg_atomic_fetch_add_u32(&database->definition, 1);
	notes.database = database;
	notes.defined = true;
}

/*
 * Said once a session: the library was loaded too late for there to be workers.
 */
static void
warn_no_workers(void)
{
	static bool warned = false;

	if (warned || IsBinaryUpgrade)
		return;
	warned = true;
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("this server has no workers that apply events to projections"),
			 errhint("Add \"cqrs\" to \"shared_preload_libraries\" and restart the server, or have owners call cqrs_catch_up().")));
}

static void
at_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			cqrs_applied_settle(true);
			if (notes.database)
				tell(false);
			if (notes.list_databases != 0 && cqrs_board())
			{
				pg_atomic_fetch_or_u32(&cqrs_board()->list_databases, notes.list_databases);
				cqrs_board_wake_launcher();
			}
			break;

		case XACT_EVENT_PREPARE:
			cqrs_applied_settle(true);
			if (notes.database)
				tell(true);
			break;

		case XACT_EVENT_ABORT:
			cqrs_applied_settle(false);
			/* somebody may wait for the end of this transaction */
			if (notes.database)
				ConditionVariableBroadcast(&notes.database->progress);
			break;

		default:
			return;
	}
	if (notes.blocked)
		cqrs_board_unblock();
	memset(&notes, 0, sizeof(notes));
}

static void
tell(bool prepared)
{
	CqrsBoardDatabase *database = notes.database;

	if (prepared)
	{
		if (notes.defined)
			database->needs_scan_when_prepared = true;
		return;
	}
	if (!in_worker)
		CQRS_STOP_POINT("session-committed");
	if (notes.defined)
		scan(database);
	if (notes.appended)
		cqrs_board_announce(database);
	if (notes.progressed)
	{
		cqrs_board_set_delivered(notes.task, notes.delivered, notes.definition);
		ConditionVariableBroadcast(&database->progress);
	}
}

/*
 * What is known of the projections of a database is out of date.
 */
static void
scan(CqrsBoardDatabase *database)
{
	pg_atomic_fetch_add_u32(&database->definition, 1);
	database->needs_scan = true;
	pg_memory_barrier();
	cqrs_board_wake_launcher();
	ConditionVariableBroadcast(&database->progress);
}
