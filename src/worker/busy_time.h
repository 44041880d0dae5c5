/*-------------------------------------------------------------------------
 *
 * busy_time.h
 *		Do so many commit events that to wake a worker for each is too much?
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/busy_time.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_BUSY_TIME_H
#define CQRS_BUSY_TIME_H

#include "datatype/timestamp.h"

#include "worker/board.h"

/* so long events come together at such times */
#define CQRS_BUSY_PAUSE_MS 5

extern void cqrs_busy_time_pause(CqrsBoardSlot *slot, CqrsBoardDatabase *database);
extern bool cqrs_is_busy_time(CqrsBoardDatabase *database, TimestampTz now);

#endif							/* CQRS_BUSY_TIME_H */
