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
} CqrsApplyResult;

/*
 * Applies the next batch in the current transaction, at most max_events, and
 * moves the projection's cursor.  With own: also the transaction's own events.
 *
 * An error is thrown only when it has nothing to do with what is applied, and
 * the same batch may go well when it is tried again.  All others are dealt
 * with as the projection says.
 */
extern CqrsApplyResult cqrs_projection_apply(const char *name, int64 max_events, bool with_own);

#endif							/* CQRS_APPLY_H */
