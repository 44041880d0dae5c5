/*-------------------------------------------------------------------------
 *
 * compile_where.c
 *		Finding the primary key in a WHERE clause.
 *
 * NOTES
 *		Conditions on the event alone are looked at before the key is computed,
 *		as the planner would have it; conditions on the row after the row has
 *		been found.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/compile_where.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "projection/compile_where.h"

static void flatten_ands(Node *node, List **conditions);
static bool mentions_row(Node *node, void *context);
static bool take_key(CqrsFold *fold, Node *condition);
static bool fits_key(CqrsFold *fold, int i, OpExpr *op, Node *left, Node *right, bool swapped);
static bool is_integer_type(Oid type);

/*
 * Distributes the conditions of UPDATE and DELETE.
 */
const char *
cqrs_fold_compile_where(CqrsFold *fold, Query *query)
{
	List	   *conditions = NIL;
	List	   *gates = NIL;
	ListCell   *lc;

	flatten_ands(query->jointree->quals, &conditions);
	foreach(lc, conditions)
	{
		Node	   *condition = lfirst(lc);

		if (!mentions_row(condition, NULL))
			gates = lappend(gates, condition);
		else if (!take_key(fold, condition))
			fold->where = lappend(fold->where, condition);
	}

	for (int i = 0; i < fold->table->nkeys; i++)
		if (fold->keys[i] == NULL)
			return "WHERE does not give a value of the event to each primary key column.";
	if (gates)
		fold->gate = make_ands_explicit(gates);
	return NULL;
}

static void
flatten_ands(Node *node, List **conditions)
{
	if (node == NULL)
		return;
	if (is_andclause(node))
	{
		ListCell   *lc;

		foreach(lc, ((BoolExpr *) node)->args)
			flatten_ands(lfirst(lc), conditions);
	}
	else
		*conditions = lappend(*conditions, node);
}

static bool
mentions_row(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varno != OUTER_VAR;
	return expression_tree_walker(node, mentions_row, context);
}

/*
 * Is this condition "key column = something of the event"?  Then remember it.
 */
static bool
take_key(CqrsFold *fold, Node *condition)
{
	OpExpr	   *op = (OpExpr *) condition;

	if (!IsA(condition, OpExpr) || list_length(op->args) != 2)
		return false;
	for (int i = 0; i < fold->table->nkeys; i++)
	{
		if (fold->keys[i] != NULL)
			continue;
		if (fits_key(fold, i, op, linitial(op->args), lsecond(op->args), false) ||
			fits_key(fold, i, op, lsecond(op->args), linitial(op->args), true))
			return true;
	}
	return false;
}

static bool
fits_key(CqrsFold *fold, int i, OpExpr *op, Node *left, Node *right, bool swapped)
{
	CqrsFoldKey *key = &fold->table->keys[i];
	Oid			opno = swapped ? get_commutator(op->opno) : op->opno;
	Oid			left_type;
	Oid			right_type;

	while (IsA(left, RelabelType))
		left = (Node *) ((RelabelType *) left)->arg;
	if (!IsA(left, Var) || ((Var *) left)->varno == OUTER_VAR ||
		((Var *) left)->varattno != key->attno || mentions_row(right, NULL))
		return false;

	if (!OidIsValid(opno) ||
		get_op_opfamily_strategy(opno, key->opfamily) != BTEqualStrategyNumber ||
		op->inputcollid != key->collation)
		return false;
	op_input_types(opno, &left_type, &right_type);
	if (IsPolymorphicType(right_type))
		right_type = getBaseType(exprType(right));
	else if (left_type != key->type)
		return false;
	if (right_type != key->type && !(key->is_integer && is_integer_type(right_type)))
		return false;

	fold->keys[i] = (Expr *) right;
	fold->key_types[i] = right_type;
	fold->key_is_integer[i] = key->is_integer && right_type != key->type;
	return true;
}

static bool
is_integer_type(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}
