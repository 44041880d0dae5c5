/*-------------------------------------------------------------------------
 *
 * dependents.h
 *		What depends on a build or its views, and stands in the way.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/dependents.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_DEPENDENTS_H
#define CQRS_DEPENDENTS_H

#include "catalog/dependency.h"
#include "nodes/pg_list.h"

#include "projection/registry.h"

extern void cqrs_require_no_users_of_view(Oid view, const char *schema);
extern void cqrs_require_no_users_of_build(const CqrsProjection *projection, int32 number, List *views);
extern void cqrs_drop_without_users(const CqrsProjection *projection, int32 number,
									const ObjectAddresses *targets);

#endif							/* CQRS_DEPENDENTS_H */
