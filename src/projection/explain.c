/*-------------------------------------------------------------------------
 *
 * explain.c
 *		Which plan a rule has got, and why.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/explain.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "projection/rule.h"

static void explain_statements(CqrsRule *rule, CqrsExplainRow *row);
static void explain_batch(CqrsRule *rule, CqrsExplainRow *row);
static void append_outside(StringInfo buf, int number, int count, CqrsStatement *statement);
static char *join_relations(List *relations);
static bool add_targets(Node *node, void *arg);
static void append_sentence(StringInfo buf, int number, int count, const char *sentence);
static char *join_types(List *types);

/*
 * One row for the rule, in the current memory context.
 */
CqrsExplainRow *
cqrs_rule_explain(CqrsRule *rule)
{
	CqrsExplainRow *row = palloc0(sizeof(CqrsExplainRow));

	switch (rule->kind)
	{
		case CQRS_RULE_SQL:
			row->event_type = pstrdup(rule->event_type);
			explain_statements(rule, row);
			break;
		case CQRS_RULE_FUNCTION:
			row->event_type = pstrdup(rule->event_type);
			row->plan = "function";
			row->reason = "The function is called once for each event.";
			break;
		case CQRS_RULE_BATCH:
			row->event_type = join_types(rule->event_types);
			explain_batch(rule, row);
			break;
	}
	return row;
}

/*
 * A rule is a fold when all of its statements are.
 */
static void
explain_statements(CqrsRule *rule, CqrsExplainRow *row)
{
	int			count = list_length(rule->statements);
	StringInfoData buf;

	initStringInfo(&buf);
	row->plan = "fold";
	for (int i = 0; i < count; i++)
	{
		CqrsStatement *statement = list_nth(rule->statements, i);

		if (statement->fold == NULL)
		{
			row->plan = "statement";
			append_sentence(&buf, i + 1, count, statement->reason);
		}
		if (statement->advice)
			append_sentence(&buf, i + 1, count, statement->advice);
		append_outside(&buf, i + 1, count, statement);
	}
	row->reason = buf.len > 0 ? buf.data : NULL;
}

static void
explain_batch(CqrsRule *rule, CqrsExplainRow *row)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	row->plan = "batch";
	append_sentence(&buf, 1, 1, "The statement is executed once for each batch.");
	foreach(lc, rule->statements)
		append_outside(&buf, 1, 1, lfirst(lc));
	row->reason = buf.data;
}

/*
 * What a statement has to do with tables that the projection does not have: they
 * are not built anew with it.  What functions do is not known.
 */
static void
append_outside(StringInfo buf, int number, int count, CqrsStatement *statement)
{
	Oid			schema = get_namespace_oid(statement->rule->engine->schema, true);
	List	   *targets = NIL;
	List	   *written = NIL;
	List	   *read = NIL;
	ListCell   *lc;

	foreach(lc, statement->source->query_list)
		(void) add_targets(lfirst(lc), &targets);
	foreach(lc, statement->source->relationOids)
	{
		Oid			relation = lfirst_oid(lc);

		if (get_rel_namespace(relation) == schema)
			continue;
		if (list_member_oid(targets, relation))
			written = list_append_unique_oid(written, relation);
		else
			read = list_append_unique_oid(read, relation);
	}
	if (read)
		append_sentence(buf, number, count,
						psprintf("It reads %s, outside of the projection, as it is then: a rebuild may give other rows.",
								 join_relations(read)));
	if (written)
		append_sentence(buf, number, count,
						psprintf("A rebuild writes %s again, outside of the projection.",
								 join_relations(written)));
}

static char *
join_relations(List *relations)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, relations)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "",
						 quote_qualified_identifier(get_namespace_name(get_rel_namespace(lfirst_oid(lc))),
													get_rel_name(lfirst_oid(lc))));
	return buf.data;
}

/*
 * The tables that are written, also in WITH.
 */
static bool
add_targets(Node *node, void *arg)
{
	List	  **relations = (List **) arg;

	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;

		if (query->resultRelation > 0)
			*relations = lappend_oid(*relations,
									 rt_fetch(query->resultRelation, query->rtable)->relid);
		return query_tree_walker(query, add_targets, relations, 0);
	}
	return expression_tree_walker(node, add_targets, relations);
}

static void
append_sentence(StringInfo buf, int number, int count, const char *sentence)
{
	if (buf->len > 0)
		appendStringInfoChar(buf, ' ');
	if (count > 1)
		appendStringInfo(buf, "Statement %d: %s", number, sentence);
	else
		appendStringInfoString(buf, sentence);
}

static char *
join_types(List *types)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, types)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "", (char *) lfirst(lc));
	return buf.data;
}
