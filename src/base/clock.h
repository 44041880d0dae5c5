/*-------------------------------------------------------------------------
 *
 * clock.h
 *		Time that only goes forward, for deadlines and pauses.
 *
 * The time of day jumps when somebody sets the clock of the machine; a pause
 * that is measured by it may then last for a day.  This clock begins
 * somewhere, and is the same for all processes of a server.  What it gives
 * has the unit of a TimestampTz, so that the same functions calculate with it;
 * it is never shown to anybody.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/clock.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_CLOCK_H
#define CQRS_CLOCK_H

#include "datatype/timestamp.h"
#include "portability/instr_time.h"

static inline TimestampTz
cqrs_clock(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (TimestampTz) INSTR_TIME_GET_MICROSEC(now);
}

#endif							/* CQRS_CLOCK_H */
