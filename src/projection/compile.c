/*-------------------------------------------------------------------------
 *
 * compile.c
 *		Which statements become folds, and how.
 *
 * NOTES
 *		A statement can be folded when one event touches one row, which the
 *		event names by the whole primary key, and everything the statement
 *		computes comes from that row and the event.  Whatever is not plainly of
 *		this form is left alone and executed as it is.
 *
 *		The work is done on the rewritten query: defaults have been filled in.
 *		Expressions are turned so that they can be evaluated without a plan:
 *		parameters, which stand for fields of the event, become Vars of the
 *		outer tuple, columns of "excluded" those of the inner one.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/compile.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "access/table.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "projection/compile.h"
#include "projection/compile_where.h"
#include "projection/fold_table.h"
#include "projection/table_readers.h"

static const char *compile(CqrsFold *fold, Query *query, Relation rel);
static const char *unfit_query(Query *query);
static const char *compile_insert(CqrsFold *fold, Query *query, TupleDesc desc);
static const char *compile_conflict(CqrsFold *fold, Query *query);
static bool is_primary_key(CqrsFoldTable *table, OnConflictExpr *conflict);
static const char *compile_set(CqrsFold *fold, List *targets);
static Expr *missing_column(Form_pg_attribute att);
static void plan_expressions(CqrsFold *fold);
static bool note_types(Node *node, void *engine);
static bool find_unfit_node(Node *node, void *reason);
static Node *turn_node(Node *node, void *excluded);
static const char *give_advice(CqrsFold *fold);
static bool mentions_stream(Node *node, void *scope);
static bool mentions_column(Node *node, void *column);

/*
 * Makes the statement a fold, or says why it is none.  The current memory
 * context is the engine's.
 */
void
cqrs_fold_compile(CqrsStatement *statement, List *queries)
{
	CqrsFold   *fold;
	Query	   *query;
	Relation	rel;

	if (list_length(queries) != 1)
	{
		statement->reason = "A rewrite rule turns it into several statements.";
		return;
	}
	query = copyObject(linitial_node(Query, queries));
	if ((statement->reason = unfit_query(query)) != NULL)
		return;

	fold = palloc0(sizeof(CqrsFold));
	fold->statement = statement;
	rel = table_open(rt_fetch(query->resultRelation, query->rtable)->relid, NoLock);
	fold->table = cqrs_fold_table_get(statement->rule->engine, rel, &statement->reason);
	if (fold->table)
		statement->reason = compile(fold, query, rel);
	table_close(rel, NoLock);

	if (statement->reason == NULL)
	{
		plan_expressions(fold);
		statement->fold = fold;
		statement->advice = give_advice(fold);
	}
}

static const char *
compile(CqrsFold *fold, Query *query, Relation rel)
{
	int			excluded = query->onConflict ? query->onConflict->exclRelIndex : 0;
	const char *reason = NULL;

	/* for display only, and it has a whole-row Var */
	if (query->onConflict)
		query->onConflict->exclRelTlist = NIL;

	find_unfit_node((Node *) query->targetList, &reason);
	find_unfit_node(query->jointree->quals, &reason);
	find_unfit_node((Node *) query->onConflict, &reason);
	if (reason)
		return reason;

	query->targetList = (List *) turn_node((Node *) query->targetList, &excluded);
	query->jointree->quals = turn_node(query->jointree->quals, &excluded);
	query->onConflict = (OnConflictExpr *) turn_node((Node *) query->onConflict, &excluded);

	fold->command = query->commandType;
	fold->keys = palloc0(fold->table->nkeys * sizeof(Expr *));
	fold->key_is_integer = palloc0(fold->table->nkeys * sizeof(bool));
	fold->key_types = palloc0(fold->table->nkeys * sizeof(Oid));

	if (query->commandType == CMD_INSERT)
		return compile_insert(fold, query, RelationGetDescr(rel));

	reason = cqrs_fold_compile_where(fold, query);
	if (reason == NULL && query->commandType == CMD_UPDATE)
		reason = compile_set(fold, query->targetList);
	return reason;
}

/*
 * The form of the statement, before we look at the table.
 */
static const char *
unfit_query(Query *query)
{
	RangeTblEntry *rte;
	int			nrels = 1;

	if (query->commandType != CMD_INSERT && query->commandType != CMD_UPDATE &&
		query->commandType != CMD_DELETE)
		return "It is not an INSERT, UPDATE or DELETE.";
	if (query->cteList != NIL)
		return "It has WITH queries.";
	if (query->returningList != NIL)
		return "It has a RETURNING clause.";
	if (query->hasSubLinks)
		return "It has a subquery.";
	if (query->withCheckOptions != NIL)
		return "It writes through a view.";

	if (query->onConflict && query->onConflict->exclRelIndex != 0)
		nrels = 2;
	if (query->commandType == CMD_INSERT)
	{
		if (query->jointree->fromlist != NIL)
			return "It inserts the rows of a query, or several rows.";
	}
	else if (list_length(query->jointree->fromlist) != 1 ||
			 !IsA(linitial(query->jointree->fromlist), RangeTblRef) ||
			 linitial_node(RangeTblRef, query->jointree->fromlist)->rtindex != query->resultRelation)
		return "It joins other tables.";
	if (list_length(query->rtable) != nrels)
		return "It writes through a view, or joins other tables.";
	if (query->hasTargetSRFs)
		return "It inserts several rows.";

	rte = rt_fetch(query->resultRelation, query->rtable);
	if (rte->rtekind != RTE_RELATION || rte->relkind != RELKIND_RELATION)
		return "It does not write a plain table.";
	if (rte->securityQuals != NIL)
		return "Its table has row-level security.";
	return NULL;
}

/*
 * All columns get a value.  The key comes from the event, as there is no row.
 */
static const char *
compile_insert(CqrsFold *fold, Query *query, TupleDesc desc)
{
	CqrsFoldTable *table = fold->table;

	for (int i = 1; i <= desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i - 1);
		TargetEntry *target = get_tle_by_resno(query->targetList, i);
		Expr	   *expr = target ? target->expr : missing_column(att);

		fold->insert = lappend(fold->insert,
							   makeTargetEntry(expr, i, NameStr(att->attname), false));
	}
	for (int i = 0; i < table->nkeys; i++)
		fold->keys[i] = copyObject(list_nth_node(TargetEntry, fold->insert,
												 table->keys[i].attno - 1)->expr);
	return query->onConflict ? compile_conflict(fold, query) : NULL;
}

static const char *
compile_conflict(CqrsFold *fold, Query *query)
{
	OnConflictExpr *conflict = query->onConflict;

	if (!is_primary_key(fold->table, conflict))
		return "ON CONFLICT does not name the primary key.";
	fold->conflict = conflict->action;
	if (conflict->action != ONCONFLICT_UPDATE)
		return NULL;

	fold->where = make_ands_implicit((Expr *) conflict->onConflictWhere);
	return compile_set(fold, conflict->onConflictSet);
}

/*
 * There is no other unique index, so no name means the primary key as well.
 */
static bool
is_primary_key(CqrsFoldTable *table, OnConflictExpr *conflict)
{
	Bitmapset  *columns = NULL;
	ListCell   *lc;

	if (conflict->arbiterElems == NIL)
		return true;
	if (conflict->arbiterWhere != NULL)
		return false;
	foreach(lc, conflict->arbiterElems)
	{
		InferenceElem *element = lfirst_node(InferenceElem, lc);

		if (!IsA(element->expr, Var) || OidIsValid(element->infercollid) ||
			OidIsValid(element->inferopclass))
			return false;
		columns = bms_add_member(columns, ((Var *) element->expr)->varattno);
	}
	return bms_equal(columns, table->key_columns);
}

static const char *
compile_set(CqrsFold *fold, List *targets)
{
	CqrsFoldTable *table = fold->table;
	ListCell   *lc;

	fold->set_columns = palloc(list_length(targets) * sizeof(AttrNumber));
	fold->check_update = table->desc->constr && table->desc->constr->num_check > 0;
	foreach(lc, targets)
	{
		TargetEntry *target = lfirst_node(TargetEntry, lc);
		Form_pg_attribute att = TupleDescAttr(table->desc, target->resno - 1);

		if (target->resjunk)
			continue;
		if (bms_is_member(target->resno, table->key_columns))
			return "It changes a primary key column.";
		if (att->attgenerated != '\0')
			continue;
		if (att->attnotnull)
			fold->check_update = true;
		fold->set_columns[fold->nset++] = target->resno;
		fold->set = lappend(fold->set,
							makeTargetEntry(target->expr, fold->nset,
											pstrdup(NameStr(att->attname)), false));
	}
	if (table->generated && table->checks)
		fold->check_update = true;
	return NULL;
}

/*
 * What the planner puts into a column that an INSERT does not mention and that
 * has no default.
 */
static Expr *
missing_column(Form_pg_attribute att)
{
	Node	   *null;

	if (att->attisdropped)
		return (Expr *) makeConst(INT4OID, -1, InvalidOid, sizeof(int32), (Datum) 0, true, true);

	null = (Node *) makeConst(att->atttypid, -1, att->attcollation, att->attlen,
							  (Datum) 0, true, att->attbyval);
	return (Expr *) coerce_to_domain(null, InvalidOid, -1, att->atttypid,
									 COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1, false);
}

/*
 * Simplifies the expressions, as the planner does, and makes the engine depend
 * on what they have been made from: functions that were inlined, domains.
 */
static void
plan_expressions(CqrsFold *fold)
{
	CqrsEngine *engine = fold->statement->rule->engine;
	List	   *all = list_make4(fold->gate, fold->where, fold->insert, fold->set);
	List	   *relations = NIL;
	List	   *items = NIL;

	for (int i = 0; i < fold->table->nkeys; i++)
		all = lappend(all, fold->keys[i]);
	all = (List *) expression_planner_with_deps((Expr *) all, &relations, &items);

	fold->gate = list_nth(all, 0);
	fold->where = list_nth(all, 1);
	fold->insert = list_nth(all, 2);
	fold->set = list_nth(all, 3);
	for (int i = 0; i < fold->table->nkeys; i++)
		fold->keys[i] = list_nth(all, 4 + i);

	engine->items = list_concat(engine->items, items);
	(void) note_types((Node *) all, engine);
}

/*
 * Tells the engine of the types that the expression makes values of.
 */
static bool
note_types(Node *node, void *engine)
{
	if (node == NULL)
		return false;
	if (!IsA(node, List) && !IsA(node, TargetEntry) && !IsA(node, CaseWhen))
		cqrs_engine_uses_type(engine, exprType(node));
	return expression_tree_walker(node, note_types, engine);
}

/*
 * Is there something in an expression that we cannot evaluate, or that may
 * look at a table?
 */
static bool
find_unfit_node(Node *node, void *arg)
{
	const char **reason = (const char **) arg;

	if (node == NULL)
		return false;

	if (IsA(node, Var) && ((Var *) node)->varattno <= 0)
		*reason = "It uses a whole row or a system column.";
	else if (IsA(node, SubLink) || IsA(node, Query))
		*reason = "It has a subquery.";
	else if (IsA(node, CurrentOfExpr) || IsA(node, SetToDefault) ||
			 (IsA(node, Param) && ((Param *) node)->paramkind != PARAM_EXTERN))
		*reason = "It has an expression that cannot be folded.";
	else if (cqrs_node_may_read(node))
		*reason = "It calls a function that may read tables (one that is not declared IMMUTABLE).";
	if (*reason)
		return true;
	return expression_tree_walker(node, find_unfit_node, arg);
}

/*
 * Makes Vars of parameters and of excluded columns.
 */
static Node *
turn_node(Node *node, void *excluded)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Param))
	{
		Param	   *param = (Param *) node;

		return (Node *) makeVar(OUTER_VAR, param->paramid, param->paramtype,
								param->paramtypmod, param->paramcollid, 0);
	}
	if (IsA(node, Var))
	{
		Var		   *var = copyObject((Var *) node);

		if (var->varno == *(int *) excluded)
			var->varno = INNER_VAR;
		return (Node *) var;
	}
	return expression_tree_mutator(node, turn_node, excluded);
}

/*
 * Events of different streams may be applied in another order by a replay:
 * that matters when the last one wins.
 */
static const char *
give_advice(CqrsFold *fold)
{
	CqrsRule   *rule = fold->statement->rule;
	StringInfoData columns;
	int			i = 0;
	ListCell   *lc;

	for (int k = 0; k < fold->table->nkeys; k++)
		if (mentions_stream((Node *) fold->keys[k], &rule->scope))
			return NULL;

	initStringInfo(&columns);
	foreach(lc, fold->set)
	{
		TargetEntry *target = lfirst_node(TargetEntry, lc);
		int			column = fold->set_columns[i++];

		if (!mentions_column((Node *) target->expr, &column) && !IsA(target->expr, Const))
			appendStringInfo(&columns, "%s\"%s\"", columns.len > 0 ? ", " : "",
							 target->resname);
	}
	if (columns.len == 0)
		return NULL;
	return psprintf("Overwritten, not accumulated: %s; if events of several streams touch the same row, a replay may apply them in another order.",
					columns.data);
}

static bool
mentions_stream(Node *node, void *scope)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) && ((Var *) node)->varno == OUTER_VAR)
	{
		CqrsField  *field = ((CqrsScope *) scope)->fields[((Var *) node)->varattno - 1];

		return strcmp(field->name, "stream") == 0 || strcmp(field->name, "stream_id") == 0;
	}
	return expression_tree_walker(node, mentions_stream, scope);
}

static bool
mentions_column(Node *node, void *column)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varno != OUTER_VAR && ((Var *) node)->varno != INNER_VAR &&
			((Var *) node)->varattno == *(int *) column;
	return expression_tree_walker(node, mentions_column, column);
}
