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

/* failed.c */
extern void cqrs_failed_note(Oid database);
extern void cqrs_failed_forget(Oid database);
extern TimestampTz cqrs_failed_until(Oid database);

#endif							/* CQRS_LAUNCHER_H */
