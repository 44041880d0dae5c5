/*-------------------------------------------------------------------------
 *
 * busy_time.c
 *		Do so many commit events that to wake a worker for each is too much?
 *
 * NOTES
 *		A worker that keeps up with 10,000 commits a second would go to sleep,
 *		and be woken, after nearly each of them, by a system call that the
 *		committing session makes.  Nobody wakes one who does not sleep; so at
 *		such times a worker pauses for a millisecond and looks then.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/busy_time.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/proclist.h"

#include "base/compat.h"
#include "worker/busy_time.h"

/* it is when so many commit in a millisecond, as counted over so long */
#define BUSY_COMMITS 2
#define COUNT_MS 10

/*
 * Asked by a worker that has nothing to do.  Who waits for a projection shall not wait
 * longer, so it is no such time while somebody does, or has done a moment ago: he may
 * be on the way to do so again.
 */
bool
cqrs_is_busy_time(CqrsBoardDatabase *database, TimestampTz now)
{
	static bool busy = false;
	static TimestampTz counted_at = 0;
	static uint64 counted = 0;
	static uint64 waits = 0;

	if (now - counted_at >= COUNT_MS * 1000)
	{
		uint64		appended = pg_atomic_read_u64(&database->appended);

		busy = (appended - counted) * 1000 >= (uint64) (now - counted_at) * BUSY_COMMITS &&
			waits == pg_atomic_read_u64(&database->waits);
		waits = pg_atomic_read_u64(&database->waits);
		counted_at = now;
		counted = appended;
	}
	return busy && waits == pg_atomic_read_u64(&database->waits) &&
		proclist_is_empty(&database->progress.wakeup);
}
