/*-------------------------------------------------------------------------
 *
 * batch_rule.c
 *		Rules that are one statement for all events of a batch.
 *
 * NOTES
 *		The statement sees the events as relation "events", in position order:
 *		the columns of cqrs.event, and stream_id.  It is an ephemeral named
 *		relation over a tuplestore, as transition tables are, so memory is
 *		bounded by work_mem.  Only the columns that the statement mentions are
 *		stored; the others would read as null, if anybody read them.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/batch_rule.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/table.h"
#include "event/log.h"
#include "projection/rule.h"

#define EVENTS_STREAM_ID	(EVENT_NATTS + 1)
#define EVENTS_NATTS		EVENTS_STREAM_ID

typedef struct UsedContext
{
	CqrsRule   *rule;
	List	   *queries;		/* that we are in, innermost first */
} UsedContext;

static void use_column(UsedContext *context, int levelsup, int varno, AttrNumber attno);
static bool find_used(Node *node, void *context);

/*
 * Makes the relation "events" known to the rule's statement.
 */
void
cqrs_batch_rule_begin(CqrsRule *rule)
{
	Relation	event = cqrs_table_open("event", AccessShareLock);
	TupleDesc	desc = CreateTemplateTupleDesc(EVENTS_NATTS);
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));

	for (int i = 1; i <= EVENT_NATTS; i++)
		TupleDescCopyEntry(desc, i, RelationGetDescr(event), i);
	TupleDescInitEntry(desc, EVENTS_STREAM_ID, "stream_id", TEXTOID, -1, 0);
	table_close(event, NoLock);

	/* kept aligned: a short header would cost a copy at each look at the data */
	cqrs_tupdesc_set_storage(desc, EVENT_DATA, TYPSTORAGE_PLAIN);

	relation->md.name = "events";
	relation->md.reliddesc = InvalidOid;
	relation->md.tupdesc = desc;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = 10000;

	rule->events_desc = desc;
	rule->events_slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	rule->relation = relation;
	rule->environment = create_queryEnv();
	register_ENR(rule->environment, relation);
}

/*
 * Finds out which columns of "events" the statement needs.
 */
void
cqrs_batch_rule_check(CqrsRule *rule)
{
	CqrsStatement *statement = linitial(rule->statements);
	UsedContext context = {rule, NIL};
	ListCell   *lc;

	foreach(lc, statement->source->query_list)
		find_used(lfirst(lc), &context);
}

/*
 * Keeps an event for cqrs_batch_rule_run().  The current memory context lives
 * until then.
 */
void
cqrs_batch_rule_add(CqrsRule *rule, CqrsEventRow *event)
{
	TupleTableSlot *slot = rule->events_slot;
	text	   *stream_id = NULL;
	int			column = -1;

	if (rule->events == NULL)
		rule->events = tuplestore_begin_heap(false, false, work_mem);

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, EVENTS_NATTS * sizeof(bool));
	while ((column = bms_next_member(rule->events_used, column)) >= 0)
	{
		if (column == EVENTS_STREAM_ID)
		{
			slot->tts_values[column - 1] = cqrs_event_stream_id(event->slot);
			slot->tts_isnull[column - 1] = false;
			stream_id = (text *) DatumGetPointer(slot->tts_values[column - 1]);
		}
		else if (column == EVENT_DATA)
		{
			slot->tts_values[column - 1] = JsonbPGetDatum(cqrs_event_data(event));
			slot->tts_isnull[column - 1] = false;
		}
		else
			slot->tts_values[column - 1] = slot_getattr(event->slot, column,
														&slot->tts_isnull[column - 1]);
	}
	ExecStoreVirtualTuple(slot);
	tuplestore_puttupleslot(rule->events, slot);
	rule->events_count++;

	ExecClearTuple(slot);
	if (stream_id)
		pfree(stream_id);
}

/*
 * Executes the statement for the events kept, and forgets them.
 */
void
cqrs_batch_rule_run(CqrsRule *rule)
{
	Tuplestorestate *events = rule->events;

	if (events == NULL)
		return;
	rule->relation->md.enrtuples = rule->events_count;
	rule->relation->reldata = events;
	cqrs_statement_run(linitial(rule->statements), NULL, rule->environment);
	cqrs_batch_rule_forget(rule);
	tuplestore_end(events);
}

/*
 * Forgets the events.  After an error that is all there is to do: the end of
 * the subtransaction has closed the store's files, and its memory goes with
 * its memory context.
 */
void
cqrs_batch_rule_forget(CqrsRule *rule)
{
	rule->relation->reldata = NULL;
	rule->events = NULL;
	rule->events_count = 0;
}

static bool
find_used(Node *node, void *arg)
{
	UsedContext *context = (UsedContext *) arg;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		use_column(context, var->varlevelsup, var->varno, var->varattno);
		return false;
	}
	if (IsA(node, Query))
	{
		context->queries = lcons(node, context->queries);
		query_tree_walker((Query *) node, find_used, context, QTW_IGNORE_JOINALIASES);
		context->queries = list_delete_first(context->queries);
		return false;
	}
	return expression_tree_walker(node, find_used, context);
}

static void
use_column(UsedContext *context, int levelsup, int varno, AttrNumber attno)
{
	Query	   *query = list_nth_node(Query, context->queries, levelsup);
	RangeTblEntry *rte = rt_fetch(varno, query->rtable);
	CqrsRule   *rule = context->rule;

	if (rte->rtekind == RTE_NAMEDTUPLESTORE)
	{
		if (attno > 0)
			rule->events_used = bms_add_member(rule->events_used, attno);
		else
			rule->events_used = bms_add_range(rule->events_used, 1, EVENTS_NATTS);
	}
	else if (rte->rtekind == RTE_JOIN)
	{
		/* the alias is an expression of the level at which the join is */
		UsedContext inner = {rule, list_copy_tail(context->queries, levelsup)};

		if (attno > 0)
			find_used(list_nth(rte->joinaliasvars, attno - 1), &inner);
		else
			find_used((Node *) rte->joinaliasvars, &inner);
	}
}
