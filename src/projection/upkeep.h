/*-------------------------------------------------------------------------
 *
 * upkeep.h
 *		Steps of the builds beside the live one: filling, keeping, dropping.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/upkeep.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_UPKEEP_H
#define CQRS_UPKEEP_H

#include "projection/apply.h"

/*
 * What a step has done, and when there is another one to do: at once when the
 * status says MORE, with the next event when it says CAUGHT_UP, never when it
 * says NOT_RUNNING.
 */
typedef struct CqrsUpkeep
{
	CqrsApplyResult result;
	int64		copied;			/* of the events, those that only keep the previous build current */
	TimestampTz not_before;		/* no step makes sense before, by cqrs_clock(); 0: any time */
	TimestampTz due;			/* there is a step to do then, by cqrs_clock(); 0: none */
	bool		swapped;		/* another build is live now */
} CqrsUpkeep;

extern CqrsUpkeep cqrs_projection_upkeep(const char *name, int64 max_events, bool with_own);

#endif							/* CQRS_UPKEEP_H */
