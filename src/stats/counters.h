/*-------------------------------------------------------------------------
 *
 * counters.h
 *		Counters of commands, queries and projections, in shared memory.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/stats/counters.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_COUNTERS_H
#define CQRS_COUNTERS_H

#include "fmgr.h"
#include "nodes/pg_list.h"

typedef enum CqrsCountKind
{
	CQRS_COUNT_COMMAND = 'c',
	CQRS_COUNT_QUERY = 'q',
	CQRS_COUNT_PROJECTION = 'p' /* ACCEPTED: events applied */
} CqrsCountKind;

typedef enum CqrsCountResult
{
	CQRS_COUNT_ACCEPTED,
	CQRS_COUNT_REJECTED,
	CQRS_COUNT_REPLAYED,
	CQRS_COUNT_RESULTS			/* must be last */
} CqrsCountResult;

extern void cqrs_counters_init(void);
extern void cqrs_count(CqrsCountKind kind, const text *name, CqrsCountResult result,
					   int64 microseconds);
extern bool cqrs_counter_prepare(CqrsCountKind kind, const char *name);
extern void cqrs_counter_add(CqrsCountKind kind, const char *name, int64 n);
extern void cqrs_counter_clear(CqrsCountKind kind, const char *name);
extern int64 cqrs_counter_get(CqrsCountKind kind, const char *name);
extern void cqrs_counters_keep(List *databases);

#endif							/* CQRS_COUNTERS_H */
