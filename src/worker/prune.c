/*-------------------------------------------------------------------------
 *
 * prune.c
 *		When old rows leave the ledgers, and the removal of them.
 *
 * NOTES
 *		The launcher says when, and scanners do it, as they are in the database
 *		already: some blocks a transaction, and not for long, as other databases
 *		wait to be looked into.  What is left is for the next one that comes.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/prune.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "pgstat.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/guc.h"
#include "command/ledger.h"
#include "worker/prune.h"

/* old rows of the ledger are removed each hundredth of the retention, within these bounds */
#define MIN_PRUNE_MS (10 * 1000)
#define MAX_PRUNE_MS (60 * 60 * 1000)

/* one transaction looks at so many blocks of the ledger, one scanner works for so long */
#define PRUNE_BLOCKS 128
#define PRUNE_MS 2000

static bool must_prune(CqrsBoardDatabase *database);

/*
 * Has scanners remove old rows from the ledgers of their databases, and says
 * when the next is due.
 */
TimestampTz
cqrs_prune_request(TimestampTz now)
{
	int64		interval = (int64) cqrs_ledger_retention * SECS_PER_MINUTE * 1000 / 100;
	TimestampTz latest = TimestampTzPlusMilliseconds(now, Max(MIN_PRUNE_MS, Min(interval, MAX_PRUNE_MS)));
	TimestampTz next = DT_NOEND;
	CqrsBoard  *board;

	if (cqrs_max_workers == 0 || cqrs_ledger_retention < 0)
		return DT_NOEND;

	board = cqrs_board_lock(LW_EXCLUSIVE);
	for (int i = 0; i < CQRS_MAX_DATABASES; i++)
	{
		CqrsBoardDatabase *database = &board->databases[i];

		if (!OidIsValid(database->oid))
			continue;
		if (database->prune_at != 0 && now >= database->prune_at)
			database->needs_prune = true;
		/* soon after the start, and also when the setting has become smaller */
		if (database->prune_at == 0)
			database->prune_at = TimestampTzPlusMilliseconds(now, MIN_PRUNE_MS);
		else if (now >= database->prune_at || database->prune_at > latest)
			database->prune_at = latest;
		next = Min(next, database->prune_at);
	}
	cqrs_board_unlock();
	return next;
}

/*
 * Goes through the ledger, if that is asked for, from where the last one has stopped.
 */
void
cqrs_prune_for_a_while(CqrsBoardSlot *slot, CqrsBoardDatabase *database)
{
	TimestampTz end = TimestampTzPlusMilliseconds(cqrs_clock(), PRUNE_MS);
	BlockNumber block = database->prune_block;

	if (!must_prune(database))
		return;
	pgstat_report_appname("cqrs: removing old commands");
	do
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		/* it may have been dropped, or updated, in the meantime */
		if (cqrs_extension_state(NULL) != CQRS_EXTENSION_READY)
		{
			CommitTransactionCommand();
			return;
		}
		PushActiveSnapshot(GetTransactionSnapshot());
		cqrs_ledger_prune(&block, PRUNE_BLOCKS, PG_INT64_MAX);
		PopActiveSnapshot();
		CommitTransactionCommand();
	} while (block != 0 && !slot->leave && cqrs_clock() < end);

	cqrs_board_lock(LW_EXCLUSIVE);
	if (database->oid == MyDatabaseId)
	{
		database->prune_block = block;
		if (block != 0)
			database->needs_prune = true;
	}
	cqrs_board_unlock();
}

static bool
must_prune(CqrsBoardDatabase *database)
{
	bool		result;

	cqrs_board_lock(LW_EXCLUSIVE);
	result = database->oid == MyDatabaseId && database->needs_prune;
	database->needs_prune = false;
	cqrs_board_unlock();
	return result;
}
