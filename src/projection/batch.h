/*-------------------------------------------------------------------------
 *
 * batch.h
 *		A batch of events in memory: applied as a whole, or all but the culprits.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/batch.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_BATCH_H
#define CQRS_BATCH_H

#include "access/htup.h"
#include "executor/tuptable.h"

#include "event/cursor.h"
#include "projection/build.h"

typedef struct CqrsBatch CqrsBatch;

struct CqrsBatch
{
	CqrsBuild  *build;
	HeapTuple  *events;			/* rows of cqrs.event */
	CqrsCursor *marks;			/* where the reader stood before each, or NULL */
	int			count;
	int			allocated;
	Size		bytes;
	TupleDesc	desc;
	TupleTableSlot *slot;

	/*
	 * Called before an event is applied, in the same subtransaction, as the
	 * owner of the projection: false when it is not to be applied.
	 */
	bool		(*admit) (CqrsBatch *batch, TupleTableSlot *event);

	/*
	 * Called for an event that cannot be applied, when that is undone: false
	 * when the batch ends before this event.  failed_rule is its rule.
	 */
	bool		(*failed) (CqrsBatch *batch, TupleTableSlot *event, const ErrorData *error);

	char	   *failed_rule;	/* may be NULL */
	void	   *arg;			/* of the caller */
	int64		applied;		/* how many events have been applied */
	int			end;			/* events from here on have been left alone */
};

extern CqrsBatch *cqrs_batch_create(CqrsBuild *build, bool with_marks);
extern void cqrs_batch_add(CqrsBatch *batch, TupleTableSlot *event, const CqrsCursor *mark);
extern void cqrs_batch_apply(CqrsBatch *batch);
extern void cqrs_batch_empty(CqrsBatch *batch);
extern void cqrs_batch_destroy(CqrsBatch *batch);

#endif							/* CQRS_BATCH_H */
