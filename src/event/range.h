/*-------------------------------------------------------------------------
 *
 * range.h
 *		The part of a step that is read by a range of positions.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/range.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_RANGE_H
#define CQRS_RANGE_H

#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "event/cursor.h"

typedef struct CqrsRange CqrsRange;

extern CqrsRange *cqrs_range_begin(Relation event, Relation index, Snapshot snapshot,
								   CqrsCursor *cursor, int64 last_position, bool may_share);
extern TupleTableSlot *cqrs_range_next(CqrsRange *range, TupleTableSlot *slot);
extern void cqrs_range_end(CqrsRange *range);

#endif							/* CQRS_RANGE_H */
