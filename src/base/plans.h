/*-------------------------------------------------------------------------
 *
 * plans.h
 *		The extension's own SQL statements, prepared once a session.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/plans.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_PLANS_H
#define CQRS_PLANS_H

#include "nodes/pg_list.h"

#include "base/identity.h"

typedef enum CqrsPlanId
{
	CQRS_PLAN_BUILD_GRANTABLE,
	CQRS_PLAN_BUILD_INDEXES,
	CQRS_PLAN_BUILD_MATERIALIZED,
	CQRS_PLAN_BUILD_POLICIES,
	CQRS_PLAN_BUILD_RELATIONS,
	CQRS_PLAN_BUILD_TABLES,
	CQRS_PLAN_BUILD_UNFIT,
	CQRS_PLAN_BUILD_VIEWS,
	CQRS_PLAN_CHANGE_BUILD,
	CQRS_PLAN_CHANGE_PROJECTION,
	CQRS_PLAN_CHANGE_RULE,
	CQRS_PLAN_COPY_BUILD,
	CQRS_PLAN_COPY_RULES,
	CQRS_PLAN_DEFERRABLE_CONSTRAINTS,
	CQRS_PLAN_DELETE_BUILDS,
	CQRS_PLAN_DELETE_COMMAND,
	CQRS_PLAN_DELETE_CURSOR,
	CQRS_PLAN_DELETE_LEDGER,
	CQRS_PLAN_DELETE_PARKED,
	CQRS_PLAN_DELETE_PROJECTION,
	CQRS_PLAN_DELETE_QUERY,
	CQRS_PLAN_DELETE_RULES,
	CQRS_PLAN_DELETE_RULES_OF_TYPE,
	CQRS_PLAN_DIAGRAM,
	CQRS_PLAN_FIND_DRAFT,
	CQRS_PLAN_HAS_OTHERS,
	CQRS_PLAN_INSERT_BUILD,
	CQRS_PLAN_INSERT_COMMAND,
	CQRS_PLAN_INSERT_EVENT_TYPE,
	CQRS_PLAN_INSERT_PROJECTION,
	CQRS_PLAN_INSERT_QUERY,
	CQRS_PLAN_INSERT_RULE,
	CQRS_PLAN_LIST_BUILDS,
	CQRS_PLAN_LIST_CATCH_UP,
	CQRS_PLAN_LIST_RULES,
	CQRS_PLAN_LIST_STARTED,
	CQRS_PLAN_LIST_WITH_OTHERS,
	CQRS_PLAN_LOCK_PROJECTION,
	CQRS_PLAN_NARROW_RULES,
	CQRS_PLAN_PREPARED_CHANGES,
	CQRS_PLAN_SCHEMA_OBJECTS,
	CQRS_PLAN_SET_ERROR,
	CQRS_PLAN_SET_POLICIES,
	CQRS_PLAN_SET_STATE,
	CQRS_PLAN_SET_TABLES,
	CQRS_PLAN_SET_WAITS,
	CQRS_PLAN_STOP_ORPHAN,
	CQRS_PLAN_USERS_OF_BUILD,
	CQRS_PLAN_USERS_OF_VIEW,
	CQRS_PLAN_COUNT				/* must be last */
} CqrsPlanId;

struct _SPI_plan;

extern struct _SPI_plan *cqrs_plan_generated(const char *sql, int nargs, Oid *argtypes);
extern void cqrs_plan_names_begin(CqrsIdentity *before);
extern void cqrs_plan_names_end(const CqrsIdentity *before);
extern void cqrs_plan_look_up(struct _SPI_plan *plan);
extern uint64 cqrs_plan_execute(CqrsPlanId id, Datum *values, const bool *nulls);
extern List *cqrs_plan_strings(CqrsPlanId id, Datum *values);
extern void cqrs_plan_run(const char *sql);
extern void cqrs_plan_read(const char *sql, void (*receive) (void *arg), void *arg);

#endif							/* CQRS_PLANS_H */
