/*-------------------------------------------------------------------------
 *
 * old_snapshots.h
 *		Transactions of this database that hold a snapshot.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/old_snapshots.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_OLD_SNAPSHOTS_H
#define CQRS_OLD_SNAPSHOTS_H

#include "nodes/pg_list.h"

extern List *cqrs_snapshots_held(void);
extern List *cqrs_snapshots_still_held(List *before);

#endif							/* CQRS_OLD_SNAPSHOTS_H */
