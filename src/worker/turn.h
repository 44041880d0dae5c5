/*-------------------------------------------------------------------------
 *
 * turn.h
 *		A worker's batch of one projection: its transaction, and what becomes of errors.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/turn.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_TURN_H
#define CQRS_TURN_H

#include "worker/board.h"

/*
 * Applies a batch for the worker, who has taken the task.  True when there may be
 * more.  The context is emptied first.
 */
extern bool cqrs_turn_apply(CqrsBoardSlot *slot, CqrsBoardDatabase *database, MemoryContext scratch);

#endif							/* CQRS_TURN_H */
