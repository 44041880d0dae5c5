/*-------------------------------------------------------------------------
 *
 * table_readers.c
 *		What may look at tables while an expression is evaluated or a row is checked.
 *
 * NOTES
 *		A function that is declared IMMUTABLE looks at no table, and of
 *		PostgreSQL's own functions few do.  Functions are called by constraints,
 *		too: those of a table, and those of the domains that its columns and
 *		the values on the way to them are of.  A function that makes a value of
 *		a type can do that by way of the type's input function, or by
 *		populating a record.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/table_readers.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "base/compat.h"
#include "projection/table_readers.h"

static bool expression_may_read(Node *node, void *context);
static bool function_may_read(Oid function, void *context);
static bool aggregate_may_read(Oid aggregate);
static bool types_may_read(const List *types);
static bool record_may_read(Oid type);
static bool domain_may_read(Oid type);

/*
 * This node, not what is below it.
 */
bool
cqrs_node_may_read(Node *node)
{
	switch (nodeTag(node))
	{
		case T_CoerceToDomain:
		case T_CoerceViaIO:
		case T_FuncExpr:
		case T_OpExpr:
		case T_Param:
			if (cqrs_type_may_read(exprType(node)))
				return true;
			break;
		case T_RangeTblFunction:
			if (types_may_read(((RangeTblFunction *) node)->funccoltypes))
				return true;
			break;
		case T_TableFunc:
			if (types_may_read(((TableFunc *) node)->coltypes))
				return true;
			break;
		default:
			if (cqrs_is_json_expr(node) && cqrs_type_may_read(exprType(node)))
				return true;
			break;
	}
	return check_functions_in_node(node, function_may_read, NULL);
}

/*
 * The constraints that a row of a table has to satisfy.
 */
bool
cqrs_constraints_may_read(TupleDesc desc)
{
	TupleConstr *constr = desc->constr;

	for (int i = 0; constr && i < constr->num_check; i++)
		if (expression_may_read(stringToNode(constr->check[i].ccbin), NULL))
			return true;
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped &&
			cqrs_type_may_read(TupleDescAttr(desc, i)->atttypid))
			return true;
	return false;
}

/*
 * The domains that the type is made of.
 */
bool
cqrs_type_may_read(Oid type)
{
	check_stack_depth();
	if (type < FirstNormalObjectId)
		return false;
	switch (get_typtype(type))
	{
		case TYPTYPE_DOMAIN:
			return domain_may_read(type) || cqrs_type_may_read(getBaseType(type));
		case TYPTYPE_COMPOSITE:
			return record_may_read(type);
		case TYPTYPE_RANGE:
			return cqrs_type_may_read(get_range_subtype(type));
		case TYPTYPE_MULTIRANGE:
			return cqrs_type_may_read(get_multirange_range(type));
		default:
			return OidIsValid(get_element_type(type)) && cqrs_type_may_read(get_element_type(type));
	}
}

static bool
expression_may_read(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return cqrs_node_may_read(node) ||
		expression_tree_walker(node, expression_may_read, context);
}

static bool
function_may_read(Oid function, void *context)
{
	if (function >= FirstNormalObjectId && get_func_prokind(function) == PROKIND_AGGREGATE)
		return aggregate_may_read(function);
	if (func_volatile(function) == PROVOLATILE_IMMUTABLE)
		return false;
	return function >= FirstNormalObjectId ||
		strstr(get_func_name(function), "_to_xml") != NULL;
}

/*
 * All of them are declared IMMUTABLE; what is done is done by their functions.
 */
static bool
aggregate_may_read(Oid aggregate)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate));
	Form_pg_aggregate form;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return true;
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	result = function_may_read(form->aggtransfn, NULL) ||
		(OidIsValid(form->aggfinalfn) && function_may_read(form->aggfinalfn, NULL)) ||
		(OidIsValid(form->aggmtransfn) && function_may_read(form->aggmtransfn, NULL)) ||
		(OidIsValid(form->aggminvtransfn) && function_may_read(form->aggminvtransfn, NULL)) ||
		(OidIsValid(form->aggmfinalfn) && function_may_read(form->aggmfinalfn, NULL));
	ReleaseSysCache(tuple);
	return result;
}

static bool
types_may_read(const List *types)
{
	ListCell   *lc;

	foreach(lc, types)
		if (cqrs_type_may_read(lfirst_oid(lc)))
			return true;
	return false;
}

static bool
record_may_read(Oid type)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(type, -1);
	bool		result = false;

	for (int i = 0; i < desc->natts && !result; i++)
		result = !TupleDescAttr(desc, i)->attisdropped &&
			cqrs_type_may_read(TupleDescAttr(desc, i)->atttypid);
	ReleaseTupleDesc(desc);
	return result;
}

/*
 * Its constraints, and those of the domains that it is made from.
 */
static bool
domain_may_read(Oid type)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "cqrs domain constraints",
												  ALLOCSET_SMALL_SIZES);
	DomainConstraintRef *ref = MemoryContextAlloc(context, sizeof(DomainConstraintRef));
	bool		result = false;
	ListCell   *lc;

	InitDomainConstraintRef(type, ref, context, false);
	foreach(lc, ref->constraints)
		if (expression_may_read((Node *) ((DomainConstraintState *) lfirst(lc))->check_expr, NULL))
			result = true;
	MemoryContextDelete(context);
	return result;
}
