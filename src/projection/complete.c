/*-------------------------------------------------------------------------
 *
 * complete.c
 *		When a build may take the place of the live one.
 *
 * NOTES
 *		When it has all that the live one has, in the eyes of everybody who may
 *		look at it.  The first half is a matter of cursors, and of keeping it so
 *		from then on; the second half of snapshots.  src/README.md explains.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/complete.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"

#include "base/compat.h"
#include "projection/build.h"
#include "projection/complete.h"
#include "projection/old_snapshots.h"

/*
 * Takes a build to the end of the log while the live one stands still, and
 * makes it follow.  One of an inline projection does not, see src/README.md.
 * False when nothing has been done, as somebody else has changed the builds.
 */
bool
cqrs_build_complete(const char *name, int32 number, bool with_own, CqrsApplyResult *sum)
{
	CqrsApplyOptions options = {.max_events = PG_INT64_MAX, .with_own = with_own};
	CqrsProjection *projection = cqrs_projection_get(name);
	CqrsBuildRow *row;

	if (!cqrs_build_lock(name, projection->live_build) || !cqrs_build_lock(name, number))
		return false;
	projection = cqrs_projection_lock(name);
	if (projection->next_build != number)
		return false;
	if (!cqrs_build_apply_all(projection, number, &options, sum))
		return true;

	row = cqrs_build_row(name, number);
	row->complete_xid = GetTopFullTransactionId();
	row->looked = false;
	row->waits_for = NIL;
	cqrs_build_row_write(row);
	if (!projection->is_inline)
	{
		projection->follower = number;
		cqrs_projection_write(projection);
	}
	return true;
}

/*
 * Is there nobody left who may have a snapshot that does not show all of a
 * build that has been completed?  The row is brought up to date.
 */
bool
cqrs_build_may_be_swapped(CqrsBuildRow *row)
{
	List	   *waits_for;

	/* nobody can know of it yet: those who have a snapshot now may not */
	if (FullTransactionIdEquals(row->complete_xid, GetTopFullTransactionIdIfAny()))
		return cqrs_snapshots_held() == NIL;

	waits_for = row->looked ? cqrs_snapshots_still_held(row->waits_for) : cqrs_snapshots_held();
	if ((!row->looked || list_length(waits_for) != list_length(row->waits_for)) &&
		!cqrs_build_row_set_waits(row, waits_for))
		return false;
	return waits_for == NIL;
}
