/*-------------------------------------------------------------------------
 *
 * function_rule.c
 *		Rules that are functions f(event cqrs.event).
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/function_rule.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "nodes/plannodes.h"
#include "pgstat.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/table.h"
#include "projection/rule.h"

static void check_function(Oid function, const char *signature);

/*
 * Finds the function and checks that it can be a rule.
 */
void
cqrs_function_rule_prepare(CqrsRule *rule)
{
	PlanInvalItem *item = makeNode(PlanInvalItem);

	rule->function = DatumGetObjectId(DirectFunctionCall1(regprocedurein,
														  CStringGetDatum(rule->text)));
	check_function(rule->function, rule->text);
	fmgr_info(rule->function, &rule->flinfo);

	item->cacheId = PROCOID;
	item->hashValue = GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(rule->function));
	rule->engine->items = lappend(rule->engine->items, item);
}

/*
 * Calls the function for an event.
 */
void
cqrs_function_rule_apply(CqrsRule *rule, CqrsEventRow *event)
{
	LOCAL_FCINFO(fcinfo, 1);
	PgStat_FunctionCallUsage usage;
	int			guc_level = NewGUCNestLevel();

	InitFunctionCallInfoData(*fcinfo, &rule->flinfo, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = ExecFetchSlotHeapTupleDatum(event->slot);
	fcinfo->args[0].isnull = false;

	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_init_function_usage(fcinfo, &usage);
	(void) FunctionCallInvoke(fcinfo);
	pgstat_end_function_usage(&usage, true);
	PopActiveSnapshot();
	/* a setting that the function has changed is no concern of the next event */
	AtEOXact_GUC(false, guc_level);
	CommandCounterIncrement();
}

/*
 * After an error, what the function's language keeps with the call may be in
 * any state.
 */
void
cqrs_function_rule_reset(CqrsRule *rule)
{
	rule->flinfo.fn_extra = NULL;
}

static void
check_function(Oid function, const char *signature)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc proc;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function %s does not exist", signature)));
	proc = (Form_pg_proc) GETSTRUCT(tuple);

	if (proc->prokind != PROKIND_FUNCTION || proc->proretset)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("function %s cannot be a rule", signature),
				 errdetail("It is not a function that returns one value.")));
	if (proc->pronargs != 1 ||
		get_typ_typrelid(proc->proargtypes.values[0]) != cqrs_table_oid("event"))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("function %s cannot be a rule", signature),
				 errdetail("A rule has one parameter, of type cqrs.event.")));
	ReleaseSysCache(tuple);

	cqrs_require_function_execute(function);
}
