/*-------------------------------------------------------------------------
 *
 * plans.c
 *		The extension's own SQL statements, prepared once a session.
 *
 * NOTES
 *		These statements touch the extension's tables only and run as their
 *		owner.  Every name and operator in them is qualified, so they mean the
 *		same whatever the session's search_path; a script checks that.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/plans.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"

#include "base/identity.h"
#include "base/plans.h"

#define MAX_ARGS 8

typedef struct PlanText
{
	const char *sql;
	int			expected;		/* what SPI answers when it went well */
	int			nargs;
	Oid			argtypes[MAX_ARGS];
} PlanText;

static const PlanText plan_texts[CQRS_PLAN_COUNT] = {
	[CQRS_PLAN_DELETE_COMMAND] = {
		"DELETE FROM cqrs.command_registry WHERE name OPERATOR(pg_catalog.=) $1",
		SPI_OK_DELETE, 1, {TEXTOID}
	},
	[CQRS_PLAN_DELETE_CURSOR] = {
		"DELETE FROM cqrs.cursor WHERE name OPERATOR(pg_catalog.=) $1",
		SPI_OK_DELETE, 1, {TEXTOID}
	},
	[CQRS_PLAN_DELETE_LEDGER] = {
		"DELETE FROM cqrs.ledger WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY("
		"SELECT old.ctid FROM cqrs.ledger old WHERE old.received_at OPERATOR(pg_catalog.<) $1 "
		"ORDER BY old.received_at LIMIT $2 FOR UPDATE SKIP LOCKED))",
		SPI_OK_DELETE, 2, {TIMESTAMPTZOID, INT8OID}
	},
	[CQRS_PLAN_DELETE_QUERY] = {
		"DELETE FROM cqrs.query_registry WHERE name OPERATOR(pg_catalog.=) $1",
		SPI_OK_DELETE, 1, {TEXTOID}
	},
	[CQRS_PLAN_INSERT_COMMAND] = {
		"INSERT INTO cqrs.command_registry (name, handler_schema, handler_name, argument, owner, description) "
		"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO NOTHING",
		SPI_OK_INSERT, 6, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}
	},
	[CQRS_PLAN_INSERT_EVENT_TYPE] = {
		"INSERT INTO cqrs.event_type (name, payload, description) "
		"VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
		SPI_OK_INSERT, 3, {TEXTOID, TEXTOID, TEXTOID}
	},
	[CQRS_PLAN_INSERT_QUERY] = {
		"INSERT INTO cqrs.query_registry (name, handler_schema, handler_name, argument, owner, description) "
		"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO NOTHING",
		SPI_OK_INSERT, 6, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}
	},
};

static SPIPlanPtr plans[CQRS_PLAN_COUNT];

static SPIPlanPtr get_plan(CqrsPlanId id);

/*
 * Executes a statement as the owner of the extension and says how many rows it
 * touched.  "nulls" may be NULL when no value is null.  The caller is connected
 * to SPI and finds result rows in SPI_tuptable.
 */
uint64
cqrs_plan_execute(CqrsPlanId id, Datum *values, const bool *nulls)
{
	CqrsIdentity before;
	char		null_chars[MAX_ARGS];
	int			result;

	for (int i = 0; i < plan_texts[id].nargs; i++)
		null_chars[i] = (nulls && nulls[i]) ? 'n' : ' ';

	cqrs_become_owner(&before);
	result = SPI_execute_plan(get_plan(id), values, null_chars, false, 0);
	cqrs_come_back(&before);

	if (result != plan_texts[id].expected)
		elog(ERROR, "unexpected result %d of internal statement %d", result, (int) id);
	return SPI_processed;
}

/*
 * Prepares a statement that was put together at run time, out of qualified and
 * quoted names.  It runs as whoever executes it.  The caller frees the plan.
 */
SPIPlanPtr
cqrs_plan_generated(const char *sql, int nargs, Oid *argtypes)
{
	SPIPlanPtr	plan = SPI_prepare(sql, nargs, argtypes);

	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
	SPI_keepplan(plan);
	return plan;
}

static SPIPlanPtr
get_plan(CqrsPlanId id)
{
	if (plans[id] == NULL)
	{
		PlanText	text = plan_texts[id];
		SPIPlanPtr	plan = SPI_prepare(text.sql, text.nargs, text.argtypes);

		if (plan == NULL)
			elog(ERROR, "could not prepare internal statement %d: %s",
				 (int) id, SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		plans[id] = plan;
	}
	return plans[id];
}
