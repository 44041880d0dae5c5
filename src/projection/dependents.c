/*-------------------------------------------------------------------------
 *
 * dependents.c
 *		What depends on a build or its views, and stands in the way.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/dependents.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/plans.h"
#include "projection/dependents.h"
#include "projection/tables.h"

static const char *const drop_first = "Drop them first, and create them again when the new build is in place.";

static char *type_of_build(Oid view, Oid schema);
static Oid	namespace_of_type(Oid type);
static void complain(CqrsPlanId plan, Datum *values, const char *what, const char *reason,
					 const char *hint);

/*
 * It is to be dropped, and created with other columns; or with columns of other
 * types, though of the same name, as the old ones are in the schema of the build.
 */
void
cqrs_require_no_users_of_view(Oid view, const char *schema)
{
	Datum		value = ObjectIdGetDatum(view);
	char	   *name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(view)),
												  get_rel_name(view));
	char	   *reason;

	reason = type_of_build(view, get_namespace_oid(schema, true));
	if (reason)
		complain(CQRS_PLAN_USERS_OF_VIEW, &value,
				 psprintf("cannot put another build behind view %s because other objects depend on it", name),
				 reason,
				 "Create the type in a schema of your own, outside of the tables of the projection.");
	else
		complain(CQRS_PLAN_USERS_OF_VIEW, &value,
				 psprintf("cannot change the columns of view %s because other objects depend on it", name),
				 NULL, drop_first);
}

/*
 * Its tables are to be dropped.
 */
void
cqrs_require_no_users_of_build(const CqrsProjection *projection, int32 number, List *views)
{
	Datum	   *elements = palloc(Max(list_length(views), 1) * sizeof(Datum));
	char	   *schema = cqrs_build_name(projection->name, number);
	Datum		values[2];
	int			count = 0;
	ListCell   *lc;

	foreach(lc, views)
		elements[count++] = ObjectIdGetDatum(lfirst_oid(lc));
	values[0] = ObjectIdGetDatum(get_namespace_oid(schema, true));
	values[1] = PointerGetDatum(construct_array(elements, count, OIDOID, sizeof(Oid), true,
												TYPALIGN_INT));
	complain(CQRS_PLAN_USERS_OF_BUILD, values,
			 psprintf("cannot replace build %d of projection \"%s\" because other objects depend on it",
					  number, projection->name),
			 NULL, drop_first);
}

/*
 * Drops what belongs to a build.  PostgreSQL knows best what depends on it, but
 * not what is being dropped; and CASCADE is not for our callers.
 */
void
cqrs_drop_without_users(const CqrsProjection *projection, int32 number,
						const ObjectAddresses *targets)
{
	MemoryContext caller = CurrentMemoryContext;

	PG_TRY();
	{
		performMultipleDeletions(targets, DROP_RESTRICT, 0);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		if (error->sqlerrcode == ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST)
		{
			error->message = psprintf("cannot drop build %d of projection \"%s\" because other objects depend on it",
									  number, projection->name);
			error->hint = pstrdup("Drop them first.");
		}
		FlushErrorState();
		ReThrowError(error);
	}
	PG_END_TRY();
	CommandCounterIncrement();
}

/*
 * A sentence about a column that has a type of that schema; NULL if there is none.
 */
static char *
type_of_build(Oid view, Oid schema)
{
	Relation	rel = relation_open(view, AccessShareLock);
	char	   *result = NULL;

	for (int i = 0; i < RelationGetNumberOfAttributes(rel) && result == NULL; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel), i);

		if (namespace_of_type(column->atttypid) == schema)
			result = psprintf("column \"%s\" has type %s, which every build has its own of",
							  NameStr(column->attname), format_type_be_qualified(column->atttypid));
	}
	relation_close(rel, NoLock);
	return result;
}

static Oid
namespace_of_type(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Oid			result = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_type) GETSTRUCT(tuple))->typnamespace;
		ReleaseSysCache(tuple);
	}
	return result;
}

/*
 * An error with a line for each object that the statement finds.
 */
static void
complain(CqrsPlanId plan, Datum *values, const char *what, const char *reason, const char *hint)
{
	StringInfoData detail;
	MemoryContext caller = CurrentMemoryContext;

	initStringInfo(&detail);
	SPI_connect();
	cqrs_plan_execute(plan, values, NULL);
	MemoryContextSwitchTo(caller);
	for (uint64 row = 0; row < SPI_processed; row++)
		appendStringInfo(&detail, "%s%s depends on %s", row == 0 ? "" : "\n",
						 SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1),
						 SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 2));
	SPI_finish();
	if (detail.len > 0 && reason)
		appendStringInfo(&detail, "\n%s", reason);
	if (detail.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("%s", what),
				 errdetail("%s", detail.data),
				 errhint("%s", hint)));
}
