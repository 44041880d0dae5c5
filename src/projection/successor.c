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
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/plans.h"
#include "projection/build_row.h"
#include "projection/carry.h"
#include "projection/run_as.h"
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

/*
 * A policy of row-level security.
 */
typedef struct Policy
{
	char	   *description;	/* two that are alike have the same */
	char	   *name;
	char	   *table;
	bool		counts;			/* has the table row-level security enabled? */
} Policy;

static void check_policies(const CqrsProjection *projection, int32 from, int32 to);
static void refuse_policy(const CqrsProjection *projection, int32 from, const Policy *policy,
						  const char *change);
static List *policies_of(const CqrsProjection *projection, int32 number);
static bool is_there(const Policy *policy, List *policies);
static bool is_noted(const Policy *policy, List *descriptions);
static bool find_schemas(const CqrsProjection *projection, int32 from, int32 to,
						 Oid *old, Oid *new);
static List *lock_pairs(Oid old, Oid new);
static Oid	lock_relation(const char *name, Oid schema);
static void get_row_security(Oid relation, bool *enabled, bool *forced);

/*
 * Remembers the policies that a build was created with.
 */
void
cqrs_successor_note_policies(const CqrsProjection *projection, int32 number)
{
	List	   *descriptions = NIL;
	ListCell   *lc;

	foreach(lc, policies_of(projection, number))
		descriptions = lappend(descriptions, ((Policy *) lfirst(lc))->description);
	if (descriptions)
		cqrs_build_row_set_policies(projection->name, number, descriptions);
}

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
	check_policies(projection, from, to);
}

/*
 * Privileges on the tables and the schema of a build, for readers of views with
 * "security_invoker", go over to another build; and those on what no view shows,
 * as functions may use it.  A revised definition may grant more; otherwise the
 * other build has what this one has, or a REVOKE would not last.
 */
void
cqrs_successor_carry_acls(const CqrsProjection *projection, int32 from, int32 to)
{
	CqrsBuildRow *row = cqrs_build_row(projection->name, to);
	bool		replace = row->state == CQRS_BUILD_PREVIOUS ||
		strcmp(row->tables, cqrs_build_row(projection->name, from)->tables) == 0;
	Oid			old;
	Oid			new;
	ListCell   *lc;

	if (!find_schemas(projection, from, to, &old, &new))
		return;
	cqrs_carry_schema_acl(old, new, replace);
	foreach(lc, lock_pairs(old, new))
		cqrs_carry_relation_acl(((Pair *) lfirst(lc))->old, ((Pair *) lfirst(lc))->new, replace);
}

/*
 * What was changed by hand has to be so in the successor, too.  What was not is
 * for the definition to say.
 */
static void
check_policies(const CqrsProjection *projection, int32 from, int32 to)
{
	List	   *noted = cqrs_build_row(projection->name, from)->policies;
	List	   *old = policies_of(projection, from);
	List	   *new = policies_of(projection, to);
	Oid			schema = get_namespace_oid(cqrs_build_name(projection->name, to), false);
	ListCell   *lc;

	foreach(lc, old)
	{
		Policy	   *policy = lfirst(lc);

		if (policy->counts && !is_noted(policy, noted) && !is_there(policy, new) &&
			OidIsValid(get_relname_relid(policy->table, schema)))
			refuse_policy(projection, from, policy, "created or altered");
	}
	foreach(lc, new)
	{
		Policy	   *policy = lfirst(lc);

		if (is_noted(policy, noted) && !is_there(policy, old))
			refuse_policy(projection, from, policy, "dropped or altered");
	}
}

static void
refuse_policy(const CqrsProjection *projection, int32 from, const Policy *policy,
			  const char *change)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("policies of table \"%s\" of build %d of projection \"%s\" were changed, and its successor would have others",
					policy->table, from, projection->name),
			 errdetail("Policy \"%s\" was %s since the build was created.", policy->name, change),
			 errhint("Put the same change into the tables of the projection, or undo it first.")));
}

/*
 * Their expressions are written down as seen from inside the build, so that
 * those of another one are comparable.
 */
static List *
policies_of(const CqrsProjection *projection, int32 number)
{
	char	   *schema = cqrs_build_name(projection->name, number);
	Datum		value = ObjectIdGetDatum(get_namespace_oid(schema, false));
	MemoryContext caller = CurrentMemoryContext;
	List	   *result = NIL;
	CqrsRunAs	before;

	cqrs_run_as_begin(cqrs_projection_role(projection), schema, &before);
	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_BUILD_POLICIES, &value, NULL);
	MemoryContextSwitchTo(caller);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[row];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		Policy	   *policy = palloc(sizeof(Policy));
		bool		isnull;

		policy->description = SPI_getvalue(tuple, desc, 1);
		policy->name = SPI_getvalue(tuple, desc, 2);
		policy->table = SPI_getvalue(tuple, desc, 3);
		policy->counts = DatumGetBool(SPI_getbinval(tuple, desc, 4, &isnull));
		result = lappend(result, policy);
	}
	SPI_finish();
	cqrs_run_as_end(&before);
	return result;
}

static bool
is_there(const Policy *policy, List *policies)
{
	ListCell   *lc;

	foreach(lc, policies)
		if (strcmp(((Policy *) lfirst(lc))->description, policy->description) == 0)
			return true;
	return false;
}

static bool
is_noted(const Policy *policy, List *descriptions)
{
	ListCell   *lc;

	foreach(lc, descriptions)
		if (strcmp(lfirst(lc), policy->description) == 0)
			return true;
	return false;
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
