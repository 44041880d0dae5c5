/*-------------------------------------------------------------------------
 *
 * foreign_code.c
 *		Code in a payload's type that somebody else than the current user wrote.
 *
 * NOTES
 *		Whoever may define registers event types, and all who append such
 *		events have them checked.  The constraint of a domain can call any
 *		function; run as the one who appends, it would have his rights, a
 *		superuser's even.  So it runs as the role that has registered the type,
 *		fenced in.  What it does is not caused by the command that is running.
 *
 *		Constraints are mostly comparisons, and need no fence: what consists of
 *		PostgreSQL's own immutable functions and types can do no harm, whoever
 *		runs it.  (Its other functions can: some execute SQL that they are
 *		given as text.)
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/foreign_code.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "event/foreign_code.h"

static void tell_of_missing_owner(void *arg);
static bool may_harm(Node *node, void *context);
static bool function_may_harm(Oid function, void *context);

bool
cqrs_foreign_expression(const CqrsForeignCode *foreign, Expr *expression)
{
	return foreign->owner != GetUserId() && may_harm((Node *) expression, NULL);
}

/*
 * Input functions are superusers' code but for ranges, which check the domains
 * that they are ranges of.
 */
bool
cqrs_foreign_type(const CqrsForeignCode *foreign, const CqrsShape *shape)
{
	return shape->scalar == SCALAR_OTHER && foreign->owner != GetUserId() &&
		shape->base >= FirstNormalObjectId &&
		(get_typtype(shape->base) == TYPTYPE_RANGE || get_typtype(shape->base) == TYPTYPE_MULTIRANGE);
}

/*
 * Planning executes immutable functions of constants, anybody's, and what it
 * leaves of them looks harmless.  Where nobody answers for them any more they
 * get the rights of a role that has none to speak of.
 */
bool
cqrs_foreign_planning_begin(CqrsForeignCode *foreign)
{
	if (foreign->owner == GetUserId())
		return false;
	cqrs_fence_begin(OidIsValid(foreign->owner) ? foreign->owner : ROLE_PG_CHECKPOINT,
					 NULL, &foreign->before);
	cqrs_fence_detach();
	if (!OidIsValid(foreign->owner))
	{
		foreign->callback.callback = tell_of_missing_owner;
		foreign->callback.arg = foreign;
		foreign->callback.previous = error_context_stack;
		error_context_stack = &foreign->callback;
	}
	return true;
}

void
cqrs_foreign_begin(CqrsForeignCode *foreign)
{
	if (!OidIsValid(foreign->owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the role that registered %s \"%s\" does not exist any more",
						foreign->what, foreign->name),
				 errdetail("Its payload has constraints with functions, which run as that role."),
				 errhint("The owner of the extension may name another one in column \"owner\" of table \"cqrs.event_type\".")));
	cqrs_fence_begin(foreign->owner, NULL, &foreign->before);
	cqrs_fence_detach();
}

void
cqrs_foreign_end(const CqrsForeignCode *foreign)
{
	/* only planning goes on without an owner */
	if (!OidIsValid(foreign->owner))
		error_context_stack = foreign->callback.previous;
	cqrs_fence_end(&foreign->before);
}

/*
 * Else an error would speak of a role that nobody knows of.
 */
static void
tell_of_missing_owner(void *arg)
{
	const CqrsForeignCode *foreign = arg;

	errcontext("planning of the payload's constraints, without rights, as the role that registered %s \"%s\" does not exist any more",
			   foreign->what, foreign->name);
}

static bool
may_harm(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
			/* do nothing but call functions, or nothing at all */
		case T_List:
		case T_Const:
		case T_CoerceToDomainValue:
		case T_FuncExpr:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
		case T_BoolExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_RelabelType:
		case T_CollateExpr:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CaseTestExpr:
		case T_CoalesceExpr:
		case T_MinMaxExpr:
		case T_ArrayExpr:
			break;

			/* another type brings code of its own */
		case T_CoerceViaIO:
			if (exprType(node) >= FirstNormalObjectId)
				return true;
			break;

			/* another domain, for one; and what we do not know */
		default:
			return true;
	}
	return check_functions_in_node(node, function_may_harm, context) ||
		expression_tree_walker(node, may_harm, context);
}

static bool
function_may_harm(Oid function, void *context)
{
	return function >= FirstNormalObjectId || func_volatile(function) != PROVOLATILE_IMMUTABLE;
}
