/*-------------------------------------------------------------------------
 *
 * batch_scan.c
 *		How the statement of a batch rule reads the events of the batch.
 *
 * NOTES
 *		To parser and planner "events" is an ephemeral named relation, as a
 *		transition table is.  For such a relation PostgreSQL plans the scan of a
 *		tuplestore: each event would be put together to a tuple, and taken apart
 *		again.  So while the statement of a batch rule is planned, that path is
 *		replaced by a scan of ours, which shows the events as they lie in memory.
 *
 *		The scan's tuple consists of the columns that the plan needs of it; the
 *		relation as a whole is one more.  What the plan needs of other relations
 *		at this place, by way of LATERAL, comes in parameters.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/batch_scan.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"

#include "base/compat.h"
#include "projection/batch_events.h"
#include "projection/rule.h"

typedef struct EventsScan
{
	CustomScanState css;
	CqrsBatchEvents *events;
	int			next;
	int			ncolumns;
	AttrNumber *columns;		/* of "events", 0 for all of it */
	TupleDesc	row;			/* for all of it, or NULL */
} EventsScan;

static void offer_scan(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte);
static Plan *plan_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path,
					   List *tlist, List *clauses, List *plans);
static Node *create_scan(CustomScan *plan);
static void begin_scan(CustomScanState *node, EState *estate, int eflags);
static TupleTableSlot *exec_scan(CustomScanState *node);
static TupleTableSlot *next_event(ScanState *node);
static bool recheck_event(ScanState *node, TupleTableSlot *slot);
pg_noreturn static void refuse_recheck(EventsScan *scan);
static Datum whole_row(EventsScan *scan, NullableDatum *event);
static void rescan(CustomScanState *node);
static void end_scan(CustomScanState *node);

static const CustomPathMethods path_methods = {
	.CustomName = "cqrs events",
	.PlanCustomPath = plan_scan
};

static const CustomScanMethods scan_methods = {
	.CustomName = "cqrs events",
	.CreateCustomScanState = create_scan
};

static const CustomExecMethods exec_methods = {
	.CustomName = "cqrs events",
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = exec_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan
};

static set_rel_pathlist_hook_type previous_hook = NULL;

/* what is being planned is a batch rule of this environment, or NULL */
static QueryEnvironment *planned = NULL;

void
cqrs_batch_scan_init(void)
{
	RegisterCustomScanMethods(&scan_methods);
	previous_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = offer_scan;
}

/*
 * From now on, are the statements that are planned those of a batch rule?
 * Returns what it was before, which the caller restores, after an error too.
 */
QueryEnvironment *
cqrs_batch_scan_plan(QueryEnvironment *environment)
{
	QueryEnvironment *before = planned;

	planned = environment;
	return before;
}

/*
 * Planner hook, for each relation of each query.
 */
static void
offer_scan(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	CustomPath *path;
	Path	   *model;

	if (previous_hook)
		previous_hook(root, rel, rti, rte);
	if (planned == NULL || rte->rtekind != RTE_NAMEDTUPLESTORE ||
		strcmp(rte->enrname, CQRS_BATCH_EVENTS) != 0)
		return;

	model = linitial(rel->pathlist);
	path = makeNode(CustomPath);
	path->path.pathtype = T_CustomScan;
	path->path.parent = rel;
	path->path.pathtarget = rel->reltarget;
	path->path.param_info = model->param_info;
	path->path.rows = model->rows;
	path->path.startup_cost = model->startup_cost;
	path->path.total_cost = model->total_cost;
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->methods = &path_methods;
	rel->pathlist = list_make1(path);
}

/*
 * The target list may be empty here, to be put in place later: what it may look
 * at is in the target of the relation.
 */
static Plan *
plan_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path,
		  List *tlist, List *clauses, List *plans)
{
	CustomScan *scan = makeNode(CustomScan);
	List	   *quals = extract_actual_clauses(clauses, false);
	List	   *vars = pull_var_clause((Node *) list_make3(tlist, rel->reltarget->exprs, quals),
									   PVC_RECURSE_AGGREGATES | PVC_RECURSE_WINDOWFUNCS |
									   PVC_RECURSE_PLACEHOLDERS);
	List	   *needed = NIL;
	ListCell   *lc;

	foreach(lc, vars)
	{
		Var		   *var = lfirst_node(Var, lc);

		if (var->varno == rel->relid)
			needed = list_append_unique(needed, var);
		else if (!bms_is_member(var->varno, PATH_REQ_OUTER(&path->path)))
			elog(ERROR, "scan of \"%s\" needs a column of relation %d",
				 CQRS_BATCH_EVENTS, (int) var->varno);
	}
	foreach(lc, needed)
		scan->custom_scan_tlist =
			lappend(scan->custom_scan_tlist,
					makeTargetEntry(copyObject(lfirst(lc)),
									list_length(scan->custom_scan_tlist) + 1, NULL, false));
	scan->scan.plan.targetlist = tlist;
	scan->scan.plan.qual = quals;
	scan->scan.scanrelid = 0;
	scan->flags = path->flags;
	scan->methods = &scan_methods;
	return &scan->scan.plan;
}

static Node *
create_scan(CustomScan *plan)
{
	EventsScan *scan = (EventsScan *) newNode(sizeof(EventsScan), T_CustomScanState);

	scan->css.methods = &exec_methods;
	return (Node *) scan;
}

static void
begin_scan(CustomScanState *node, EState *estate, int eflags)
{
	EventsScan *scan = (EventsScan *) node;
	CustomScan *plan = castNode(CustomScan, node->ss.ps.plan);
	ListCell   *lc;

	scan->events = (CqrsBatchEvents *) get_ENR(estate->es_queryEnv, CQRS_BATCH_EVENTS);
	if (scan->events == NULL || scan->events->relation.reldata != scan->events)
		elog(ERROR, "relation \"%s\" is not that of a batch rule", CQRS_BATCH_EVENTS);
	scan->columns = palloc(list_length(plan->custom_scan_tlist) * sizeof(AttrNumber));
	foreach(lc, plan->custom_scan_tlist)
	{
		AttrNumber	column = castNode(Var, lfirst_node(TargetEntry, lc)->expr)->varattno;

		scan->columns[scan->ncolumns++] = column;
		if (column == 0 && scan->row == NULL)
		{
			int			rti = bms_singleton_member(plan->custom_relids);

			scan->row = CreateTupleDescCopy(scan->events->relation.md.tupdesc);
			ExecTypeSetColNames(scan->row, exec_rt_fetch(rti, estate)->eref->colnames);
			scan->row = BlessTupleDesc(scan->row);
		}
	}
}

static TupleTableSlot *
exec_scan(CustomScanState *node)
{
	return ExecScan(&node->ss, next_event, recheck_event);
}

static TupleTableSlot *
next_event(ScanState *node)
{
	EventsScan *scan = (EventsScan *) node;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;
	NullableDatum *event;

	if (node->ps.state->es_epq_active)
		refuse_recheck(scan);
	ExecClearTuple(slot);
	if (scan->next >= scan->events->count)
		return slot;

	event = scan->events->events[scan->next++];
	for (int i = 0; i < scan->ncolumns; i++)
	{
		AttrNumber	column = scan->columns[i];
		int			place = scan->events->places[column];

		slot->tts_isnull[i] = column != 0 && (place < 0 || event[place].isnull);
		if (column == 0)
			slot->tts_values[i] = whole_row(scan, event);
		else
			slot->tts_values[i] = slot->tts_isnull[i] ? (Datum) 0 : event[place].value;
	}
	return ExecStoreVirtualTuple(slot);
}

static bool
recheck_event(ScanState *node, TupleTableSlot *slot)
{
	if (node->ps.state->es_epq_active)
		refuse_recheck((EventsScan *) node);
	return true;
}

/*
 * Somebody has changed a row that the statement changes, and the executor wants
 * the events joined with it again.  Try the whole batch again instead, as folds
 * do.
 */
static void
refuse_recheck(EventsScan *scan)
{
	scan->events->engine->lost_race = true;
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("a row that a batch rule changes has been changed by somebody else"),
			 errhint("Only the projection should write to its tables.")));
}

/*
 * An event as one value, which lives as long as the scan's tuple.
 */
static Datum
whole_row(EventsScan *scan, NullableDatum *event)
{
	MemoryContext before =
		MemoryContextSwitchTo(scan->css.ss.ps.ps_ExprContext->ecxt_per_tuple_memory);
	Datum		values[CQRS_EVENTS_NATTS] = {0};
	bool		isnull[CQRS_EVENTS_NATTS];
	Datum		result;

	for (int i = 0; i < CQRS_EVENTS_NATTS; i++)
	{
		int			place = scan->events->places[i + 1];

		isnull[i] = place < 0 || event[place].isnull;
		if (!isnull[i])
			values[i] = event[place].value;
	}
	result = HeapTupleGetDatum(heap_form_tuple(scan->row, values, isnull));
	MemoryContextSwitchTo(before);
	return result;
}

static void
rescan(CustomScanState *node)
{
	((EventsScan *) node)->next = 0;
	ExecScanReScan(&node->ss);
}

static void
end_scan(CustomScanState *node)
{
}
