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
 *		A generic plan that was made for an empty table may read all of it, and
 *		nothing makes the plan cache think again while the table grows under
 *		one long transaction.  So we compare sizes now and then.
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

#include "access/relation.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "storage/bufmgr.h"
#include "tcop/dest.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "projection/batch_events.h"
#include "projection/rule.h"

/* how often to look at the tables' sizes: after so many executions, at most */
#define FIRST_LOOK		16
#define LONGEST_PAUSE	16384

static CachedPlan *get_plan(CachedPlanSource *source, ResourceOwner owner,
							QueryEnvironment *environment);
static void forget_outgrown_plan(CqrsStatement *statement);
static uint64 count_blocks(CachedPlanSource *source);
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
	CachedPlan *plan;
	ListCell   *lc;

	if (++statement->executions >= statement->next_look)
		forget_outgrown_plan(statement);
	plan = get_plan(source, CurrentResourceOwner, environment);
	if (statement->generation == 0)
		statement->generation = source->generation;

	foreach(lc, plan->stmt_list)
		run_planned(lfirst_node(PlannedStmt, lc), source->query_string, params, environment);

	ReleaseCachedPlan(plan, CurrentResourceOwner);
}

/*
 * Plans the statement, to see that it can be.  The plan goes when the source is
 * saved, as tables may have grown by the time it is needed.
 */
void
cqrs_statement_try_plan(CqrsStatement *statement, QueryEnvironment *environment)
{
	ReleaseCachedPlan(get_plan(statement->source, NULL, environment), NULL);
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

static CachedPlan *
get_plan(CachedPlanSource *source, ResourceOwner owner, QueryEnvironment *environment)
{
	QueryEnvironment *before = cqrs_batch_scan_plan(environment);
	CachedPlan *volatile plan = NULL;

	PG_TRY();
	{
		plan = GetCachedPlan(source, NULL, owner, environment);
	}
	PG_FINALLY();
	{
		cqrs_batch_scan_plan(before);
	}
	PG_END_TRY();
	return plan;
}

/*
 * Has the plan been made for tables of less than half the size?  Then it is
 * made anew.  That says nothing about the statement's validity.
 */
static void
forget_outgrown_plan(CqrsStatement *statement)
{
	CachedPlanSource *source = statement->source;
	uint64		blocks = count_blocks(source);

	statement->next_look = statement->executions +
		Min(Max(statement->executions, FIRST_LOOK), LONGEST_PAUSE);
	if (blocks <= statement->planned_blocks * 2)
		return;

	statement->planned_blocks = blocks;
	if (source->gplan && cqrs_statement_valid(statement))
	{
		source->gplan->is_valid = false;
		statement->generation = 0;
	}
}

static uint64
count_blocks(CachedPlanSource *source)
{
	uint64		result = 0;
	ListCell   *lc;

	foreach(lc, source->relationOids)
	{
		Relation	rel = try_relation_open(lfirst_oid(lc), AccessShareLock);

		if (rel == NULL)
			continue;
		if (RELKIND_HAS_STORAGE(rel->rd_rel->relkind))
			result += RelationGetNumberOfBlocks(rel);
		relation_close(rel, NoLock);
	}
	return result;
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
