/*-------------------------------------------------------------------------
 *
 * args.c
 *		Arguments of SQL functions.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/args.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/args.h"

void
cqrs_require_arg(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
}

/*
 * A timeout in microseconds.  Months have 30 days, and what is too long is as
 * good as for ever.
 */
int64
cqrs_get_timeout(Interval *timeout)
{
	double		seconds;

	seconds = timeout->time / 1000000.0 + (timeout->month * 30.0 + timeout->day) * 86400.0;
	if (seconds < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must not be negative")));
	return (int64) (Min(seconds, 1e9) * 1000000.0);
}
