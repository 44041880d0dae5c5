/*-------------------------------------------------------------------------
 *
 * launcher.h
 *		The launcher: sees to it that there are workers where there is work.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/launcher.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_LAUNCHER_H
#define CQRS_LAUNCHER_H

#include "datatype/timestamp.h"

extern void cqrs_launcher_init(void);

/* assign.c */
extern TimestampTz cqrs_assign_workers(TimestampTz now);
extern void cqrs_assign_make_room(TimestampTz now);

#endif							/* CQRS_LAUNCHER_H */
