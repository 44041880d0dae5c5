/*-------------------------------------------------------------------------
 *
 * counters.h
 *		Counters of commands and queries, in shared memory.
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

typedef enum CqrsCountKind
{
	CQRS_COUNT_COMMAND = 'c',
	CQRS_COUNT_QUERY = 'q'
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

#endif							/* CQRS_COUNTERS_H */
