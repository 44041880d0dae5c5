/*-------------------------------------------------------------------------
 *
 * handler.c
 *		Functions of users that we call: checked, stored by name, found again.
 *
 * NOTES
 *		A handler is the function with this name and argument type that
 *		belongs to this role.  When the function is gone, or belongs to
 *		somebody else, using it is an error that says so: who may create
 *		functions in a schema cannot slip one in for a handler of another role.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/handler.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/handler.h"
#include "base/names.h"

static char *signature(const CqrsHandlerName *handler);
static int	hint_at_owner(const char *what);

/*
 * Checks what every handler must be, and that the current user may register
 * it.  The caller releases the pg_proc tuple.
 */
HeapTuple
cqrs_handler_check(Oid function, const char *what, const char *name)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc proc;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("handler of %s \"%s\" does not exist", what, name),
				 errdetail("There is no function with OID %u.", function)));
	proc = (Form_pg_proc) GETSTRUCT(tuple);

	if (proc->prokind != PROKIND_FUNCTION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("handler of %s \"%s\" must be a function", what, name),
				 errdetail("%s is a procedure, an aggregate or a window function.",
						   format_procedure(function))));
	if (isAnyTempNamespace(proc->pronamespace))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("handler of %s \"%s\" must not be a temporary function", what, name)));
	if (!has_privs_of_role(GetUserId(), proc->proowner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of function %s", format_procedure(function)),
				 errdetail("Only the owner of a function, or a member of that role, may register it as a handler.")));
	return tuple;
}

/*
 * The type of a handler's only argument, jsonb or a composite type; InvalidOid
 * when it takes none.
 */
Oid
cqrs_handler_argument(HeapTuple tuple, const char *what, const char *name)
{
	Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);
	Oid			argument;

	if (proc->pronargs == 0)
		return InvalidOid;
	argument = proc->proargtypes.values[0];
	if (proc->pronargs > 1 || OidIsValid(proc->provariadic) ||
		(argument != JSONBOID && get_typtype(argument) != TYPTYPE_COMPOSITE))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("handler of %s \"%s\" must take one argument of type jsonb or of a composite type",
						what, name),
				 errdetail("The handler is %s.", format_procedure(proc->oid))));
	if (cqrs_is_temporary_type(argument))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("handler of %s \"%s\" must not take a temporary type", what, name),
				 errdetail("Type %s is gone when the session ends.", format_type_be(argument))));
	return argument;
}

/*
 * What is stored of a handler.
 */
void
cqrs_handler_describe(HeapTuple tuple, Oid argument, CqrsHandlerName *result)
{
	Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);

	result->schema = get_namespace_name(proc->pronamespace);
	result->name = pstrdup(NameStr(proc->proname));
	result->argument = OidIsValid(argument) ? format_type_be_qualified(argument) : NULL;
	result->owner = GetUserNameFromId(proc->proowner, false);
}

/*
 * PostgreSQL lets PUBLIC execute every new function.
 */
void
cqrs_handler_notice_public(HeapTuple tuple)
{
	Oid			function = ((Form_pg_proc) GETSTRUCT(tuple))->oid;

	if (cqrs_may_execute(function, ACL_ID_PUBLIC))
		ereport(NOTICE,
				(errmsg("every role may execute handler %s", format_procedure(function)),
				 errhint("To choose who may, use REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC, then GRANT it to roles.",
						 format_procedure_qualified(function))));
}

/*
 * Finds a stored handler, and its argument's type.
 */
Oid
cqrs_handler_find(const CqrsHandlerName *handler, const char *what,
				  const char *name, Oid *argument)
{
	Oid			schema = get_namespace_oid(handler->schema, true);
	HeapTuple	tuple = NULL;
	Oid			function;
	Oid			owner;
	Oid			owner_before;

	*argument = handler->argument ? cqrs_stored_type(handler->argument) : InvalidOid;
	if (OidIsValid(schema) && (handler->argument == NULL || OidIsValid(*argument)))
		tuple = SearchSysCache3(PROCNAMEARGSNSP, CStringGetDatum(handler->name),
								PointerGetDatum(buildoidvector(argument, handler->argument ? 1 : 0)),
								ObjectIdGetDatum(schema));
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("handler %s of %s \"%s\" does not exist", signature(handler), what, name),
				 errhint("Drop the %s, or create the function again.", what)));

	function = ((Form_pg_proc) GETSTRUCT(tuple))->oid;
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);

	owner_before = get_role_oid(handler->owner, true);
	if (owner != owner_before)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("handler %s of %s \"%s\" is not the function that was registered",
						signature(handler), what, name),
				 errdetail("It was registered as a function of role \"%s\" and belongs to role \"%s\" now.",
						   handler->owner, GetUserNameFromId(owner, false)),
				 OidIsValid(owner_before) ?
				 errhint("If the change is intended, drop the %s and register it again.", what) :
				 hint_at_owner(what)));
	return function;
}

/*
 * The current user must have EXECUTE on the function.
 */
void
cqrs_handler_require_execute(Oid function)
{
	if (!cqrs_may_execute(function, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s", get_func_name(function)),
				 errhint("Its owner may use GRANT EXECUTE ON FUNCTION %s TO %s.",
						 format_procedure_qualified(function),
						 quote_identifier(GetUserNameFromId(GetUserId(), false)))));
	InvokeFunctionExecuteHook(function);
}

/*
 * What was registered is dropped by the owner of its handler, and by
 * superusers, who alone may when that role is gone.
 */
void
cqrs_handler_may_drop(const char *owner, const char *what, const char *name)
{
	Oid			role = get_role_oid(owner, true);

	if (OidIsValid(role) ? !has_privs_of_role(GetUserId(), role) : !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of %s \"%s\"", what, name),
				 OidIsValid(role) ?
				 errdetail("It belongs to role \"%s\", the owner of its handler.", owner) :
				 errdetail("It belongs to role \"%s\", which does not exist.", owner),
				 OidIsValid(role) ? 0 : hint_at_owner(what)));
}

/*
 * For what was registered by a role that is not there any more.
 */
static int
hint_at_owner(const char *what)
{
	return errhint("The role was renamed or dropped.  The owner of the extension may name another one in column \"owner\" of table \"cqrs.%s_registry\".", what);
}

static char *
signature(const CqrsHandlerName *handler)
{
	return psprintf("%s(%s)", quote_qualified_identifier(handler->schema, handler->name),
					handler->argument ? handler->argument : "");
}
