/*-------------------------------------------------------------------------
 *
 * rights.c
 *		Rights: parts of the SQL surface that are granted together.
 *
 * NOTES
 *		A right is nothing but ordinary privileges, EXECUTE on functions,
 *		SELECT on views and USAGE of types, with USAGE of the schema.  One
 *		table here says which.  Rights overlap; a revoke leaves what another
 *		right that the role holds needs.  A role holds a right when it has been
 *		granted the first function or view in the right's list.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/rights.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/rights.h"
#include "base/table.h"

PG_FUNCTION_INFO_V1(cqrs_grant);
PG_FUNCTION_INFO_V1(cqrs_revoke);

#define MAX_OBJECTS 40

/* of the right "watch" alone */
#define WATCH_VIEW "cqrs.worker_status"

/*
 * Functions are given without arguments: all of that name.  What begins with
 * "cqrs." is in that schema, functions written with "()", else a view or a
 * composite type.  The first object is a function or a view and belongs to no
 * other right.
 */
typedef struct Right
{
	const char *name;
	const char *objects[MAX_OBJECTS];
} Right;

static const Right rights[] = {
	{"send", {
		"cqrs_send()", "cqrs_try_send()", "cqrs_execute()", "cqrs_token()", "cqrs_wait()",
		"cqrs_command_id()", "cqrs_correlation_id()", "cqrs_payload()", "cqrs_actor()",
		"cqrs.payload_fields()", "cqrs.command_type", "cqrs.command_result"
	}},
	{"query", {
		"cqrs_query()", "cqrs_query_page()", "cqrs.run_query()", "cqrs_token()", "cqrs_wait()",
		"cqrs_actor()", "cqrs.payload_fields()", "cqrs.query_type"
	}},
	{"emit", {
		"cqrs_emit()", "cqrs_append()", "cqrs_stream()", "cqrs_stream_version()", "cqrs_token()",
		"cqrs_command_id()", "cqrs_correlation_id()", "cqrs_payload()", "cqrs_actor()", "cqrs.outbox"
	}},
	{"define", {
		"cqrs_create_command()", "cqrs_drop_command()", "cqrs_create_query()", "cqrs_drop_query()",
		"cqrs_create_event_type()", "cqrs_create_projection()", "cqrs_on()", "cqrs_on_batch()",
		"cqrs_off()", "cqrs_start()", "cqrs_revise()", "cqrs_rebuild()", "cqrs_cancel_build()",
		"cqrs_revert()", "cqrs_check()", "cqrs_pause()",
		"cqrs_resume()", "cqrs_drop_projection()", "cqrs_catch_up()", "cqrs_explain()",
		"cqrs_retry_parked()", "cqrs_discard_parked()", "cqrs_diagram()",
		"cqrs.payload_fields()", "cqrs.command_type", "cqrs.query_type",
		"cqrs.projection_parked", "cqrs.command_stats", "cqrs.query_stats", "cqrs.read_stats()",
		"cqrs.projection_status", "cqrs.behind()", "cqrs.read_progress()", "cqrs.build_progress",
		"cqrs.read_work()", "cqrs.open_appender()"
	}},
	{"watch", {
		WATCH_VIEW, "cqrs.command_stats", "cqrs.query_stats", "cqrs.read_stats()",
		"cqrs.projection_status", "cqrs.behind()", "cqrs.read_progress()", "cqrs.build_progress",
		"cqrs.projection_parked", "cqrs_diagram()",
		"cqrs.read_work()", "cqrs.read_workers()", "cqrs.open_appender()"
	}},
};

static void change_right(FunctionCallInfo fcinfo, bool grant);
static const Right *find_right(const char *name);
static bool holds_right(Oid role, const Right *right);
static bool is_needed(Oid role, const char *object, const Right *except);
static bool contains(const Right *right, const char *object);
static void change_object(const char *object, Oid role, bool grant);
static void change_schema(Oid role, bool grant);
static void execute(const char *privilege, const char *object, Oid role, bool grant);
static List *find_functions(const char *object);
static Oid	find_relation(const char *object);
static bool is_function(const char *object);
static bool acl_has(Datum acl, Oid role);

/*
 * cqrs_grant(role, right_name)
 */
Datum
cqrs_grant(PG_FUNCTION_ARGS)
{
	change_right(fcinfo, true);
	PG_RETURN_VOID();
}

/*
 * cqrs_revoke(role, right_name)
 */
Datum
cqrs_revoke(PG_FUNCTION_ARGS)
{
	change_right(fcinfo, false);
	PG_RETURN_VOID();
}

/*
 * May the role see what belongs to others in the views for those who watch?
 */
bool
cqrs_may_watch(Oid role)
{
	return has_privs_of_role(role, ROLE_PG_MONITOR) ||
		pg_class_aclcheck(find_relation(WATCH_VIEW), role, ACL_SELECT) == ACLCHECK_OK;
}

static void
change_right(FunctionCallInfo fcinfo, bool grant)
{
	Oid			role;
	const Right *right;
	bool		holds_another = false;

	cqrs_arg_require(fcinfo, 0, "role");
	cqrs_arg_require(fcinfo, 1, "right_name");
	if (!has_privs_of_role(GetUserId(), cqrs_owner()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of extension \"%s\"", "cqrs")));
	role = PG_GETARG_OID(0);
	right = find_right(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", role)));

	SPI_connect();
	for (int i = 0; i < lengthof(rights); i++)
		holds_another |= (&rights[i] != right && holds_right(role, &rights[i]));
	for (int i = 0; i < MAX_OBJECTS && right->objects[i]; i++)
		if (grant || !is_needed(role, right->objects[i], right))
			change_object(right->objects[i], role, grant);
	if (grant || !holds_another)
		change_schema(role, grant);
	SPI_finish();
}

static const Right *
find_right(const char *name)
{
	for (int i = 0; i < lengthof(rights); i++)
		if (strcmp(rights[i].name, name) == 0)
			return &rights[i];
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized right: \"%s\"", name),
			 errhint("Rights are \"send\", \"query\", \"emit\", \"define\" and \"watch\".")));
	return NULL;				/* keep compiler quiet */
}

static bool
holds_right(Oid role, const Right *right)
{
	const char *object = right->objects[0];
	HeapTuple	tuple;
	Datum		acl;
	bool		isnull;
	bool		result;
	int			cache = is_function(object) ? PROCOID : RELOID;
	AttrNumber	column = is_function(object) ? Anum_pg_proc_proacl : Anum_pg_class_relacl;
	List	   *functions = is_function(object) ? find_functions(object) : NIL;
	Oid			oid = functions ? linitial_oid(functions) : find_relation(object);

	tuple = SearchSysCache1(cache, ObjectIdGetDatum(oid));
	if (!HeapTupleIsValid(tuple))
		return false;
	acl = SysCacheGetAttr(cache, tuple, column, &isnull);
	result = !isnull && acl_has(acl, role);
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Does another right that the role holds contain the object?
 */
static bool
is_needed(Oid role, const char *object, const Right *except)
{
	for (int i = 0; i < lengthof(rights); i++)
		if (&rights[i] != except && contains(&rights[i], object) &&
			holds_right(role, &rights[i]))
			return true;
	return false;
}

static bool
contains(const Right *right, const char *object)
{
	for (int i = 0; i < MAX_OBJECTS && right->objects[i]; i++)
		if (strcmp(right->objects[i], object) == 0)
			return true;
	return false;
}

static void
change_object(const char *object, Oid role, bool grant)
{
	ListCell   *lc;

	if (is_function(object))
	{
		foreach(lc, find_functions(object))
			execute("EXECUTE ON ROUTINE", format_procedure_qualified(lfirst_oid(lc)), role, grant);
	}
	else if (get_rel_relkind(find_relation(object)) == RELKIND_COMPOSITE_TYPE)
		execute("USAGE ON TYPE", object, role, grant);
	else
		execute("SELECT ON TABLE", object, role, grant);
}

static void
change_schema(Oid role, bool grant)
{
	execute("USAGE ON SCHEMA", "cqrs", role, grant);
}

/*
 * "object" is quoted as it must be.  Runs as the current user, who owns it.
 */
static void
execute(const char *privilege, const char *object, Oid role, bool grant)
{
	char	   *sql = psprintf("%s %s %s %s %s", grant ? "GRANT" : "REVOKE", privilege, object,
							   grant ? "TO" : "FROM",
							   quote_identifier(GetUserNameFromId(role, false)));

	if (SPI_execute(sql, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not execute \"%s\"", sql);
}

/*
 * All functions and procedures of that name.
 */
static List *
find_functions(const char *object)
{
	bool		in_schema = strncmp(object, "cqrs.", 5) == 0;
	Oid			namespace = in_schema ? get_namespace_oid("cqrs", false) : PG_CATALOG_NAMESPACE;
	char	   *name = pstrdup(in_schema ? object + 5 : object);
	List	   *result = NIL;
	CatCList   *list;

	name[strlen(name) - 2] = '\0';
	list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (proc->pronamespace == namespace)
			result = lappend_oid(result, proc->oid);
	}
	ReleaseSysCacheList(list);
	return result;
}

static Oid
find_relation(const char *object)
{
	return get_relname_relid(object + strlen("cqrs."), get_namespace_oid("cqrs", false));
}

static bool
is_function(const char *object)
{
	return object[strlen(object) - 1] == ')';
}

static bool
acl_has(Datum acl, Oid role)
{
	Acl		   *items = DatumGetAclP(acl);

	for (int i = 0; i < ACL_NUM(items); i++)
		if (ACL_DAT(items)[i].ai_grantee == role &&
			(ACLITEM_GET_PRIVS(ACL_DAT(items)[i]) & (ACL_EXECUTE | ACL_SELECT)))
			return true;
	return false;
}
