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

#include "catalog/namespace.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"

#include "base/compat.h"
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
 * Until cqrs_plan_names_end(), names in such statements are looked up with the
 * rights of the owner of the extension, for somebody who has no USAGE on their
 * schemas.  That runs no code of users.  The schemas that are searched stay those
 * of the current user: if they did not, PostgreSQL would look everything up again
 * at the execution, as him.
 */
void
cqrs_plan_names_begin(CqrsIdentity *before)
{
	StringInfoData path;
	ListCell   *lc;

	initStringInfo(&path);
	foreach(lc, GetSearchPathMatcher(CurrentMemoryContext)->schemas)
	{
		char	   *name = get_namespace_name(lfirst_oid(lc));

		if (name)
			appendStringInfo(&path, "%s%s", path.len > 0 ? ", " : "", quote_identifier(name));
	}
	cqrs_become_owner(before);
	before->guc_level = NewGUCNestLevel();
	cqrs_set_local("search_path", path.data);
	pfree(path.data);
}

void
cqrs_plan_names_end(const CqrsIdentity *before)
{
	AtEOXact_GUC(false, before->guc_level);
	cqrs_come_back(before);
}

/*
 * Looks up the names of a statement that was prepared before, if something has
 * changed that they could depend on.
 */
void
cqrs_plan_look_up(SPIPlanPtr plan)
{
	ListCell   *lc;

	foreach(lc, SPI_plan_get_plan_sources(plan))
		(void) CachedPlanGetTargetList(lfirst(lc), NULL);
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
