/*-------------------------------------------------------------------------
 *
 * registry.c
 *		Registered queries.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/query/registry.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/names.h"
#include "query/registry.h"

PG_FUNCTION_INFO_V1(cqrs_create_query);
PG_FUNCTION_INFO_V1(cqrs_drop_query);

static void check_function(HeapTuple tuple, const char *name);
static const char *unfit_result(HeapTuple tuple);

static CqrsRegistry registry = {
	.table = "query_registry",
	.what = "query",
	.plural = "queries",
	.insert = CQRS_PLAN_INSERT_QUERY,
	.delete = CQRS_PLAN_DELETE_QUERY,
	.unfit_result = unfit_result
};

void
cqrs_query_init(void)
{
	cqrs_registry_init(&registry);
}

/*
 * Looks up a query.  The caller unpins it, after an error too.
 */
CqrsRegistered *
cqrs_query_pin(const text *name)
{
	return cqrs_registry_pin(&registry, name);
}

/*
 * cqrs_create_query(name, handler, description)
 */
Datum
cqrs_create_query(PG_FUNCTION_ARGS)
{
	text	   *name;
	char	   *name_string;
	HeapTuple	tuple;
	CqrsHandlerName handler;

	cqrs_arg_require(fcinfo, 0, "name");
	cqrs_arg_require(fcinfo, 1, "handler");
	name = PG_GETARG_TEXT_PP(0);
	name_string = text_to_cstring(name);
	cqrs_check_name(name, "query", CQRS_MAX_NAME);

	tuple = cqrs_handler_check(PG_GETARG_OID(1), "query", name_string);
	check_function(tuple, name_string);
	cqrs_handler_describe(tuple, cqrs_handler_argument(tuple, "query", name_string), &handler);
	cqrs_registry_add(&registry, name, &handler, PG_GETARG_DATUM(2), PG_ARGISNULL(2));
	cqrs_handler_notice_public(tuple);
	ReleaseSysCache(tuple);
	PG_RETURN_VOID();
}

/*
 * cqrs_drop_query(name)
 */
Datum
cqrs_drop_query(PG_FUNCTION_ARGS)
{
	cqrs_arg_require(fcinfo, 0, "name");
	cqrs_registry_drop(&registry, PG_GETARG_TEXT_PP(0));
	PG_RETURN_VOID();
}

/*
 * A query reads and returns something, whose columns are known.
 */
static void
check_function(HeapTuple tuple, const char *name)
{
	Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);
	const char *found = unfit_result(tuple);

	if (proc->provolatile == PROVOLATILE_VOLATILE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("handler of query \"%s\" must be STABLE or IMMUTABLE", name),
				 errdetail("%s is VOLATILE.", format_procedure(proc->oid)),
				 errhint("If the function only reads, use ALTER FUNCTION %s STABLE.",
						 format_procedure_qualified(proc->oid))));

	if (found)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("handler of query \"%s\" must return rows of known columns, or scalars", name),
				 errdetail("%s returns %s.", format_procedure(proc->oid), found),
				 errhint("Name the columns, as in RETURNS TABLE (...).")));
}

static const char *
unfit_result(HeapTuple tuple)
{
	Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);

	if (proc->prorettype == RECORDOID ? build_function_result_tupdesc_t(tuple) != NULL
		: get_typtype(proc->prorettype) != TYPTYPE_PSEUDO)
		return NULL;
	return psprintf("type %s", format_type_be(proc->prorettype));
}
