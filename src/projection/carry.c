/*-------------------------------------------------------------------------
 *
 * carry.c
 *		Privileges, comments and options, carried from one relation to another.
 *
 * NOTES
 *		Lists of privileges are copied as they are, with their grantors, which
 *		no sequence of GRANTs by the owner could do.  Both objects have the
 *		same owner.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/carry.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/reloptions.h"
#include "access/table.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "commands/comment.h"
#include "commands/defrem.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "projection/carry.h"

typedef struct ColumnBaggage
{
	char	   *name;
	bool		has_acl;
	Datum		acl;
	char	   *comment;
} ColumnBaggage;

static List *columns_of(Oid relation);
static Datum acl_of(int cache, HeapTuple tuple, int attribute, bool *has_acl);
static ColumnBaggage *find_column(List *columns, const char *name);
static Acl *add_acls(Datum a, bool has_b, Datum b, Oid owner);
static void set_relation_acl(Oid relation, Oid owner, Acl *acl);
static void set_column_acl(Oid relation, AttrNumber column, Oid owner, Acl *acl);
static void note_members(Oid class, Oid object, int32 subobject, Oid owner, Acl *before, Acl *acl);
static HeapTuple class_tuple(Oid relation);

CqrsBaggage *
cqrs_baggage_of(Oid relation)
{
	CqrsBaggage *result = palloc0(sizeof(CqrsBaggage));
	HeapTuple	tuple = class_tuple(relation);

	result->owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	result->acl = acl_of(RELOID, tuple, Anum_pg_class_relacl, &result->has_acl);
	ReleaseSysCache(tuple);
	result->comment = GetComment(relation, RelationRelationId, 0);
	result->columns = columns_of(relation);
	return result;
}

/*
 * To a relation that has the same owner, and nothing of it yet.  What was there
 * for columns that do not exist any more, goes.
 */
void
cqrs_baggage_give(Oid relation, const CqrsBaggage *baggage)
{
	ListCell   *lc;

	set_relation_acl(relation, baggage->owner, baggage->has_acl ? DatumGetAclP(baggage->acl) : NULL);
	if (baggage->comment)
		CreateComments(relation, RelationRelationId, 0, baggage->comment);
	foreach(lc, baggage->columns)
	{
		ColumnBaggage *column = lfirst(lc);
		AttrNumber	number = get_attnum(relation, column->name);

		if (number == InvalidAttrNumber)
			continue;
		if (column->has_acl)
			set_column_acl(relation, number, baggage->owner, DatumGetAclP(column->acl));
		if (column->comment)
			CreateComments(relation, RelationRelationId, number, column->comment);
	}
	CommandCounterIncrement();
}

/*
 * The WITH clause that gives another view the options of this one; "" for none.
 */
char *
cqrs_view_options(Oid view)
{
	HeapTuple	tuple = class_tuple(view);
	StringInfoData result;
	bool		isnull;
	Datum		options = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_reloptions, &isnull);
	ListCell   *lc;

	initStringInfo(&result);
	if (!isnull)
	{
		foreach(lc, untransformRelOptions(options))
		{
			DefElem    *option = lfirst(lc);

			appendStringInfo(&result, "%s%s = %s", result.len == 0 ? " WITH (" : ", ",
							 quote_identifier(option->defname),
							 quote_literal_cstr(option->arg ? defGetString(option) : "true"));
		}
		if (result.len > 0)
			appendStringInfoChar(&result, ')');
	}
	ReleaseSysCache(tuple);
	return result.data;
}

/*
 * To a table of the same owner, which keeps what it has.
 */
void
cqrs_carry_table_acl(Oid from, Oid to)
{
	CqrsBaggage *old = cqrs_baggage_of(from);
	CqrsBaggage *new = cqrs_baggage_of(to);
	ListCell   *lc;

	if (old->owner != new->owner)
		return;
	if (old->has_acl)
		set_relation_acl(to, new->owner, add_acls(old->acl, new->has_acl, new->acl, new->owner));
	foreach(lc, old->columns)
	{
		ColumnBaggage *column = lfirst(lc);
		ColumnBaggage *same = find_column(new->columns, column->name);
		AttrNumber	number = get_attnum(to, column->name);

		if (column->has_acl && number != InvalidAttrNumber)
			set_column_acl(to, number, new->owner,
						   add_acls(column->acl, same && same->has_acl,
									same ? same->acl : (Datum) 0, new->owner));
	}
	CommandCounterIncrement();
}

/*
 * The same for schemas.
 */
void
cqrs_carry_schema_acl(Oid from, Oid to)
{
	HeapTuple	old = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(from));
	HeapTuple	new = SearchSysCacheCopy1(NAMESPACEOID, ObjectIdGetDatum(to));
	Datum		values[Natts_pg_namespace] = {0};
	bool		nulls[Natts_pg_namespace] = {false};
	bool		replaces[Natts_pg_namespace] = {false};
	bool		old_has_acl;
	bool		new_has_acl;
	Datum		old_acl;
	Datum		new_acl;
	Oid			owner;

	if (!HeapTupleIsValid(old) || !HeapTupleIsValid(new))
		elog(ERROR, "cache lookup failed for schema %u or %u", from, to);
	old_acl = acl_of(NAMESPACEOID, old, Anum_pg_namespace_nspacl, &old_has_acl);
	new_acl = acl_of(NAMESPACEOID, new, Anum_pg_namespace_nspacl, &new_has_acl);
	owner = ((Form_pg_namespace) GETSTRUCT(new))->nspowner;
	if (old_has_acl && owner == ((Form_pg_namespace) GETSTRUCT(old))->nspowner)
	{
		Relation	rel = table_open(NamespaceRelationId, RowExclusiveLock);
		Acl		   *acl = add_acls(old_acl, new_has_acl, new_acl, owner);

		values[Anum_pg_namespace_nspacl - 1] = PointerGetDatum(acl);
		replaces[Anum_pg_namespace_nspacl - 1] = true;
		new = heap_modify_tuple(new, RelationGetDescr(rel), values, nulls, replaces);
		CatalogTupleUpdate(rel, &new->t_self, new);
		note_members(NamespaceRelationId, to, 0, owner,
					 new_has_acl ? DatumGetAclP(new_acl) : NULL, acl);
		table_close(rel, RowExclusiveLock);
		CommandCounterIncrement();
	}
	ReleaseSysCache(old);
}

/*
 * Columns for which there is something.
 */
static List *
columns_of(Oid relation)
{
	List	   *result = NIL;
	Relation	rel = relation_open(relation, AccessShareLock);
	int			count = RelationGetNumberOfAttributes(rel);

	relation_close(rel, NoLock);
	for (AttrNumber number = 1; number <= count; number++)
	{
		HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relation),
											Int16GetDatum(number));
		ColumnBaggage *column;

		if (!HeapTupleIsValid(tuple))
			continue;
		column = palloc0(sizeof(ColumnBaggage));
		column->name = pstrdup(NameStr(((Form_pg_attribute) GETSTRUCT(tuple))->attname));
		column->acl = acl_of(ATTNUM, tuple, Anum_pg_attribute_attacl, &column->has_acl);
		column->comment = GetComment(relation, RelationRelationId, number);
		if ((column->has_acl || column->comment) &&
			!((Form_pg_attribute) GETSTRUCT(tuple))->attisdropped)
			result = lappend(result, column);
		ReleaseSysCache(tuple);
	}
	return result;
}

/*
 * A copy.
 */
static Datum
acl_of(int cache, HeapTuple tuple, int attribute, bool *has_acl)
{
	bool		isnull;
	Datum		value = SysCacheGetAttr(cache, tuple, attribute, &isnull);

	*has_acl = !isnull;
	return isnull ? (Datum) 0 : PointerGetDatum(DatumGetAclPCopy(value));
}

static ColumnBaggage *
find_column(List *columns, const char *name)
{
	ListCell   *lc;

	foreach(lc, columns)
		if (strcmp(((ColumnBaggage *) lfirst(lc))->name, name) == 0)
			return lfirst(lc);
	return NULL;
}

/*
 * What either of them grants.
 */
static Acl *
add_acls(Datum a, bool has_b, Datum b, Oid owner)
{
	return has_b ? aclmerge(DatumGetAclP(a), DatumGetAclP(b), owner) : DatumGetAclP(a);
}

/*
 * NULL: what is so by default.
 */
static void
set_relation_acl(Oid relation, Oid owner, Acl *acl)
{
	Relation	rel = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple	tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(relation));
	Datum		values[Natts_pg_class] = {0};
	bool		nulls[Natts_pg_class] = {false};
	bool		replaces[Natts_pg_class] = {false};
	bool		has_old;
	Datum		old;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relation);
	old = acl_of(RELOID, tuple, Anum_pg_class_relacl, &has_old);
	values[Anum_pg_class_relacl - 1] = PointerGetDatum(acl);
	nulls[Anum_pg_class_relacl - 1] = (acl == NULL);
	replaces[Anum_pg_class_relacl - 1] = true;
	tuple = heap_modify_tuple(tuple, RelationGetDescr(rel), values, nulls, replaces);
	CatalogTupleUpdate(rel, &tuple->t_self, tuple);
	note_members(RelationRelationId, relation, 0, owner, has_old ? DatumGetAclP(old) : NULL, acl);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

static void
set_column_acl(Oid relation, AttrNumber column, Oid owner, Acl *acl)
{
	Relation	rel = table_open(AttributeRelationId, RowExclusiveLock);
	HeapTuple	tuple = SearchSysCacheCopy2(ATTNUM, ObjectIdGetDatum(relation),
											Int16GetDatum(column));
	Datum		values[Natts_pg_attribute] = {0};
	bool		nulls[Natts_pg_attribute] = {false};
	bool		replaces[Natts_pg_attribute] = {false};
	bool		has_old;
	Datum		old;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for column %d of relation %u", column, relation);
	old = acl_of(ATTNUM, tuple, Anum_pg_attribute_attacl, &has_old);
	values[Anum_pg_attribute_attacl - 1] = PointerGetDatum(acl);
	replaces[Anum_pg_attribute_attacl - 1] = true;
	tuple = heap_modify_tuple(tuple, RelationGetDescr(rel), values, nulls, replaces);
	CatalogTupleUpdate(rel, &tuple->t_self, tuple);
	note_members(RelationRelationId, relation, column, owner,
				 has_old ? DatumGetAclP(old) : NULL, acl);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/*
 * Roles that are mentioned there cannot be dropped.
 */
static void
note_members(Oid class, Oid object, int32 subobject, Oid owner, Acl *before, Acl *acl)
{
	Oid		   *old_members;
	Oid		   *members;
	int			n_old = aclmembers(before, &old_members);
	int			n = aclmembers(acl, &members);

	updateAclDependencies(class, object, subobject, owner, n_old, old_members, n, members);
}

static HeapTuple
class_tuple(Oid relation)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relation);
	return tuple;
}
