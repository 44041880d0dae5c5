/*-------------------------------------------------------------------------
 *
 * snapshot.h
 *		Snapshots as values: pg_snapshot, and whether it shows a transaction.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/snapshot.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_SNAPSHOT_H
#define CQRS_SNAPSHOT_H

#include "access/transam.h"

/*
 * A pg_snapshot datum.  PostgreSQL keeps the struct private, but it is the
 * on-disk format of a type that pg_upgrade carries over, so it cannot change.
 */
typedef struct CqrsSnapshot
{
	int32		vl_len_;
	uint32		nxip;
	FullTransactionId xmin;
	FullTransactionId xmax;
	FullTransactionId xip[FLEXIBLE_ARRAY_MEMBER];	/* ascending */
} CqrsSnapshot;

extern CqrsSnapshot *cqrs_snapshot_take(void);
extern CqrsSnapshot *cqrs_snapshot_of_nothing(void);
extern CqrsSnapshot *cqrs_snapshot_of_everything(void);
extern CqrsSnapshot *cqrs_snapshot_copy(const CqrsSnapshot *snapshot);
extern bool cqrs_snapshot_equal(const CqrsSnapshot *a, const CqrsSnapshot *b);
extern bool cqrs_snapshot_shows(const CqrsSnapshot *snapshot, FullTransactionId xid);

#endif							/* CQRS_SNAPSHOT_H */
