/*-------------------------------------------------------------------------
 *
 * plans.c
 *		The extension's own SQL statements, prepared once a session.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/plans.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"

#include "base/identity.h"
#include "base/plan_texts.h"
#include "base/plans.h"

/* rows that are fetched at once */
#define PORTION 1000

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
	char		null_chars[CQRS_PLAN_MAX_ARGS];
	int			result;

	for (int i = 0; i < cqrs_plan_texts[id].nargs; i++)
		null_chars[i] = (nulls && nulls[i]) ? 'n' : ' ';

	cqrs_become_owner(&before);
	result = SPI_execute_plan(get_plan(id), values, null_chars, false, 0);
	cqrs_come_back(&before);

	if (result != cqrs_plan_texts[id].expected)
		elog(ERROR, "unexpected result %d of internal statement %d", result, (int) id);
	return SPI_processed;
}

/*
 * What a statement gives in its first column: strings, in the current memory
 * context.
 */
List *
cqrs_plan_strings(CqrsPlanId id, Datum *values)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *result = NIL;

	SPI_connect();
	cqrs_plan_execute(id, values, NULL);
	MemoryContextSwitchTo(caller);
	for (uint64 row = 0; row < SPI_processed; row++)
		result = lappend(result, SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1));
	SPI_finish();
	return result;
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

/*
 * Executes statements that a user wrote, or that are made of quoted names, as
 * the current user.  They are not kept.
 */
void
cqrs_plan_run(const char *sql)
{
	int			result;

	SPI_connect();
	result = SPI_execute(sql, false, 0);
	if (result < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("this kind of statement cannot be used here"),
				 result == SPI_ERROR_TRANSACTION ?
				 errdetail("Transactions and savepoints are for the caller to begin and end.") :
				 result == SPI_ERROR_COPY ?
				 errdetail("COPY can neither read from the client here nor write to it.") :
				 errdetail("Executing it gave %s.", SPI_result_code_string(result))));
	SPI_finish();
}

/*
 * Reads the rows of a query made of quoted names as the current user, with the
 * active snapshot.  "receive" is called for each portion of them, which it
 * finds in SPI_tuptable.
 */
void
cqrs_plan_read(const char *sql, void (*receive) (void *arg), void *arg)
{
	Portal		portal;

	SPI_connect();
	portal = SPI_cursor_open_with_args(NULL, sql, 0, NULL, NULL, NULL, true, 0);
	do
	{
		SPI_cursor_fetch(portal, true, PORTION);
		receive(arg);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed == PORTION);
	SPI_cursor_close(portal);
	SPI_finish();
}

static SPIPlanPtr
get_plan(CqrsPlanId id)
{
	if (plans[id] == NULL)
	{
		CqrsPlanText text = cqrs_plan_texts[id];
		SPIPlanPtr	plan = SPI_prepare(text.sql, text.nargs, text.argtypes);

		if (plan == NULL)
			elog(ERROR, "could not prepare internal statement %d: %s",
				 (int) id, SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		plans[id] = plan;
	}
	return plans[id];
}
