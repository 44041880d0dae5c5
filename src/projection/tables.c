/*-------------------------------------------------------------------------
 *
 * tables.c
 *		What exists of a build in the database: its schema, tables and views.
 *
 * NOTES
 *		The schema is made on behalf of the owner, who need not have the right
 *		to create schemas: to be allowed to define projections is enough.  That
 *		runs no code of anybody.  Everything else, the statements for the
 *		tables and the views, runs as the owner.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/tables.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/plans.h"
#include "projection/run_as.h"
#include "projection/tables.h"

static void run_as_owner(const char *sql, Oid role, const char *schema, const char *what);
static List *names_to_show(const char *schema);
static void create_view(const CqrsProjection *projection, const char *schema,
						const char *name, Oid role);
static void add_views(ObjectAddresses *targets, const CqrsProjection *projection,
					  int32 number, Oid schema);
static void add_contents(ObjectAddresses *targets, Oid schema);
static void statement_context(void *arg);

/*
 * Name of the schema of a build, and of its cursor.
 */
char *
cqrs_build_name(const char *projection, int32 number)
{
	return psprintf("%s$%d", projection, number);
}

/*
 * Creates the schema of a build and runs the statements that create its tables.
 */
void
cqrs_tables_create(const CqrsProjection *projection, int32 number, Oid role)
{
	char	   *schema = cqrs_build_name(projection->name, number);

	/* CREATE SCHEMA by SQL would run event triggers, as the current user */
	NamespaceCreate(schema, role, false);
	CommandCounterIncrement();

	run_as_owner(cqrs_projection_tables(projection->name, number), role, schema,
				 psprintf("tables of projection \"%s\"", projection->name));
}

/*
 * Creates a view in the read schema for each table and view of the build whose
 * name does not begin with "_".  Gives their names.
 */
List *
cqrs_views_create(const CqrsProjection *projection, int32 number, Oid role)
{
	char	   *schema = cqrs_build_name(projection->name, number);
	List	   *names = names_to_show(schema);
	ListCell   *lc;

	foreach(lc, names)
		create_view(projection, schema, lfirst(lc), role);
	return names;
}

/*
 * Drops the schema of a build with all that is in it, and the views on it in
 * the read schema.  When something else depends on them, that is an error.  A
 * schema that is not the owner's any more is none of ours.
 */
void
cqrs_tables_drop(const CqrsProjection *projection, int32 number)
{
	Oid			schema = get_namespace_oid(cqrs_build_name(projection->name, number), true);
	ObjectAddresses *targets;
	ObjectAddress address;

	if (!OidIsValid(schema))
		return;
	if (get_role_oid(projection->owner, true) != cqrs_schema_owner(schema))
	{
		ereport(NOTICE,
				(errmsg("schema \"%s\" does not belong to \"%s\" and is left alone",
						get_namespace_name(schema), projection->owner)));
		return;
	}

	targets = new_object_addresses();
	add_views(targets, projection, number, schema);
	add_contents(targets, schema);
	ObjectAddressSet(address, NamespaceRelationId, schema);
	add_exact_object_address(&address, targets);
	performMultipleDeletions(targets, DROP_RESTRICT, 0);
	free_object_addresses(targets);
	CommandCounterIncrement();
}

/*
 * The owner of a schema that exists.
 */
Oid
cqrs_schema_owner(Oid schema)
{
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for schema %u", schema);
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * Runs statements of a user, or ones made of names that he gave.
 */
static void
run_as_owner(const char *sql, Oid role, const char *schema, const char *what)
{
	ErrorContextCallback callback;
	CqrsIdentity before;

	callback.callback = statement_context;
	callback.arg = unconstify(char *, what);
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	cqrs_run_as_begin(role, schema, &before);
	cqrs_plan_run(sql);
	cqrs_run_as_end(&before);
	error_context_stack = callback.previous;
}

/*
 * Names of the relations of a build that are for readers.
 */
static List *
names_to_show(const char *schema)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		value = ObjectIdGetDatum(get_namespace_oid(schema, false));
	List	   *result = NIL;

	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_BUILD_RELATIONS, &value, NULL);
	MemoryContextSwitchTo(caller);
	for (uint64 row = 0; row < SPI_processed; row++)
		result = lappend(result, SPI_getvalue(SPI_tuptable->vals[row],
											  SPI_tuptable->tupdesc, 1));
	SPI_finish();
	return result;
}

static void
create_view(const CqrsProjection *projection, const char *schema, const char *name, Oid role)
{
	char	   *view = quote_qualified_identifier(projection->read_schema, name);
	char	   *sql = psprintf("CREATE VIEW %s AS SELECT * FROM %s", view,
							   quote_qualified_identifier(schema, name));

	run_as_owner(sql, role, NULL,
				 psprintf("view %s of projection \"%s\"", view, projection->name));
}

static void
add_views(ObjectAddresses *targets, const CqrsProjection *projection, int32 number, Oid schema)
{
	Datum		values[4] = {ObjectIdGetDatum(schema),
		ObjectIdGetDatum(get_namespace_oid(projection->read_schema, true)),
		CStringGetTextDatum(projection->name), Int32GetDatum(number)};

	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_BUILD_VIEWS, values, NULL);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		ObjectAddress address;
		bool		isnull;

		ObjectAddressSet(address, RelationRelationId,
						 DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[row],
														SPI_tuptable->tupdesc, 1, &isnull)));
		add_exact_object_address(&address, targets);
	}
	SPI_finish();
}

/*
 * RESTRICT is to look at what is outside of the schema, so all that is inside
 * is named.
 */
static void
add_contents(ObjectAddresses *targets, Oid schema)
{
	Datum		value = ObjectIdGetDatum(schema);

	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_SCHEMA_OBJECTS, &value, NULL);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		ObjectAddress address;
		bool		isnull;
		HeapTuple	tuple = SPI_tuptable->vals[row];

		address.classId = DatumGetObjectId(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &isnull));
		address.objectId = DatumGetObjectId(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &isnull));
		address.objectSubId = 0;
		add_exact_object_address(&address, targets);
	}
	SPI_finish();
}

static void
statement_context(void *arg)
{
	errcontext("%s", (const char *) arg);
}
