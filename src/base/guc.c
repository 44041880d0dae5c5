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

int			cqrs_ledger_retention = 7 * 24 * 60;
int			cqrs_max_event_size = 256 * 1024;

void
cqrs_guc_init(void)
{
	/*
	 * How long the ledger remembers commands, and so how long a client may
	 * send the same command id again and get the first outcome: longer than
	 * any client, queue or operator will try.  Older rows are removed in small
	 * batches by a worker, or by cqrs_prune_ledger(); a row takes about 200
	 * bytes.  -1 keeps them for ever.
	 */
	DefineCustomIntVariable("cqrs.ledger_retention",
							"Sets how long the ledger of commands keeps its rows.",
							"-1 keeps them for ever.",
							&cqrs_ledger_retention,
							7 * 24 * 60, -1, INT_MAX,
							PGC_SIGHUP,
							GUC_UNIT_MIN,
							NULL, NULL, NULL);

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

	MarkGUCPrefixReserved("cqrs");
}
