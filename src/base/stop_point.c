/*-------------------------------------------------------------------------
 *
 * stop_point.c
 *		Places at which a test can stop a process.
 *
 * NOTES
 *		What happens when a process dies between two steps can only be tested
 *		by stopping it there.  The names of the places are in src/README.md.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/stop_point.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/stop_point.h"

CqrsStopPointHook cqrs_stop_point_hook = NULL;
