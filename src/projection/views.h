/*-------------------------------------------------------------------------
 *
 * views.h
 *		The views on a build in the read schema: created, replaced, dropped.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/views.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_VIEWS_H
#define CQRS_VIEWS_H

#include "projection/build_row.h"

extern List *cqrs_views_create(const CqrsProjection *projection, int32 number, Oid role);
extern void cqrs_views_check(const CqrsProjection *projection, int32 from, int32 to, Oid role);
extern List *cqrs_views_replace(const CqrsProjection *projection, int32 from, int32 to, Oid role);
extern List *cqrs_views_of(const CqrsProjection *projection, int32 number);

#endif							/* CQRS_VIEWS_H */
