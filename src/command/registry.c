/*-------------------------------------------------------------------------
 *
 * registry.c
 *		Registered commands.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/command/registry.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/names.h"
#include "command/registry.h"

PG_FUNCTION_INFO_V1(cqrs_create_command);
PG_FUNCTION_INFO_V1(cqrs_drop_command);

static void check_result(HeapTuple tuple, const char *name);
static const char *unfit_result(HeapTuple tuple);

static CqrsRegistry registry = {
	.table = "command_registry",
	.what = "command",
	.plural = "commands",
	.insert = CQRS_PLAN_INSERT_COMMAND,
	.delete = CQRS_PLAN_DELETE_COMMAND,
	.unfit_result = unfit_result
};

void
cqrs_command_init(void)
{
	cqrs_registry_init(&registry);
}

/*
 * Looks up a command.  The caller unpins it, after an error too.
 */
CqrsRegistered *
cqrs_command_pin(const text *name)
{
	return cqrs_registry_pin(&registry, name);
}

/*
 * cqrs_create_command(name, handler, stream, description)
 */
Datum
cqrs_create_command(PG_FUNCTION_ARGS)
{
	text	   *name;
	char	   *name_string;
	HeapTuple	tuple;
	Oid			argument;
	CqrsHandlerName handler;

	cqrs_arg_require(fcinfo, 0, "name");
	cqrs_arg_require(fcinfo, 1, "handler");
	name = PG_GETARG_TEXT_PP(0);
	name_string = text_to_cstring(name);
	cqrs_check_name(name, "command", CQRS_MAX_NAME);

	tuple = cqrs_handler_check(PG_GETARG_OID(1), "command", name_string);
	argument = cqrs_handler_argument(tuple, "command", name_string);
	if (!OidIsValid(argument))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("handler of command \"%s\" must take one argument of type jsonb or of a composite type",
						name_string),
				 errdetail("The handler is %s.", format_procedure(PG_GETARG_OID(1)))));
	check_result(tuple, name_string);
	if (!PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be null", "stream"),
				 errdetail("Commands that decide on the state of a stream are not supported yet.")));

	cqrs_handler_describe(tuple, argument, &handler);
	cqrs_registry_add(&registry, name, &handler, PG_GETARG_DATUM(3), PG_ARGISNULL(3));
	cqrs_handler_notice_public(tuple);
	ReleaseSysCache(tuple);
	PG_RETURN_VOID();
}

/*
 * cqrs_drop_command(name)
 */
Datum
cqrs_drop_command(PG_FUNCTION_ARGS)
{
	cqrs_arg_require(fcinfo, 0, "name");
	cqrs_registry_drop(&registry, PG_GETARG_TEXT_PP(0));
	PG_RETURN_VOID();
}

static void
check_result(HeapTuple tuple, const char *name)
{
	const char *found = unfit_result(tuple);

	if (found == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
			 errmsg("handler of command \"%s\" must return a scalar or void", name),
			 errdetail("%s returns %s; commands return identifiers, not data.",
					   format_procedure(((Form_pg_proc) GETSTRUCT(tuple))->oid), found),
			 errhint("Return the identifier of what the command made, and read the rest through a query or a view.")));
}

/*
 * A command returns the identifier of what it made or changed, or nothing.
 */
static const char *
unfit_result(HeapTuple tuple)
{
	Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);
	Oid			base = getBaseType(proc->prorettype);

	if (proc->proretset)
		return "a set";
	if (base == VOIDOID)
		return NULL;
	if (base == RECORDOID)
		return "a record";
	if (base == JSONOID || base == JSONBOID)
		return "a JSON document";
	if (base == REFCURSOROID)
		return "a cursor";
	if (get_typtype(base) == TYPTYPE_COMPOSITE)
		return "a composite value";
	if (OidIsValid(get_element_type(base)))
		return "an array";
	if (get_typtype(base) == TYPTYPE_PSEUDO)
		return "a pseudo-type";
	return NULL;
}
