/*-------------------------------------------------------------------------
 *
 * pick.h
 *		Picking events out of the log: by position, and those of our own transaction.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/pick.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_PICK_H
#define CQRS_PICK_H

#include "executor/tuptable.h"
#include "nodes/pg_list.h"

/*
 * A scan of some part of the log.  It is used at the nesting level at which it
 * was begun.
 */
typedef struct CqrsPick CqrsPick;

extern CqrsPick *cqrs_pick_begin(void);
extern TupleTableSlot *cqrs_pick_at(CqrsPick *pick, int64 position);
extern void cqrs_pick_own(CqrsPick *pick, int64 after_position, int64 last_position);
extern List *cqrs_pick_own_types(int64 after_position, int64 last_position);
extern TupleTableSlot *cqrs_pick_next(CqrsPick *pick);
extern void cqrs_pick_end(CqrsPick *pick);

#endif							/* CQRS_PICK_H */
