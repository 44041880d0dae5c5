/*-------------------------------------------------------------------------
 *
 * batch.c
 *		A batch of events in memory: applied as a whole, or all but the culprits.
 *
 * NOTES
 *		An error may come up long after the event that has caused it, in the
 *		flush of the whole batch.  So the culprit is found by halves: what can
 *		be applied is applied, what cannot is undone and divided, down to one
 *		event.  A single culprit costs about as much as the batch again.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/batch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/table.h"
#include "projection/attempt.h"
#include "projection/batch.h"

/*
 * Part of a batch that is tried at once.
 */
typedef struct Part
{
	CqrsBatch  *batch;
	int			first;
	int			end;
	int64		applied;
} Part;

static void apply_part(CqrsBatch *batch, int first, int end);
static bool engine_has_changed(CqrsBatch *batch, int number);
static void try_part(void *part);
static void feed_part(CqrsBuild *build, void *part);
static TupleTableSlot *event_at(CqrsBatch *batch, int i);

/*
 * Lives in the current memory context.
 */
CqrsBatch *
cqrs_batch_create(CqrsBuild *build, bool with_marks)
{
	CqrsBatch  *batch = palloc0(sizeof(CqrsBatch));
	Relation	event = cqrs_table_open("event", AccessShareLock);

	batch->build = build;
	batch->desc = CreateTupleDescCopyConstr(RelationGetDescr(event));
	batch->slot = MakeSingleTupleTableSlot(batch->desc, &TTSOpsHeapTuple);
	batch->allocated = 256;
	batch->events = palloc(batch->allocated * sizeof(HeapTuple));
	if (with_marks)
		batch->marks = palloc(batch->allocated * sizeof(CqrsCursor));
	table_close(event, NoLock);
	return batch;
}

void
cqrs_batch_add(CqrsBatch *batch, TupleTableSlot *event, const CqrsCursor *mark)
{
	HeapTuple	tuple;

	if (batch->count == batch->allocated)
	{
		batch->allocated *= 2;
		batch->events = repalloc_huge(batch->events, batch->allocated * sizeof(HeapTuple));
		if (batch->marks)
			batch->marks = repalloc_huge(batch->marks, batch->allocated * sizeof(CqrsCursor));
	}
	tuple = ExecCopySlotHeapTuple(event);
	if (batch->marks)
		batch->marks[batch->count] = *mark;
	batch->events[batch->count++] = tuple;
	batch->bytes += tuple->t_len + HEAPTUPLESIZE;
}

/*
 * Applies the events of the batch.
 */
void
cqrs_batch_apply(CqrsBatch *batch)
{
	batch->applied = 0;
	batch->end = batch->count;
	if (batch->count > 0)
		apply_part(batch, 0, batch->count);
}

void
cqrs_batch_empty(CqrsBatch *batch)
{
	ExecClearTuple(batch->slot);
	for (int i = 0; i < batch->count; i++)
		heap_freetuple(batch->events[i]);
	batch->count = 0;
	batch->bytes = 0;
}

void
cqrs_batch_destroy(CqrsBatch *batch)
{
	cqrs_batch_empty(batch);
	ExecDropSingleTupleTableSlot(batch->slot);
	FreeTupleDesc(batch->desc);
	pfree(batch->events);
	if (batch->marks)
		pfree(batch->marks);
	pfree(batch);
}

static void
apply_part(CqrsBatch *batch, int first, int end)
{
	Part		part = {batch, first, end, 0};
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "cqrs batch",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(scratch);
	ErrorData  *error;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	error = cqrs_attempt(try_part, &part);
	batch->failed_rule = error ? cqrs_engine_failed_rule(batch->build->engine) : NULL;
	cqrs_build_clean(batch->build);

	if (error == NULL)
		batch->applied += part.applied;
	else if (end - first > 1)
	{
		int			middle = first + (end - first) / 2;

		apply_part(batch, first, middle);
		if (batch->end >= middle)
			apply_part(batch, middle, end);
	}
	else if (engine_has_changed(batch, first) ||
			 !batch->failed(batch, event_at(batch, first), error))
		batch->end = first;

	MemoryContextSwitchTo(before);
	MemoryContextDelete(scratch);
}

/*
 * Has what the rules use been altered or dropped, by an event before even?  Then
 * the event is not to blame, and the batch ends here; the next one begins with
 * rules made anew.  The first event of a batch is to blame in any case, so that
 * each batch gets on.
 */
static bool
engine_has_changed(CqrsBatch *batch, int number)
{
	return batch->marks && number > 0 && !cqrs_engine_valid(batch->build->engine);
}

static void
try_part(void *arg)
{
	cqrs_build_apply(((Part *) arg)->batch->build, feed_part, arg);
}

static void
feed_part(CqrsBuild *build, void *arg)
{
	Part	   *part = (Part *) arg;

	part->applied = 0;
	for (int i = part->first; i < part->end; i++)
	{
		TupleTableSlot *event = event_at(part->batch, i);

		CHECK_FOR_INTERRUPTS();
		if (!part->batch->admit(part->batch, event))
			continue;
		cqrs_engine_apply(build->engine, event);
		part->applied++;
		if (cqrs_engine_memory(build->engine) > (Size) cqrs_batch_max_bytes * 1024)
			cqrs_engine_flush(build->engine);
	}
}

static TupleTableSlot *
event_at(CqrsBatch *batch, int i)
{
	return ExecStoreHeapTuple(batch->events[i], batch->slot, false);
}
