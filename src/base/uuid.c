/*-------------------------------------------------------------------------
 *
 * uuid.c
 *		Making UUIDs of version 7.
 *
 * NOTES
 *		48 bits of milliseconds since 1970, then 12 bits that divide the
 *		millisecond, then 62 random bits.  In one session they rise, even
 *		when the clock goes back.  They are unique, not secret: whoever knows
 *		the id of a command can do nothing with it.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/uuid.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"

#include "base/uuid.h"

/* the 60 bits of time in the last one */
static uint64 last_time = 0;

void
cqrs_uuid_make(TimestampTz now, pg_uuid_t *result)
{
	int64		micros = now + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
	uint64		time = ((uint64) (micros / 1000) << 12) | (uint64) ((micros % 1000) * 4096 / 1000);
	uint64		random = pg_prng_uint64(&pg_global_prng_state);
	uint64		high;

	if (time <= last_time)
		time = last_time + 1;
	last_time = time;

	high = ((time >> 12) << 16) | UINT64CONST(0x7000) | (time & 0xfff);
	random = (random & UINT64CONST(0x3fffffffffffffff)) | UINT64CONST(0x8000000000000000);
	for (int i = 0; i < 8; i++)
	{
		result->data[i] = (unsigned char) (high >> (56 - 8 * i));
		result->data[8 + i] = (unsigned char) (random >> (56 - 8 * i));
	}
}
