/*-------------------------------------------------------------------------
 *
 * cursor.h
 *		How far a durable reader of the log has come.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/cursor.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_CURSOR_H
#define CQRS_CURSOR_H

#include "utils/snapshot.h"

#include "base/table.h"
#include "event/snapshot.h"

/*
 * A moment in the life of the log, taken in this order: "floor", the snapshot,
 * "next_xid" and "ceiling".  So every transaction that the snapshot does not
 * show and that is not below next_xid has drawn its positions beyond the
 * floor, and every one that it does show has drawn them up to the ceiling.
 */
typedef struct CqrsMoment
{
	CqrsSnapshot *snapshot;		/* NULL: no such moment */
	FullTransactionId next_xid;
	int64		floor;
	int64		ceiling;
} CqrsMoment;

/*
 * A row of cqrs.cursor.
 *
 * Delivered is what "done" shows, what "target" shows up to "position", and,
 * of the transaction "own_xid", everything up to "own_position".
 */
typedef struct CqrsCursor
{
	int32		incarnation;
	CqrsMoment	done;
	CqrsMoment	target;
	int64		position;
	FullTransactionId own_xid;	/* invalid: no such transaction */
	int64		own_position;
} CqrsCursor;

/*
 * What is known of a cursor at a glance: the transactions of the incarnation with
 * smaller numbers, and all of earlier ones, have ended, and their events have been
 * delivered.
 */
typedef struct CqrsDelivered
{
	int32		incarnation;	/* 0: nothing is known */
	FullTransactionId below;
} CqrsDelivered;

extern PGDLLEXPORT void cqrs_cursor_create(const char *name);
extern PGDLLEXPORT bool cqrs_cursor_drop(const char *name);

extern void cqrs_cursor_begin(CqrsCursor *cursor, int32 incarnation, int64 after_position);
extern bool cqrs_cursor_lock(Relation rel, const char *name, ItemPointer hint,
							 TupleTableSlot *slot, CqrsCursor *cursor);
extern bool cqrs_cursor_read(const char *name, CqrsCursor *cursor);
extern bool cqrs_cursor_read_near(const char *name, ItemPointer hint, CqrsCursor *cursor);
extern bool cqrs_cursor_read_as_of(const char *name, Snapshot snapshot, CqrsCursor *cursor);
extern void cqrs_cursor_of_snapshot(CqrsCursor *cursor, int32 incarnation);
extern void cqrs_cursor_write(const char *name, ItemPointer tid, const CqrsCursor *cursor);
extern void cqrs_cursor_copy(const char *from, const char *to);
extern bool cqrs_cursor_has_delivered(const CqrsCursor *cursor, int32 incarnation,
									  TupleTableSlot *event);
extern CqrsDelivered cqrs_cursor_delivered(const CqrsCursor *cursor);
extern CqrsMoment cqrs_moment_take(void);

#endif							/* CQRS_CURSOR_H */
