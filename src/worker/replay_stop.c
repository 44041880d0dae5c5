/*-------------------------------------------------------------------------
 *
 * replay_stop.c
 *		Replay that waits for who waits for it.
 *
 * NOTES
 *		On a standby, replay waits for transactions that may see rows which the
 *		primary has removed.  Who waits for something to be replayed, in a
 *		statement with a snapshot, may be one of them: then each would wait for the
 *		other for max_standby_streaming_delay.
 *
 *		Replay does not say whom it waits for.  It is a transaction that had a
 *		snapshot as old as ours when it stopped, and it waits until that ends, with
 *		or without a snapshot.  So we note the others whose snapshots are older
 *		than ours, and blame ourselves when all of them have ended and replay has had
 *		the time to notice: it looks after a millisecond, then after two, and so on up to
 *		a second.  When we come later than replay stopped, it may be anybody.
 *
 *		That we have no snapshot any more is no use: whom it waits for is decided when it
 *		stops.  But where it has come to after that, and stands before we take another
 *		one, it is not for us.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/replay_stop.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "pgstat.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "worker/replay_stop.h"

/* replay looks at least so often whether those that it waits for are gone */
#define REPLAY_NAP_MS 1000

/* it may be late, and so may we */
#define LATE_MS 50

static bool replay_waits_for_snapshots(void);
static void note_others(CqrsReplayStop *stop, bool all);
static bool others_go_on(const CqrsReplayStop *stop);

/*
 * An error when replay seems to wait for the snapshot of our own statement.  To be
 * called every few milliseconds, in a context that lasts as long as "stop" does.
 */
void
cqrs_replay_give_way(CqrsReplayStop *stop)
{
	XLogRecPtr	place = GetXLogReplayRecPtr(NULL);
	bool		first = !stop->looked;
	TimestampTz now;
	int64		nap;

	stop->looked = true;
	/* between two naps it does not say that it waits */
	if (!replay_waits_for_snapshots() || !TransactionIdIsValid(MyProc->xmin) ||
		place == stop->not_for_us)
		return;
	now = cqrs_clock();
	if (stop->place != place)
	{
		note_others(stop, first);
		stop->place = place;
		stop->stopped_at = first ? now - REPLAY_NAP_MS * 1000 : now;
		stop->alone_since = now;
	}
	if (others_go_on(stop))
		stop->alone_since = now;
	nap = Min(stop->alone_since - stop->stopped_at, REPLAY_NAP_MS * 1000);
	if (now - stop->alone_since < nap + LATE_MS * 1000)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("cannot wait any longer on this standby"),
			 errdetail("Replay seems to wait for the snapshot of this statement to be gone, before it comes to what is waited for."),
			 errhint("Try again in a new transaction, by a statement that does nothing but wait. It does not happen when \"hot_standby_feedback\" is on.")));
}

/*
 * We have let go of our snapshot.  What comes next in replay may still be about it, what
 * comes after that is not.
 */
void
cqrs_replay_let_go(CqrsReplayStop *stop)
{
	pg_memory_barrier();
	stop->let_go_at = GetXLogReplayRecPtr(NULL);
}

/*
 * We have not had one since then, and are about to take another one.
 */
void
cqrs_replay_look_around(CqrsReplayStop *stop)
{
	XLogRecPtr	place = GetXLogReplayRecPtr(NULL);

	if (place != stop->let_go_at && place != stop->place &&
		replay_waits_for_snapshots() && place == GetXLogReplayRecPtr(NULL))
		stop->not_for_us = place;
}

/*
 * Only the process that replays ever waits for this.
 */
static bool
replay_waits_for_snapshots(void)
{
	for (uint32 i = 0; i < ProcGlobal->allProcCount; i++)
	{
		const volatile PGPROC *proc = &ProcGlobal->allProcs[i];

		if (proc->wait_event_info == WAIT_EVENT_RECOVERY_CONFLICT_SNAPSHOT)
			return true;
	}
	return false;
}

/*
 * Those with older snapshots than ours, or all.
 */
static void
note_others(CqrsReplayStop *stop, bool all)
{
	TransactionId limit = MyProc->xmin;
	VirtualTransactionId own;
	VirtualTransactionId *found;
	int			n = 0;

	GET_VXID_FROM_PGPROC(own, *MyProc);
	TransactionIdRetreat(limit);
	found = GetConflictingVirtualXIDs(all ? InvalidTransactionId : limit, InvalidOid);
	while (VirtualTransactionIdIsValid(found[n]))
		n++;

	if (stop->others)
		pfree(stop->others);
	stop->others = palloc((n + 1) * sizeof(VirtualTransactionId));
	stop->nothers = 0;
	for (int i = 0; i < n; i++)
		if (!VirtualTransactionIdEquals(found[i], own))
			stop->others[stop->nothers++] = found[i];
}

static bool
others_go_on(const CqrsReplayStop *stop)
{
	for (int i = 0; i < stop->nothers; i++)
		if (!VirtualXactLock(stop->others[i], false))
			return true;
	return false;
}
