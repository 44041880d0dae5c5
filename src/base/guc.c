/*-------------------------------------------------------------------------
 *
 * guc.c
 *		The settings of the extension, all of them, in alphabetical order.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/guc.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "base/guc.h"

int			cqrs_batch_max_bytes = 16 * 1024;
int			cqrs_batch_max_events = 10000;
int			cqrs_batch_max_time = 1000;
int			cqrs_ledger_retention = 7 * 24 * 60;
int			cqrs_max_event_size = 256 * 1024;
int			cqrs_max_workers = 4;
int			cqrs_poll_interval = 60 * 1000;
int			cqrs_retry_max = 60 * 1000;
int			cqrs_retry_min = 100;

static void define_from_max_on(void);

void
cqrs_guc_init(void)
{
	/*
	 * Memory that a batch of events may take before its rows are written,
	 * whatever the number of events.  Raise it when events or rows are large
	 * and batches come out small; each process that applies events may need
	 * this much.  One event that takes more is a batch of its own.
	 */
	DefineCustomIntVariable("cqrs.batch_max_bytes",
							"Sets the memory that a batch of events may take.",
							NULL,
							&cqrs_batch_max_bytes,
							16 * 1024, 64, 1024 * 1024,
							PGC_SUSET,
							GUC_UNIT_KB,
							NULL, NULL, NULL);

	/*
	 * How many events a projection applies at most before it writes their
	 * rows and moves its cursor.  Rows that several events of a batch touch
	 * are written once, so larger batches are faster, up to some ten
	 * thousand; smaller ones are visible earlier when there is a backlog,
	 * and hold locks on read tables for a shorter time.
	 */
	DefineCustomIntVariable("cqrs.batch_max_events",
							"Sets how many events are applied in one batch.",
							NULL,
							&cqrs_batch_max_events,
							10000, 1, 1000000,
							PGC_USERSET,
							0,
							NULL, NULL, NULL);

	/*
	 * How long a projection collects events before it writes their rows.
	 * Matters for slow rules: it bounds how long the rows of a batch stay
	 * locked, and how long others wait that share the process.
	 */
	DefineCustomIntVariable("cqrs.batch_max_time",
							"Sets how long events are collected for one batch.",
							NULL,
							&cqrs_batch_max_time,
							1000, 1, 60 * 60 * 1000,
							PGC_USERSET,
							GUC_UNIT_MS,
							NULL, NULL, NULL);

	/*
	 * How long the ledger remembers commands, and so how long a client may
	 * send the same command id again and get the first outcome: longer than
	 * any client, queue or operator will try.  Older rows are removed in small
	 * batches in the background; a row takes about 250 bytes with its index.
	 * -1 keeps them for ever; 0, which half a minute or less is rounded to,
	 * removes them at once, and then no id is remembered.
	 */
	DefineCustomIntVariable("cqrs.ledger_retention",
							"Sets how long the ledger of commands keeps its rows.",
							"-1 keeps them for ever, 0 not at all.",
							&cqrs_ledger_retention,
							7 * 24 * 60, -1, INT_MAX,
							PGC_SIGHUP,
							GUC_UNIT_MIN,
							NULL, NULL, NULL);

	define_from_max_on();
	MarkGUCPrefixReserved("cqrs");
}

/*
 * Further on in the alphabet: mostly settings of workers.
 */
static void
define_from_max_on(void)
{
	/*
	 * An upper bound for what one event may hold.  Everything that reads the
	 * log has to hold at least one event in memory, several times over when
	 * it converts it, so an administrator may want to lower this well below
	 * what PostgreSQL can store in a row.  Only superusers may change it, as
	 * it protects the workers that all projections share.
	 */
	DefineCustomIntVariable("cqrs.max_event_size",
							"Sets the largest event, data and metadata together, that can be appended.",
							NULL,
							&cqrs_max_event_size,
							256 * 1024, 1, 1000 * 1024,
							PGC_SUSET,
							GUC_UNIT_KB,
							NULL, NULL, NULL);

	/*
	 * How many processes apply events at the same time, in all databases
	 * together.  They share max_worker_processes with parallel queries and
	 * others, so raise that, too.  With fewer processes than owners of
	 * projections that have work they take turns.  0: nothing is applied in
	 * the background, and no database is looked at.
	 */
	DefineCustomIntVariable("cqrs.max_workers",
							"Sets how many processes apply events in the background.",
							"0 turns background work off.",
							&cqrs_max_workers,
							4, 0, 63,
							PGC_SIGHUP,
							0,
							NULL, NULL, NULL);

	/*
	 * A safety net only: events are applied when they are committed, whatever
	 * this says.  After so long without that, projections are looked at all
	 * the same, for events that came in by a way that nobody is told of, such
	 * as logical replication.
	 */
	DefineCustomIntVariable("cqrs.poll_interval",
							"Sets how often projections are looked at without an occasion.",
							NULL,
							&cqrs_poll_interval,
							60 * 1000, 100, 24 * 60 * 60 * 1000,
							PGC_SIGHUP,
							GUC_UNIT_MS,
							NULL, NULL, NULL);

	/*
	 * The longest pause between two attempts after errors that may pass, such
	 * as deadlocks and lock timeouts, or a worker that could not connect.
	 */
	DefineCustomIntVariable("cqrs.retry_max",
							"Sets the longest pause before a projection is tried again.",
							NULL,
							&cqrs_retry_max,
							60 * 1000, 1, 24 * 60 * 60 * 1000,
							PGC_SIGHUP,
							GUC_UNIT_MS,
							NULL, NULL, NULL);

	/*
	 * The pause after the first such error.  It doubles with each further one,
	 * give or take a quarter, so that not all come back at the same time.
	 */
	DefineCustomIntVariable("cqrs.retry_min",
							"Sets the pause before a projection is tried again the first time.",
							NULL,
							&cqrs_retry_min,
							100, 1, 60 * 60 * 1000,
							PGC_SIGHUP,
							GUC_UNIT_MS,
							NULL, NULL, NULL);
}
