/*-------------------------------------------------------------------------
 *
 * rule_row.c
 *		Which rules a build has: rows of cqrs.rule.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/rule_row.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/plans.h"
#include "projection/engine.h"
#include "projection/rule_row.h"

/* columns of a rule, in the order of CQRS_PLAN_LIST_RULES */
enum
{
	COL_NUMBER = 1,
	COL_KIND,
	COL_EVENT_TYPES,
	COL_RULE,
	COL_HANDLER_OWNER
};

static CqrsRuleDef *row_to_rule(uint64 row, const char *projection);
static void check_handler(const char *projection, const char *signature, const char *owner);
static char *get_string(uint64 row, int column);

/*
 * List of CqrsRuleDef: the rules of a build, in their order.
 */
List *
cqrs_projection_rules(const char *name, int32 build)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[2] = {CStringGetTextDatum(name), Int32GetDatum(build)};
	List	   *result = NIL;

	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_LIST_RULES, values, NULL);
	MemoryContextSwitchTo(caller);
	for (uint64 row = 0; row < SPI_processed; row++)
		result = lappend(result, row_to_rule(row, name));
	SPI_finish();
	return result;
}

/*
 * The owner of a function that exists.
 */
Oid
cqrs_function_owner(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return owner;
}

static CqrsRuleDef *
row_to_rule(uint64 row, const char *projection)
{
	CqrsRuleDef *rule = palloc0(sizeof(CqrsRuleDef));
	char	   *kind = get_string(row, COL_KIND);
	HeapTuple	tuple = SPI_tuptable->vals[row];
	TupleDesc	desc = SPI_tuptable->tupdesc;
	Datum	   *types;
	int			count;
	bool		isnull;
	Datum		array = SPI_getbinval(tuple, desc, COL_EVENT_TYPES, &isnull);

	rule->id = DatumGetInt32(SPI_getbinval(tuple, desc, COL_NUMBER, &isnull));
	rule->text = get_string(row, COL_RULE);
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
					  &types, NULL, &count);

	if (strcmp(kind, "batch") == 0)
	{
		rule->kind = CQRS_RULE_BATCH;
		for (int i = 0; i < count; i++)
			rule->event_types = lappend(rule->event_types, TextDatumGetCString(types[i]));
		return rule;
	}
	if (count != 1)
		elog(ERROR, "rule %d of projection \"%s\" has %d event types", rule->id, projection, count);
	rule->event_type = TextDatumGetCString(types[0]);
	rule->kind = CQRS_RULE_SQL;
	if (strcmp(kind, "function") == 0)
	{
		rule->kind = CQRS_RULE_FUNCTION;
		check_handler(projection, rule->text, get_string(row, COL_HANDLER_OWNER));
	}
	return rule;
}

/*
 * A function is known by its signature.  When somebody else has put one of his
 * own in its place, it is not the one that was registered.  That it exists is
 * for the engine to check.
 */
static void
check_handler(const char *projection, const char *signature, const char *owner)
{
	LOCAL_FCINFO(fcinfo, 1);
	Oid			function;

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = CStringGetTextDatum(signature);
	fcinfo->args[0].isnull = false;
	function = DatumGetObjectId(to_regprocedure(fcinfo));
	if (fcinfo->isnull || owner == NULL)
		return;
	if (get_role_oid(owner, true) != cqrs_function_owner(function))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("function %s does not belong to \"%s\" any more", signature, owner),
				 errdetail("It has been replaced, or has another owner, since it became a rule of projection \"%s\".",
						   projection),
				 errhint("Look at the function, and register it again if it is to be trusted.")));
}

/*
 * In the current memory context; NULL for null.
 */
static char *
get_string(uint64 row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}
