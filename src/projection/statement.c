/*-------------------------------------------------------------------------
 *
 * statement.c
 *		Statements that are executed as they are, once per event or batch.
 *
 * NOTES
 *		This is what SPI does for a prepared statement, without what we do not
 *		need: no result, no memory contexts of its own, no choice of plan.  The
 *		plan is generic, so that it is made once.
 *
 *		All fields that the rule's text mentions are taken from the event
 *		before a statement of the rule runs, as they are for a fold.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/statement.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "tcop/dest.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "projection/rule.h"

static void run_planned(PlannedStmt *planned, const char *text, ParamListInfo params,
						QueryEnvironment *environment);

/*
 * Executes a statement.  Whatever it has written is visible to the next one.
 */
void
cqrs_statement_run(CqrsStatement *statement, ParamListInfo params,
				   QueryEnvironment *environment)
{
	CachedPlanSource *source = statement->source;
	CachedPlan *plan = GetCachedPlan(source, NULL, CurrentResourceOwner, environment);
	ListCell   *lc;

	if (statement->generation == 0)
		statement->generation = source->generation;

	foreach(lc, plan->stmt_list)
		run_planned(lfirst_node(PlannedStmt, lc), source->query_string, params, environment);

	ReleaseCachedPlan(plan, CurrentResourceOwner);
}

/*
 * Is everything as it was when the statement was checked?
 */
bool
cqrs_statement_valid(CqrsStatement *statement)
{
	return CachedPlanIsValid(statement->source) &&
		(statement->generation == 0 ||
		 statement->generation == statement->source->generation);
}

static void
run_planned(PlannedStmt *planned, const char *text, ParamListInfo params,
			QueryEnvironment *environment)
{
	QueryDesc  *desc;

	PushActiveSnapshot(GetTransactionSnapshot());
	desc = CreateQueryDesc(planned, text, GetActiveSnapshot(), InvalidSnapshot,
						   None_Receiver, params, environment, 0);
	ExecutorStart(desc, 0);
	cqrs_executor_run(desc);
	ExecutorFinish(desc);
	ExecutorEnd(desc);
	FreeQueryDesc(desc);
	PopActiveSnapshot();
	CommandCounterIncrement();
}
