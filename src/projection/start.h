/*-------------------------------------------------------------------------
 *
 * start.h
 *		From a draft to a build that events can be applied to.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/start.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_START_H
#define CQRS_START_H

#include "projection/build.h"
#include "projection/build_row.h"

extern void cqrs_start_draft(const char *name);
extern CqrsBuild *cqrs_start_build(const CqrsProjection *projection, int32 number);
extern void cqrs_restart_build(const CqrsProjection *projection, CqrsBuildRow *row);

#endif							/* CQRS_START_H */
