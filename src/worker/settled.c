/*-------------------------------------------------------------------------
 *
 * settled.c
 *		May events be applied in this database, or is it still being restored?
 *
 * NOTES
 *		A database whose log came from elsewhere may be in the middle of a
 *		restore: tables without indexes, rights that have not been granted yet.
 *		Whoever restores is connected, and writes nearly all the time, or is
 *		called pg_restore: over a slow network its statements are short against
 *		the pauses between them.  So events are applied when something has been
 *		appended here, when nobody is connected, or when nobody has been seen
 *		doing that for a while: sessions that only read hold nothing up.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/settled.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/backend_status.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/compat.h"
#include "event/incarnation.h"
#include "worker/settled.h"

/* so long nobody has to write */
#define QUIET_MS (10 * 1000)

static bool somebody_restores(void);

/*
 * To be asked in a transaction, now and then.
 */
bool
cqrs_database_is_settled(void)
{
	static bool settled = false;
	static TimestampTz quiet_since = 0;
	TimestampTz now;

	if (!settled)
		settled = cqrs_incarnation_is_settled(GetActiveSnapshot());
	if (settled || CountDBConnections(MyDatabaseId) == 0)
		return true;

	now = cqrs_clock();
	if (somebody_restores())
		quiet_since = 0;
	else if (quiet_since == 0)
		quiet_since = now;
	return quiet_since != 0 && TimestampDifferenceExceeds(quiet_since, now, QUIET_MS);
}

/*
 * Is a client of this database pg_restore, or has it a transaction that has written
 * something?
 */
static bool
somebody_restores(void)
{
	int			count = pgstat_fetch_stat_numbackends();

	for (int i = 1; i <= count; i++)
	{
		LocalPgBackendStatus *local = cqrs_local_backend(i);

		if (local && local->backendStatus.st_backendType == B_BACKEND &&
			local->backendStatus.st_databaseid == MyDatabaseId &&
			(TransactionIdIsValid(local->backend_xid) ||
			 strcmp(local->backendStatus.st_appname, "pg_restore") == 0))
			return true;
	}
	return false;
}
