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

typedef enum CqrsPlanId
{
	CQRS_PLAN_DELETE_COMMAND,
	CQRS_PLAN_DELETE_CURSOR,
	CQRS_PLAN_DELETE_LEDGER,
	CQRS_PLAN_DELETE_QUERY,
	CQRS_PLAN_INSERT_COMMAND,
	CQRS_PLAN_INSERT_EVENT_TYPE,
	CQRS_PLAN_INSERT_QUERY,
	CQRS_PLAN_COUNT				/* must be last */
} CqrsPlanId;

struct _SPI_plan;

extern struct _SPI_plan *cqrs_plan_generated(const char *sql, int nargs, Oid *argtypes);
extern uint64 cqrs_plan_execute(CqrsPlanId id, Datum *values, const bool *nulls);

#endif							/* CQRS_PLANS_H */
