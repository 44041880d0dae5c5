/*-------------------------------------------------------------------------
 *
 * incarnation.h
 *		The databases this log has lived in, and which part each one wrote.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/incarnation.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_INCARNATION_H
#define CQRS_INCARNATION_H

#include "utils/snapshot.h"

/*
 * One row of cqrs.incarnation, with where the next one begins.
 */
typedef struct CqrsIncarnation
{
	int32		id;				/* 1, 2, 3, ... */
	int64		after_position; /* its events lie beyond this one */
	int64		last_position;	/* and not beyond this: PG_INT64_MAX for the last row */
	bool		is_here;		/* is it this database that it names? */
} CqrsIncarnation;

extern bool cqrs_incarnation_read(int32 id, Snapshot snapshot, CqrsIncarnation *result);
extern void cqrs_incarnation_ensure(Oid event_oid);
extern int32 cqrs_incarnation_current(void);
extern int64 cqrs_incarnation_floor(void);
extern int32 cqrs_incarnation_here(Snapshot snapshot);
extern bool cqrs_incarnation_is_settled(Snapshot snapshot);

#endif							/* CQRS_INCARNATION_H */
