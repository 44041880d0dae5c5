/*-------------------------------------------------------------------------
 *
 * analyze.c
 *		From the text of a rule to statements that can be executed.
 *
 * NOTES
 *		Each statement gets a source in the plan cache, which keeps track of
 *		what the statement depends on: it plans anew when a table changes.  A
 *		fold has one too, for this purpose only.
 *
 *		This is the one place outside base/plans.c that prepares SQL: rules are
 *		the users' text, analysed with our own meaning of "event", and they run
 *		as the projection's owner, so they have no place in that table.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/analyze.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_inherits.h"
#include "mb/pg_wchar.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "tcop/cmdtag.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "projection/compile.h"
#include "projection/rule.h"
#include "projection/table_readers.h"
#include "projection/tables.h"

static CqrsStatement *analyze_statement(CqrsRule *rule, RawStmt *raw);
static void check_kind(CqrsRule *rule, RawStmt *raw);
static void check_query(CqrsStatement *statement, Query *query);
static bool check_targets(Node *node, void *context);
static void require_lasting(Oid relation);
static bool looks_elsewhere(Query *query);
static bool find_look(Node *node, void *context);
static int	text_position(CqrsRule *rule, int location);

/*
 * Analyses a rule's text and compiles each statement.  The current memory
 * context is the engine's.
 */
void
cqrs_rule_analyze(CqrsRule *rule)
{
	List	   *raws = pg_parse_query(rule->text);
	ListCell   *lc;

	if (raws == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rule has no statement")));
	if (rule->kind == CQRS_RULE_BATCH && list_length(raws) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("batch rule has more than one statement"),
				 errhint("Use data-modifying WITH queries, or several batch rules."),
				 errposition(text_position(rule, lsecond_node(RawStmt, raws)->stmt_location))));

	foreach(lc, raws)
	{
		CHECK_FOR_INTERRUPTS();
		rule->statements = lappend(rule->statements,
								   analyze_statement(rule, lfirst_node(RawStmt, lc)));
	}
}

static CqrsStatement *
analyze_statement(CqrsRule *rule, RawStmt *raw)
{
	CqrsStatement *statement = palloc0(sizeof(CqrsStatement));
	List	   *queries;
	ListCell   *lc;

	check_kind(rule, raw);
	statement->rule = rule;
	statement->source = CreateCachedPlan(raw, rule->text, CreateCommandTag(raw->stmt));
	queries = pg_analyze_and_rewrite_withcb(raw, rule->text, cqrs_scope_setup_parser,
											&rule->scope, rule->environment);
	foreach(lc, queries)
		check_query(statement, lfirst_node(Query, lc));

	if (rule->kind == CQRS_RULE_SQL)
		cqrs_fold_compile(statement, queries);
	if (statement->fold == NULL)
		rule->has_plans = true;

	CompleteCachedPlan(statement->source, queries, NULL, NULL, 0,
					   cqrs_scope_setup_parser, &rule->scope,
					   CURSOR_OPT_GENERIC_PLAN, false);
	if (statement->fold == NULL)
		cqrs_statement_try_plan(statement, rule->environment);
	return statement;
}

/*
 * A rule changes rows; it does nothing else.
 */
static void
check_kind(CqrsRule *rule, RawStmt *raw)
{
	switch (nodeTag(raw->stmt))
	{
		case T_SelectStmt:
			if (((SelectStmt *) raw->stmt)->intoClause == NULL)
				return;
			break;
		case T_InsertStmt:
		case T_UpdateStmt:
		case T_DeleteStmt:
		case T_MergeStmt:
			return;
		default:
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s cannot be used in a rule",
					IsA(raw->stmt, SelectStmt) ? "SELECT INTO" : CreateCommandName(raw->stmt)),
			 errhint("A rule consists of INSERT, UPDATE, DELETE, MERGE and SELECT statements."),
			 errposition(text_position(rule, raw->stmt_location))));
}

static void
check_query(CqrsStatement *statement, Query *query)
{
	bool		calls_user_code;

	if (query->commandType == CMD_UTILITY)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s cannot be used in a rule", CreateCommandName(query->utilityStmt))));

	cqrs_query_check_replayable(statement->rule, query, &calls_user_code);
	cqrs_check_permissions(query);
	(void) check_targets((Node *) query, NULL);
	if (calls_user_code || looks_elsewhere(query))
		statement->touches_all = true;
}

/*
 * What is written has to live and die with the projection's cursor.
 */
static bool
check_targets(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;

		if (query->resultRelation != 0)
			require_lasting(rt_fetch(query->resultRelation, query->rtable)->relid);
		return query_tree_walker(query, check_targets, context, 0);
	}
	return expression_tree_walker(node, check_targets, context);
}

/*
 * The relation, its partitions and its children.
 */
static void
require_lasting(Oid relation)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relation, AccessShareLock, NULL))
		cqrs_relation_require_lasting(lfirst_oid(lc));
}

/*
 * Does the query write a table whose triggers, foreign keys or constraints may
 * look at any other table, or values of a domain whose constraints may?
 */
static bool
looks_elsewhere(Query *query)
{
	return find_look((Node *) query, NULL);
}

static bool
find_look(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;

		if (query->resultRelation != 0)
		{
			Relation	rel = table_open(rt_fetch(query->resultRelation, query->rtable)->relid,
										 NoLock);
			/* triggers of partitions are not known here: assume there are some */
			bool		result = rel->trigdesc != NULL || rel->rd_rel->relhassubclass ||
				cqrs_constraints_may_read(RelationGetDescr(rel));

			table_close(rel, NoLock);
			if (result)
				return true;
		}
		return query_tree_walker(query, find_look, context, 0);
	}
	return cqrs_node_may_read(node) || expression_tree_walker(node, find_look, context);
}

/*
 * Place in the rule's text for errposition(), from a location in bytes that
 * may be followed by blanks.
 */
static int
text_position(CqrsRule *rule, int location)
{
	if (location < 0)
		location = 0;
	while (isspace((unsigned char) rule->text[location]))
		location++;
	return pg_mbstrlen_with_len(rule->text, location) + 1;
}
