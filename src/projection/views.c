/*-------------------------------------------------------------------------
 *
 * views.c
 *		The views on a build in the read schema: created, replaced, dropped.
 *
 * NOTES
 *		A view is replaced at its place when its columns are the first ones of
 *		the new one, as CREATE OR REPLACE VIEW wants it.  Everything of it then
 *		stays.  Otherwise it is dropped and created, which nothing may stand
 *		in the way of; what a user has added to it is carried over.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/views.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/names.h"
#include "base/plans.h"
#include "projection/carry.h"
#include "projection/dependents.h"
#include "projection/tables.h"
#include "projection/views.h"

/*
 * From the views of one build to those of another.
 */
typedef struct Change
{
	const CqrsProjection *projection;
	Oid			role;
	char	   *old_schema;
	char	   *schema;			/* of the new build */
	List	   *old_views;		/* oids of those that there are */
	List	   *old_names;		/* of the same */
	List	   *names;			/* of the new ones */
} Change;

static void begin_change(Change *change, const CqrsProjection *projection,
						 int32 from, int32 to, Oid role, LOCKMODE lockmode);
static void replace_view(Change *change, const char *name);
static void create_anew(Change *change, const char *name, Oid old);
static void create_view(const CqrsProjection *projection, const char *schema,
						const char *name, const char *options, bool replace, Oid role);
static void show_comments(const CqrsProjection *projection, const char *old_schema,
						  const char *schema, const char *name);
static void drop_view(Oid view);
static Oid	find_old(Change *change, const char *name);
static bool fits(Oid old, Oid new);
static List *names_to_show(const char *schema);
static bool contains(List *names, const char *name);
static void require_own(const CqrsProjection *projection, Oid view, Oid role);
static void require_plain(const CqrsProjection *projection, Oid view);
static bool is_plain(Relation view);
static bool hides_columns(const RangeTblEntry *rte, const Bitmapset *shown);
static void require_free_name(const CqrsProjection *projection, const char *name);

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
	{
		create_view(projection, schema, lfirst(lc), "", false, role);
		show_comments(projection, NULL, schema, lfirst(lc));
	}
	return names;
}

/*
 * Could the views of one build be replaced by those of another, and the tables
 * of the first be dropped?  Errors tell what stands in the way.
 */
void
cqrs_views_check(const CqrsProjection *projection, int32 from, int32 to, Oid role)
{
	Change		change;
	ListCell   *lc;
	ListCell   *name;

	begin_change(&change, projection, from, to, role, AccessShareLock);
	forboth(lc, change.old_views, name, change.old_names)
	{
		Oid			view = lfirst_oid(lc);

		require_own(projection, view, role);
		require_plain(projection, view);
		if (!contains(change.names, lfirst(name)) ||
			!fits(view, get_relname_relid(lfirst(name), get_namespace_oid(change.schema, false))))
			cqrs_require_no_users_of_view(view, change.old_schema);
	}
	foreach(lc, change.names)
		if (!OidIsValid(find_old(&change, lfirst(lc))))
			require_free_name(projection, lfirst(lc));
	cqrs_require_no_users_of_build(projection, from, change.old_views);
}

/*
 * Gives the names of the new ones.
 */
List *
cqrs_views_replace(const CqrsProjection *projection, int32 from, int32 to, Oid role)
{
	Change		change;
	ListCell   *lc;
	ListCell   *name;

	begin_change(&change, projection, from, to, role, AccessExclusiveLock);
	foreach(lc, change.old_views)
	{
		require_own(projection, lfirst_oid(lc), role);
		require_plain(projection, lfirst_oid(lc));
	}
	forboth(lc, change.old_views, name, change.old_names)
		if (!contains(change.names, lfirst(name)))
		{
			cqrs_require_no_users_of_view(lfirst_oid(lc), change.old_schema);
			drop_view(lfirst_oid(lc));
		}
	foreach(lc, change.names)
		replace_view(&change, lfirst(lc));
	return change.names;
}

/*
 * The views on a build that there are: their oids, in the order of their names.
 */
List *
cqrs_views_of(const CqrsProjection *projection, int32 number)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			schema = get_namespace_oid(cqrs_build_name(projection->name, number), true);
	Datum		values[4] = {ObjectIdGetDatum(schema),
		ObjectIdGetDatum(get_namespace_oid(projection->read_schema, true)),
		CStringGetTextDatum(projection->name), Int32GetDatum(number)};
	List	   *result = NIL;

	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_BUILD_VIEWS, values, NULL);
	MemoryContextSwitchTo(caller);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;

		result = lappend_oid(result,
							 DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[row],
															SPI_tuptable->tupdesc, 1, &isnull)));
	}
	SPI_finish();
	return result;
}

/*
 * Locks the old views: what has happened to them before we had the locks counts,
 * and from then on they are there.
 */
static void
begin_change(Change *change, const CqrsProjection *projection, int32 from, int32 to, Oid role,
			 LOCKMODE lockmode)
{
	ListCell   *lc;

	foreach(lc, cqrs_views_of(projection, from))
		LockRelationOid(lfirst_oid(lc), lockmode);

	change->projection = projection;
	change->role = role;
	change->old_schema = cqrs_build_name(projection->name, from);
	change->schema = cqrs_build_name(projection->name, to);
	change->old_views = cqrs_views_of(projection, from);
	change->names = names_to_show(change->schema);
	change->old_names = NIL;
	foreach(lc, change->old_views)
		change->old_names = lappend(change->old_names, get_rel_name(lfirst_oid(lc)));
}

static void
replace_view(Change *change, const char *name)
{
	Oid			old = find_old(change, name);
	Oid			new = get_relname_relid(name, get_namespace_oid(change->schema, false));

	if (!OidIsValid(old))
		create_view(change->projection, change->schema, name, "", false, change->role);
	else if (fits(old, new))
		create_view(change->projection, change->schema, name, cqrs_view_options(old),
					true, change->role);
	else
		create_anew(change, name, old);
	show_comments(change->projection, change->old_schema, change->schema, name);
}

/*
 * Of the relation behind the view; "old_schema" is that of the build before, or NULL.
 */
static void
show_comments(const CqrsProjection *projection, const char *old_schema, const char *schema,
			  const char *name)
{
	Oid			old = old_schema ? get_namespace_oid(old_schema, true) : InvalidOid;

	cqrs_carry_comments(OidIsValid(old) ? get_relname_relid(name, old) : InvalidOid,
						get_relname_relid(name, get_namespace_oid(schema, false)),
						get_relname_relid(name, get_namespace_oid(projection->read_schema, false)));
}

static void
create_anew(Change *change, const char *name, Oid old)
{
	CqrsBaggage *baggage = cqrs_baggage_of(old);
	char	   *options = cqrs_view_options(old);
	Oid			new;

	cqrs_require_no_users_of_view(old, change->old_schema);
	drop_view(old);
	create_view(change->projection, change->schema, name, options, false, change->role);
	new = get_relname_relid(name, get_namespace_oid(change->projection->read_schema, false));
	if (baggage->owner != change->role)
		cqrs_run_as_owner(psprintf("ALTER VIEW %s OWNER TO %s",
								   quote_qualified_identifier(change->projection->read_schema, name),
								   quote_identifier(GetUserNameFromId(baggage->owner, false))),
						  change->role, NULL,
						  psprintf("view \"%s\" of projection \"%s\"", name,
								   change->projection->name));
	cqrs_baggage_give(new, baggage);
}

static void
create_view(const CqrsProjection *projection, const char *schema, const char *name,
			const char *options, bool replace, Oid role)
{
	char	   *view = quote_qualified_identifier(projection->read_schema, name);
	char	   *sql = psprintf("CREATE %sVIEW %s%s AS SELECT * FROM %s",
							   replace ? "OR REPLACE " : "", view, options,
							   quote_qualified_identifier(schema, name));

	cqrs_run_as_owner(sql, role, NULL,
					  psprintf("view %s of projection \"%s\"", view, projection->name));
}

static void
drop_view(Oid view)
{
	ObjectAddress address;

	ObjectAddressSet(address, RelationRelationId, view);
	performDeletion(&address, DROP_RESTRICT, 0);
	CommandCounterIncrement();
}

/*
 * The view of that name, if there is one.
 */
static Oid
find_old(Change *change, const char *name)
{
	ListCell   *view;
	ListCell   *view_name;

	forboth(view, change->old_views, view_name, change->old_names)
		if (strcmp(lfirst(view_name), name) == 0)
			return lfirst_oid(view);
	return InvalidOid;
}

/*
 * Can the view be replaced at its place by one on that relation?
 */
static bool
fits(Oid old, Oid new)
{
	Relation	old_rel = relation_open(old, AccessShareLock);
	Relation	new_rel = try_relation_open(new, AccessShareLock);
	int			matched = 0;

	if (new_rel == NULL)
	{
		relation_close(old_rel, NoLock);
		return false;
	}

	for (int i = 0; i < RelationGetNumberOfAttributes(new_rel) &&
		 matched < RelationGetNumberOfAttributes(old_rel); i++)
	{
		Form_pg_attribute n = TupleDescAttr(RelationGetDescr(new_rel), i);
		Form_pg_attribute o = TupleDescAttr(RelationGetDescr(old_rel), matched);

		if (n->attisdropped)
			continue;
		if (strcmp(NameStr(n->attname), NameStr(o->attname)) != 0 ||
			n->atttypid != o->atttypid || n->atttypmod != o->atttypmod ||
			n->attcollation != o->attcollation)
			break;
		matched++;
	}
	matched -= RelationGetNumberOfAttributes(old_rel);
	relation_close(new_rel, NoLock);
	relation_close(old_rel, NoLock);
	return matched == 0;
}

/*
 * Names of the relations of a build that are for readers.
 */
static List *
names_to_show(const char *schema)
{
	Datum		value = ObjectIdGetDatum(get_namespace_oid(schema, false));

	return cqrs_plan_strings(CQRS_PLAN_BUILD_RELATIONS, &value);
}

static bool
contains(List *names, const char *name)
{
	ListCell   *lc;

	foreach(lc, names)
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	return false;
}

/*
 * What the view may see is decided by its owner's rights.  So only the owner of
 * the projection decides what it looks at, if the view is his.
 */
static void
require_own(const CqrsProjection *projection, Oid view, Oid role)
{
	Oid			owner = cqrs_relation_owner(view);

	if (!has_privs_of_role(role, owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("view \"%s\" does not belong to \"%s\"", get_rel_name(view),
						projection->owner),
				 errdetail("Its owner is \"%s\", so projection \"%s\" cannot put another build behind it.",
						   GetUserNameFromId(owner, false), projection->name),
				 errhint("Use ALTER VIEW ... OWNER TO.")));
}

/*
 * What somebody has made of a view since, to hide rows or columns of it, would be
 * lost when another build is put behind it, and nobody would notice but who sees
 * more than he should.
 */
static void
require_plain(const CqrsProjection *projection, Oid view)
{
	Relation	rel = relation_open(view, AccessShareLock);
	bool		plain = is_plain(rel);

	relation_close(rel, NoLock);
	if (!plain)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("view \"%s\" was changed since projection \"%s\" created it",
						get_rel_name(view), projection->name),
				 errdetail("It shows something else than all columns and rows, and another build cannot be put behind it."),
				 errhint("Put what is special into a view of its own, or into one that belongs to the tables of the projection.")));
}

/*
 * SELECT * FROM one relation, without anything else?
 */
static bool
is_plain(Relation view)
{
	Query	   *query = get_view_query(view);
	RangeTblEntry *rte;
	Bitmapset  *columns = NULL;
	ListCell   *lc;

	if (query->commandType != CMD_SELECT || query->hasAggs || query->hasWindowFuncs ||
		query->hasTargetSRFs || query->hasSubLinks || query->cteList || query->groupClause ||
		query->groupingSets || query->havingQual || query->distinctClause || query->sortClause ||
		query->limitOffset || query->limitCount || query->setOperations || query->rowMarks ||
		query->jointree->quals || list_length(query->jointree->fromlist) != 1 ||
		!IsA(linitial(query->jointree->fromlist), RangeTblRef))
		return false;
	rte = rt_fetch(linitial_node(RangeTblRef, query->jointree->fromlist)->rtindex, query->rtable);
	if (rte->rtekind != RTE_RELATION || rte->tablesample)
		return false;

	foreach(lc, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);
		Var		   *var = (Var *) entry->expr;

		if (entry->resjunk || !IsA(var, Var) || var->varlevelsup != 0 || var->varattno <= 0)
			return false;
		columns = bms_add_member(columns, var->varattno);
	}
	return !hides_columns(rte, columns);
}

/*
 * Are there columns that the view could have shown when it was created, as they
 * have a name in it, and does not?
 */
static bool
hides_columns(const RangeTblEntry *rte, const Bitmapset *shown)
{
	Relation	rel = relation_open(rte->relid, AccessShareLock);
	int			known = Min(list_length(rte->eref->colnames), RelationGetNumberOfAttributes(rel));
	bool		result = false;

	for (int i = 0; i < known; i++)
		if (!TupleDescAttr(RelationGetDescr(rel), i)->attisdropped &&
			!bms_is_member(i + 1, shown))
			result = true;
	relation_close(rel, NoLock);
	return result;
}

static void
require_free_name(const CqrsProjection *projection, const char *name)
{
	if (OidIsValid(get_relname_relid(name, get_namespace_oid(projection->read_schema, false))))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists in schema \"%s\"", name,
						projection->read_schema),
				 errdetail("Projection \"%s\" needs the name for a view.", projection->name)));
}
