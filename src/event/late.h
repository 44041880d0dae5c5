/*-------------------------------------------------------------------------
 *
 * late.h
 *		Late events: of transactions that were running when "done" was taken.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/late.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_LATE_H
#define CQRS_LATE_H

#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "event/cursor.h"

typedef struct CqrsLate CqrsLate;

extern CqrsLate *cqrs_late_begin(Relation event, Relation xid_index, Snapshot snapshot,
								 const CqrsCursor *cursor, int64 after_position, int64 last_position);
extern TupleTableSlot *cqrs_late_next(CqrsLate *late, int64 *position);
extern void cqrs_late_end(CqrsLate *late);

#endif							/* CQRS_LATE_H */
