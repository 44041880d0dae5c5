/*-------------------------------------------------------------------------
 *
 * tables.c
 *		What exists of a build in the database: its schema and tables.
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
#include "projection/build_row.h"
#include "projection/dependents.h"
#include "projection/run_as.h"
#include "projection/tables.h"
#include "projection/views.h"

static void add_views(ObjectAddresses *targets, const CqrsProjection *projection, int32 number);
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

	cqrs_run_as_owner(cqrs_build_row(projection->name, number)->tables, role, schema,
				 psprintf("tables of projection \"%s\"", projection->name));
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
	add_views(targets, projection, number);
	add_contents(targets, schema);
	ObjectAddressSet(address, NamespaceRelationId, schema);
	add_exact_object_address(&address, targets);
	cqrs_drop_without_users(projection, number, targets);
	free_object_addresses(targets);
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

Oid
cqrs_relation_owner(Oid relation)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relation);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * What a build consists of has to be there, or not, as its cursor says: after a
 * crash, too.
 */
void
cqrs_tables_require_lasting(Oid schema)
{
	Datum		value = ObjectIdGetDatum(schema);
	Oid			unfit = InvalidOid;
	bool		isnull;

	SPI_connect();
	if (cqrs_plan_execute(CQRS_PLAN_BUILD_UNFIT, &value, NULL) > 0)
		unfit = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
											   1, &isnull));
	SPI_finish();
	if (OidIsValid(unfit))
		cqrs_relation_require_lasting(unfit);
}

/*
 * The same of one relation that is written.
 */
void
cqrs_relation_require_lasting(Oid relation)
{
	char		persistence = get_rel_persistence(relation);

	if (get_rel_relkind(relation) == RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a projection cannot write to foreign table \"%s\"", get_rel_name(relation)),
				 errdetail("What is written there does not become permanent together with the projection's place in the log."),
				 errhint("Keep the foreign table outside of the projection, and only read it.")));
	if (persistence != RELPERSISTENCE_PERMANENT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a projection cannot write to %s relation \"%s\"",
						persistence == RELPERSISTENCE_TEMP ? "temporary" : "unlogged",
						get_rel_name(relation)),
				 errdetail("Its rows go, at the latest in a crash, and the events that made them are not applied again."),
				 persistence == RELPERSISTENCE_TEMP ? 0 :
				 errhint("Create it without UNLOGGED, or use ALTER TABLE ... SET LOGGED.")));
}

/*
 * Runs statements of a user, or ones made of names that he gave.
 */
void
cqrs_run_as_owner(const char *sql, Oid role, const char *schema, const char *what)
{
	ErrorContextCallback callback;
	CqrsRunAs	before;

	callback.callback = statement_context;
	callback.arg = unconstify(char *, what);
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	cqrs_run_as_begin(role, schema, &before);
	cqrs_plan_run(sql);
	cqrs_run_as_end(&before);
	error_context_stack = callback.previous;
}

static void
add_views(ObjectAddresses *targets, const CqrsProjection *projection, int32 number)
{
	ListCell   *lc;

	foreach(lc, cqrs_views_of(projection, number))
	{
		ObjectAddress address;

		ObjectAddressSet(address, RelationRelationId, lfirst_oid(lc));
		add_exact_object_address(&address, targets);
	}
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
