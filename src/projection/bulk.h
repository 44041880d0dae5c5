/*-------------------------------------------------------------------------
 *
 * bulk.h
 *		What is left out while a build is being filled, and done afterwards.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/bulk.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_BULK_H
#define CQRS_BULK_H

#include "projection/build.h"

extern List *cqrs_bulk_leave_out(const CqrsProjection *projection, int32 number);
extern void cqrs_bulk_create(const CqrsBuild *build, const char *statement);
extern void cqrs_bulk_refresh(const CqrsBuild *build);
extern void cqrs_bulk_analyze(const CqrsBuild *build);

#endif							/* CQRS_BULK_H */
