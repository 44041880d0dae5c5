/*-------------------------------------------------------------------------
 *
 * only_waits.c
 *		Does a statement do nothing but wait?
 *
 * NOTES
 *		A statement's snapshot keeps row versions from being removed, and on a
 *		standby it holds up replay, for as long as the statement takes.  A wait
 *		would hold up what it waits for.
 *
 *		A statement such as SELECT cqrs_wait(...) has no use for its snapshot
 *		once it has called the function: nothing in its plan reads a table, and
 *		what the function reads it reads with newer snapshots.  So while it
 *		sleeps it need not be seen to have one, as if it were between two
 *		statements.  That is only so at READ COMMITTED, for a statement that the
 *		client has sent, and when nobody else in the session has a snapshot: no
 *		cursor, no large object.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/only_waits.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_proc.h"
#include "executor/execdesc.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "storage/proc.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "projection/table_readers.h"
#include "worker/only_waits.h"

/*
 * What a walk through a plan looks for, and whether it has come by.
 */
typedef struct Walk
{
	const Node *call;
	bool		once;			/* what we look at is evaluated once */
	bool		found;
} Walk;

static bool sends_to_client(const Portal portal);
static bool plan_may_read(Plan *plan, Walk *walk);
static bool is_single_row(const Plan *plan);
static bool may_read(Node *node, void *context);
static bool is_not_immutable(Oid function, void *context);

/*
 * Is this call, a node of its plan, all that the statement of the client needs its
 * snapshot for?
 */
bool
cqrs_only_waits(const Node *call)
{
	Walk		walk = {.call = call};
	PlannedStmt *statement;

	if (call == NULL || IsolationUsesXactSnapshot() || !sends_to_client(ActivePortal))
		return false;
	statement = linitial_node(PlannedStmt, ActivePortal->stmts);
	if (statement->commandType != CMD_SELECT || statement->hasModifyingCTE ||
		statement->relationOids != NIL || statement->rowMarks != NIL || statement->subplans != NIL)
		return false;
	check_stack_depth();
	return !plan_may_read(statement->planTree, &walk) && walk.found;
}

/*
 * To be called in such a statement, before it sleeps.  Whoever looks at the database
 * afterwards takes a new snapshot.  False when somebody in the session needs an older
 * one.
 */
bool
cqrs_let_go_of_snapshot(void)
{
	InvalidateCatalogSnapshot();
	if (!ThereAreNoPriorRegisteredSnapshots())
		return false;
	MyProc->xmin = TransactionXmin = InvalidTransactionId;
	return true;
}

/*
 * Others are run by functions, and their snapshots may be those of their callers.
 */
static bool
sends_to_client(const Portal portal)
{
	return portal && portal->strategy == PORTAL_ONE_SELECT && list_length(portal->stmts) == 1 &&
		portal->queryDesc &&
		(portal->queryDesc->dest->mydest == DestRemote ||
		 portal->queryDesc->dest->mydest == DestRemoteExecute);
}

/*
 * Plans that call functions and look at what they return.  Others read tables, or
 * call again.
 */
static bool
plan_may_read(Plan *plan, Walk *walk)
{
	if (plan == NULL)
		return false;
	walk->once = is_single_row(IsA(plan, ProjectSet) ? plan->lefttree : plan);
	if (plan->righttree || plan->initPlan != NIL ||
		may_read((Node *) plan->targetlist, walk) || may_read((Node *) plan->qual, walk))
		return true;
	switch (nodeTag(plan))
	{
		case T_Result:
			return may_read(((Result *) plan)->resconstantqual, walk) ||
				plan_may_read(plan->lefttree, walk);

		case T_FunctionScan:
			walk->once = true;
			return may_read((Node *) ((FunctionScan *) plan)->functions, walk);

		case T_SubqueryScan:
			return plan_may_read(((SubqueryScan *) plan)->subplan, walk);

		case T_Limit:
			return may_read(((Limit *) plan)->limitOffset, walk) ||
				may_read(((Limit *) plan)->limitCount, walk) ||
				plan_may_read(plan->lefttree, walk);

		case T_ProjectSet:
		case T_Agg:
		case T_Sort:
			return plan_may_read(plan->lefttree, walk);

		default:
			return true;
	}
}

/*
 * Does it give one row, without asking another plan?
 */
static bool
is_single_row(const Plan *plan)
{
	return plan && IsA(plan, Result) && plan->lefttree == NULL;
}

/*
 * The call's own arguments have been evaluated before it waits, if it is called once.
 */
static bool
may_read(Node *node, void *context)
{
	Walk	   *walk = context;

	if (node == NULL)
		return false;
	if (node == walk->call)
	{
		walk->found = true;
		return !walk->once;
	}
	return cqrs_node_may_read(node) || check_functions_in_node(node, is_not_immutable, NULL) ||
		expression_tree_walker(node, may_read, walk);
}

/*
 * Some of PostgreSQL's own that are not read large objects, or run a query.
 */
static bool
is_not_immutable(Oid function, void *context)
{
	return func_volatile(function) != PROVOLATILE_IMMUTABLE;
}
