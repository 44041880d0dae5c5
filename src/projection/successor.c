/*-------------------------------------------------------------------------
 *
 * successor.c
 *		What a build takes over from the one that it replaces: privileges, and
 *		row-level security that it must not lack.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/successor.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/plans.h"
#include "projection/carry.h"
#include "projection/successor.h"
#include "projection/tables.h"

/*
 * Relations of the same name in both builds.
 */
typedef struct Pair
{
	char	   *name;
	Oid			old;
	Oid			new;
} Pair;

static bool find_schemas(const CqrsProjection *projection, int32 from, int32 to,
						 Oid *old, Oid *new);
static List *lock_pairs(Oid old, Oid new);
static Oid	lock_relation(const char *name, Oid schema);
static void get_row_security(Oid relation, bool *enabled, bool *forced);

/*
 * Row-level security that somebody has put on a table since is not carried over,
 * as its policies may mean anything.  Nor is it silently lost: readers of views
 * with "security_invoker" would see more than they should.
 */
void
cqrs_successor_check_row_security(const CqrsProjection *projection, int32 from, int32 to)
{
	Oid			old;
	Oid			new;
	ListCell   *lc;

	if (!find_schemas(projection, from, to, &old, &new))
		return;
	foreach(lc, lock_pairs(old, new))
	{
		Pair	   *pair = lfirst(lc);
		bool		enabled[2];
		bool		forced[2];

		get_row_security(pair->old, &enabled[0], &forced[0]);
		get_row_security(pair->new, &enabled[1], &forced[1]);
		if (enabled[0] && (!enabled[1] || (forced[0] && !forced[1])))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("table \"%s\" of build %d of projection \"%s\" has row-level security that its successor would not have",
							pair->name, from, projection->name),
					 errhint("Put it, with its policies, into the tables of the projection, or disable it first.")));
	}
}

/*
 * Privileges on the tables and the schema of a build, for readers of views with
 * "security_invoker", go over to another build; and those on what no view shows,
 * as functions may use it.
 */
void
cqrs_successor_carry_acls(const CqrsProjection *projection, int32 from, int32 to)
{
	Oid			old;
	Oid			new;
	ListCell   *lc;

	if (!find_schemas(projection, from, to, &old, &new))
		return;
	cqrs_carry_schema_acl(old, new);
	foreach(lc, lock_pairs(old, new))
		cqrs_carry_table_acl(((Pair *) lfirst(lc))->old, ((Pair *) lfirst(lc))->new);
}

/*
 * False when nothing is left of the old build.
 */
static bool
find_schemas(const CqrsProjection *projection, int32 from, int32 to, Oid *old, Oid *new)
{
	*old = get_namespace_oid(cqrs_build_name(projection->name, from), true);
	*new = get_namespace_oid(cqrs_build_name(projection->name, to), false);
	return OidIsValid(*old);
}

/*
 * Partitions, too: each has privileges and policies of its own.
 */
static List *
lock_pairs(Oid old, Oid new)
{
	Datum		value = ObjectIdGetDatum(new);
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, cqrs_plan_strings(CQRS_PLAN_BUILD_GRANTABLE, &value))
	{
		Pair	   *pair = palloc(sizeof(Pair));

		pair->name = lfirst(lc);
		pair->old = lock_relation(pair->name, old);
		pair->new = lock_relation(pair->name, new);
		if (OidIsValid(pair->old) && OidIsValid(pair->new))
			result = lappend(result, pair);
	}
	return result;
}

/*
 * Until the end of the transaction nobody drops it.  InvalidOid if it is not there,
 * or not any more.
 */
static Oid
lock_relation(const char *name, Oid schema)
{
	Oid			relation = get_relname_relid(name, schema);

	if (!OidIsValid(relation))
		return InvalidOid;
	LockRelationOid(relation, AccessShareLock);
	return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation)) ? relation : InvalidOid;
}

static void
get_row_security(Oid relation, bool *enabled, bool *forced)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relation);
	*enabled = ((Form_pg_class) GETSTRUCT(tuple))->relrowsecurity;
	*forced = ((Form_pg_class) GETSTRUCT(tuple))->relforcerowsecurity;
	ReleaseSysCache(tuple);
}
