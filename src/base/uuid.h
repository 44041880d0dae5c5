/*-------------------------------------------------------------------------
 *
 * uuid.h
 *		Making UUIDs of version 7.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/uuid.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_UUID_H
#define CQRS_UUID_H

#include "utils/timestamp.h"
#include "utils/uuid.h"

extern void cqrs_uuid_make(TimestampTz now, pg_uuid_t *result);

#endif							/* CQRS_UUID_H */
