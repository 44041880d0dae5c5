/*-------------------------------------------------------------------------
 *
 * prune.h
 *		When old rows leave the ledgers, and the removal of them.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/prune.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_PRUNE_H
#define CQRS_PRUNE_H

#include "worker/board.h"

/* in the launcher */
extern TimestampTz cqrs_prune_request(TimestampTz now);

/* in a scanner */
extern void cqrs_prune_for_a_while(CqrsBoardSlot *slot, CqrsBoardDatabase *database);

#endif							/* CQRS_PRUNE_H */
