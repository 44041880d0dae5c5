/*-------------------------------------------------------------------------
 *
 * busy_time.c
 *		Do so many commit events that to wake a worker for each is too much?
 *
 * NOTES
 *		A worker that keeps up with 10,000 commits a second would go to sleep,
 *		and be woken, after nearly each of them, by a system call that the
 *		committing session makes; and it would commit thousands of times a second
 *		itself, each time with the cost of a batch, and wake the WAL writer, who
 *		is then in the way of those who flush.  Nobody wakes one who does not
 *		sleep; so at such times a worker pauses for a few milliseconds after each
 *		batch, and takes then what has come together.  Who begins to wait for a
 *		projection ends the pause.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/busy_time.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proclist.h"

#include "base/clock.h"
#include "base/compat.h"
#include "worker/busy_time.h"

/* it is when so many commit in a millisecond, as counted over so long */
#define BUSY_COMMITS 2
#define COUNT_MS 10

/*
 * Asked by a worker between two batches.  Who waits for a projection shall not wait
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

/*
 * Lets events come together.  The latch has been reset.
 */
void
cqrs_busy_time_pause(CqrsBoardSlot *slot, CqrsBoardDatabase *database)
{
	static uint32 wait_event = 0;

	if (wait_event == 0)
		wait_event = cqrs_wait_event("CqrsWorkerPause");
	slot->pausing = true;
	/* one who has begun to wait before he could see that is seen here */
	pg_memory_barrier();
	if (!slot->leave && cqrs_is_busy_time(database, cqrs_clock()))
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 CQRS_BUSY_PAUSE_MS, wait_event);
	slot->pausing = false;
}
