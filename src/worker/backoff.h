/*-------------------------------------------------------------------------
 *
 * backoff.h
 *		How long to wait before the next attempt.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/backoff.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_BACKOFF_H
#define CQRS_BACKOFF_H

#include "common/pg_prng.h"

#include "base/guc.h"

/*
 * Milliseconds, after so many failures in a row: doubled each time, give or
 * take a quarter.
 */
static inline int
cqrs_backoff(int failures)
{
	double		delay = cqrs_retry_min;

	for (int i = 1; i < failures && delay < cqrs_retry_max; i++)
		delay *= 2;
	delay = Min(delay, cqrs_retry_max);
	return (int) (delay * (0.75 + 0.5 * pg_prng_double(&pg_global_prng_state)));
}

#endif							/* CQRS_BACKOFF_H */
