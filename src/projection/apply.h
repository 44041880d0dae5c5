/*-------------------------------------------------------------------------
 *
 * apply.h
 *		Applying events to a projection, one batch at a time.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/apply.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_APPLY_H
#define CQRS_APPLY_H

#include "event/cursor.h"
#include "projection/registry.h"

typedef enum CqrsApplyStatus
{
	CQRS_APPLY_MORE,			/* there may be more events */
	CQRS_APPLY_CAUGHT_UP,		/* there are no more events now */
	CQRS_APPLY_NOT_RUNNING		/* paused, stopped, or dropped meanwhile */
} CqrsApplyStatus;

typedef struct CqrsApplyResult
{
	CqrsApplyStatus status;
	int64		applied;		/* events that rules have been applied to */
	int64		parked;			/* events that have been parked or skipped */
	int32		build;			/* the live one; 0: none */
	bool		needs_indexes;	/* a value has come up that one that is left out may refuse */
	ItemPointerData cursor_place;	/* hint: where the cursor's row is, if anywhere */
	CqrsDelivered delivered;	/* by the cursor, from the commit on */
} CqrsApplyResult;

/*
 * How one batch is applied.
 */
typedef struct CqrsApplyOptions
{
	int64		max_events;
	bool		with_own;		/* also events of the current transaction */
	bool		bulk;			/* nobody reads the tables yet: larger batches */
	List	   *left_out;		/* the statements that create indexes that do not exist yet */
	const CqrsCursor *limit;	/* only what this cursor has delivered; or NULL */
	int32		build;			/* hint: the live one was this; 0: who knows */
	bool		unguarded;		/* any error may be thrown: the caller rolls back, and comes again without this */
} CqrsApplyOptions;

/*
 * Applies the next batch to the live build in the current transaction, at most
 * max_events, and moves its cursor; then lets the follower, if there is one,
 * come after.  With own: also the transaction's own events.
 *
 * An error is thrown only when it has nothing to do with what is applied, and
 * the same batch may go well when it is tried again.  All others are dealt
 * with as the projection says.
 */
extern CqrsApplyResult cqrs_projection_apply(const char *name, int64 max_events, bool with_own);
extern CqrsApplyResult cqrs_projection_apply_with(const char *name, const CqrsApplyOptions *options);

/*
 * The same for any build, whose cursor the caller has locked before he has read
 * what there is of the projection.  What stops a build that is not live, stops
 * that build only.
 */
extern CqrsApplyResult cqrs_build_apply_batch(const CqrsProjection *projection, int32 number,
											  const CqrsApplyOptions *options);

/*
 * To the end of the log, batch after batch.  False when the build is stopped.
 */
extern bool cqrs_build_apply_all(const CqrsProjection *projection, int32 number,
								 const CqrsApplyOptions *options, CqrsApplyResult *sum);

#endif							/* CQRS_APPLY_H */
