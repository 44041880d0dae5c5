/*-------------------------------------------------------------------------
 *
 * batch_rule.c
 *		Rules that are one statement for all events of a batch.
 *
 * NOTES
 *		The statement sees the events as relation "events", in position order:
 *		the columns of cqrs.event, and stream_id.  They are kept in memory, and
 *		scanned there (batch_scan.c).  Only the columns that the statement
 *		mentions are kept; the others would read as null, if anybody read them.
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
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "utils/datum.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/table.h"
#include "projection/batch_events.h"
#include "projection/rule.h"

typedef struct UsedContext
{
	CqrsRule   *rule;
	List	   *queries;		/* that we are in, innermost first */
} UsedContext;

static Datum column_value(CqrsEventRow *event, int column, bool *isnull);
static Datum keep_value(CqrsArena *arena, Datum value, Form_pg_attribute att);
static void use_column(UsedContext *context, int levelsup, int varno, AttrNumber attno);
static bool find_used(Node *node, void *context);

/*
 * Makes the relation "events" known to the rule's statement.
 */
void
cqrs_batch_rule_begin(CqrsRule *rule)
{
	Relation	event = cqrs_table_open("event", AccessShareLock);
	TupleDesc	desc = CreateTemplateTupleDesc(CQRS_EVENTS_NATTS);
	CqrsBatchEvents *events = palloc0(sizeof(CqrsBatchEvents));

	for (int i = 1; i <= EVENT_NATTS; i++)
		TupleDescCopyEntry(desc, i, RelationGetDescr(event), i);
	TupleDescInitEntry(desc, CQRS_EVENTS_STREAM_ID, "stream_id", TEXTOID, -1, 0);
	table_close(event, NoLock);

	events->relation.md.name = CQRS_BATCH_EVENTS;
	events->relation.md.reliddesc = InvalidOid;
	events->relation.md.tupdesc = desc;
	events->relation.md.enrtype = ENR_NAMED_TUPLESTORE;
	events->relation.md.enrtuples = 10000;
	events->relation.reldata = events;
	events->engine = rule->engine;
	cqrs_arena_init(&events->arena, CurrentMemoryContext, "batch rule");

	rule->events = events;
	rule->environment = create_queryEnv();
	register_ENR(rule->environment, &events->relation);
}

/*
 * Finds out which columns of "events" the statement needs.
 */
void
cqrs_batch_rule_check(CqrsRule *rule)
{
	CqrsStatement *statement = linitial(rule->statements);
	CqrsBatchEvents *events = rule->events;
	UsedContext context = {rule, NIL};
	ListCell   *lc;
	int			column = -1;

	foreach(lc, statement->source->query_list)
		find_used(lfirst(lc), &context);

	memset(events->places, -1, sizeof(events->places));
	while ((column = bms_next_member(events->used, column)) >= 0)
		events->places[column] = events->nused++;
}

/*
 * Keeps an event for cqrs_batch_rule_run().
 */
void
cqrs_batch_rule_add(CqrsRule *rule, CqrsEventRow *event)
{
	CqrsBatchEvents *events = rule->events;
	TupleDesc	desc = events->relation.md.tupdesc;
	NullableDatum *kept = cqrs_arena_alloc(&events->arena, events->nused * sizeof(NullableDatum));
	int			column = -1;

	if (events->count == events->allocated)
	{
		events->allocated = Max(1024, events->allocated * 2);
		events->events = events->events ?
			repalloc_huge(events->events, events->allocated * sizeof(NullableDatum *)) :
			MemoryContextAllocHuge(events->arena.context,
								   events->allocated * sizeof(NullableDatum *));
	}
	events->events[events->count++] = kept;

	for (int i = 0; (column = bms_next_member(events->used, column)) >= 0; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, column - 1);

		kept[i].value = column_value(event, column, &kept[i].isnull);
		if (!kept[i].isnull && !att->attbyval)
			kept[i].value = keep_value(&events->arena, kept[i].value, att);
	}
}

/*
 * Executes the statement for the events kept, and forgets them.
 */
void
cqrs_batch_rule_run(CqrsRule *rule)
{
	if (rule->events->count == 0)
		return;
	cqrs_statement_run(linitial(rule->statements), NULL, rule->environment);
	cqrs_batch_rule_forget(rule);
}

void
cqrs_batch_rule_forget(CqrsRule *rule)
{
	CqrsBatchEvents *events = rule->events;

	cqrs_arena_reset(&events->arena);
	events->events = NULL;
	events->count = events->allocated = 0;
}

Size
cqrs_batch_rule_memory(CqrsRule *rule)
{
	return rule->events->count == 0 ? 0 : cqrs_arena_memory(&rule->events->arena);
}

static Datum
column_value(CqrsEventRow *event, int column, bool *isnull)
{
	if (column == CQRS_EVENTS_STREAM_ID)
	{
		*isnull = false;
		return cqrs_event_stream_id(event->slot);
	}
	return slot_getattr(event->slot, column, isnull);
}

/*
 * Copies a value.  JSON gets a long header, or each look at it would have to
 * make a copy; what is compressed or stored elsewhere is fetched, once.
 */
static Datum
keep_value(CqrsArena *arena, Datum value, Form_pg_attribute att)
{
	struct varlena *source = (struct varlena *) DatumGetPointer(value);
	Size		size;
	char	   *copy;

	if (att->attlen == -1 && (VARATT_IS_EXTERNAL(source) || VARATT_IS_COMPRESSED(source)))
		source = PG_DETOAST_DATUM(value);
	if (att->atttypid == JSONBOID && VARATT_IS_SHORT(source))
	{
		size = VARSIZE_SHORT(source) - VARHDRSZ_SHORT;
		copy = cqrs_arena_alloc(arena, size + VARHDRSZ);
		SET_VARSIZE(copy, size + VARHDRSZ);
		memcpy(VARDATA(copy), VARDATA_SHORT(source), size);
		return PointerGetDatum(copy);
	}
	size = datumGetSize(PointerGetDatum(source), false, att->attlen);
	copy = cqrs_arena_alloc(arena, size);
	memcpy(copy, source, size);
	return PointerGetDatum(copy);
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
	CqrsBatchEvents *events = context->rule->events;

	if (rte->rtekind == RTE_NAMEDTUPLESTORE)
	{
		if (attno > 0)
			events->used = bms_add_member(events->used, attno);
		else
			events->used = bms_add_range(events->used, 1, CQRS_EVENTS_NATTS);
	}
	else if (rte->rtekind == RTE_JOIN)
	{
		/* the alias is an expression of the level at which the join is */
		UsedContext inner = {context->rule, list_copy_tail(context->queries, levelsup)};

		if (attno > 0)
			find_used(list_nth(rte->joinaliasvars, attno - 1), &inner);
		else
			find_used((Node *) rte->joinaliasvars, &inner);
	}
}
