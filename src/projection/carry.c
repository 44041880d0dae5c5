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
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "projection/carry.h"

typedef struct ColumnBaggage
{
	char	   *name;
	Acl		   *acl;
	char	   *comment;
} ColumnBaggage;

static List *columns_of(Oid relation);
static Acl *acl_of(int cache, HeapTuple tuple, int attribute);
static ColumnBaggage *find_column(List *columns, const char *name);
static Acl *carried_acl(Acl *old, Acl *new, const Acl *defaults, Oid owner, bool replace);
static Acl *without_defaults(Acl *acl, const Acl *defaults, Oid owner);
static bool same_acl(const Acl *a, const Acl *b);
static void carry_comment(char *old, char *new, Oid view, AttrNumber column);
static bool same_comment(const char *a, const char *b);
static char *column_comment(Oid relation, const char *name);
static void set_relation_acl(Oid relation, Oid owner, Acl *acl);
static HeapTuple lock_class_tuple(Relation rel, Oid relation);
static void set_column_acl(Oid relation, AttrNumber column, Oid owner, Acl *acl);
static void note_members(Oid class, Oid object, int32 subobject, Oid owner, Acl *before, Acl *acl);
static HeapTuple class_tuple(Oid relation);

CqrsBaggage *
cqrs_baggage_of(Oid relation)
{
	CqrsBaggage *result = palloc0(sizeof(CqrsBaggage));
	HeapTuple	tuple = class_tuple(relation);

	result->owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	result->acl = acl_of(RELOID, tuple, Anum_pg_class_relacl);
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

	set_relation_acl(relation, baggage->owner, baggage->acl);
	if (baggage->comment)
		CreateComments(relation, RelationRelationId, 0, baggage->comment);
	foreach(lc, baggage->columns)
	{
		ColumnBaggage *column = lfirst(lc);
		AttrNumber	number = get_attnum(relation, column->name);

		if (number == InvalidAttrNumber)
			continue;
		if (column->acl)
			set_column_acl(relation, number, baggage->owner, column->acl);
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
 * A view shows the comments of the relation behind it, and of its columns, unless
 * somebody has given it others than the one behind it before has, which may be
 * InvalidOid.
 */
void
cqrs_carry_comments(Oid old, Oid new, Oid view)
{
	Relation	rel = relation_open(view, AccessShareLock);
	int			count = RelationGetNumberOfAttributes(rel);

	relation_close(rel, NoLock);
	carry_comment(OidIsValid(old) ? GetComment(old, RelationRelationId, 0) : NULL,
				  GetComment(new, RelationRelationId, 0), view, 0);
	for (AttrNumber number = 1; number <= count; number++)
	{
		char	   *name = get_attname(view, number, false);

		carry_comment(OidIsValid(old) ? column_comment(old, name) : NULL,
					  column_comment(new, name), view, number);
	}
	CommandCounterIncrement();
}

/*
 * To a relation of the same owner.  What that has been granted is replaced, or stays
 * beside what comes; what the owner's relations have by default is replaced.  Sequences
 * have other privileges than tables.
 */
void
cqrs_carry_relation_acl(Oid from, Oid to, bool replace)
{
	CqrsBaggage *old = cqrs_baggage_of(from);
	CqrsBaggage *new = cqrs_baggage_of(to);
	bool		is_sequence = (get_rel_relkind(to) == RELKIND_SEQUENCE);
	Acl		   *defaults = get_user_default_acl(is_sequence ? OBJECT_SEQUENCE : OBJECT_TABLE,
												new->owner, get_rel_namespace(to));
	Acl		   *acl = carried_acl(old->acl, new->acl, defaults, new->owner, replace);
	ListCell   *lc;

	if (old->owner != new->owner || is_sequence != (get_rel_relkind(from) == RELKIND_SEQUENCE))
		return;
	if (!same_acl(acl, new->acl))
		set_relation_acl(to, new->owner, acl);
	foreach(lc, list_concat_copy(old->columns, new->columns))
	{
		char	   *name = ((ColumnBaggage *) lfirst(lc))->name;
		ColumnBaggage *a = find_column(old->columns, name);
		ColumnBaggage *b = find_column(new->columns, name);
		AttrNumber	number = get_attnum(to, name);

		acl = carried_acl(a ? a->acl : NULL, b ? b->acl : NULL, NULL, new->owner, replace);
		if (number != InvalidAttrNumber && !same_acl(acl, b ? b->acl : NULL))
			set_column_acl(to, number, new->owner, acl);
	}
	CommandCounterIncrement();
}

/*
 * The same for schemas.
 */
void
cqrs_carry_schema_acl(Oid from, Oid to, bool replace)
{
	HeapTuple	old = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(from));
	HeapTuple	new = SearchSysCacheCopy1(NAMESPACEOID, ObjectIdGetDatum(to));
	Datum		values[Natts_pg_namespace] = {0};
	bool		nulls[Natts_pg_namespace] = {false};
	bool		replaces[Natts_pg_namespace] = {false};
	Acl		   *new_acl;
	Acl		   *acl;
	Oid			owner;

	if (!HeapTupleIsValid(old) || !HeapTupleIsValid(new))
		elog(ERROR, "cache lookup failed for schema %u or %u", from, to);
	new_acl = acl_of(NAMESPACEOID, new, Anum_pg_namespace_nspacl);
	owner = ((Form_pg_namespace) GETSTRUCT(new))->nspowner;
	acl = carried_acl(acl_of(NAMESPACEOID, old, Anum_pg_namespace_nspacl), new_acl,
					  get_user_default_acl(OBJECT_SCHEMA, owner, InvalidOid), owner, replace);
	if (owner == ((Form_pg_namespace) GETSTRUCT(old))->nspowner && !same_acl(acl, new_acl))
	{
		Relation	rel = table_open(NamespaceRelationId, RowExclusiveLock);

		values[Anum_pg_namespace_nspacl - 1] = PointerGetDatum(acl);
		nulls[Anum_pg_namespace_nspacl - 1] = (acl == NULL);
		replaces[Anum_pg_namespace_nspacl - 1] = true;
		new = heap_modify_tuple(new, RelationGetDescr(rel), values, nulls, replaces);
		CatalogTupleUpdate(rel, &new->t_self, new);
		note_members(NamespaceRelationId, to, 0, owner, new_acl, acl);
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
		column->acl = acl_of(ATTNUM, tuple, Anum_pg_attribute_attacl);
		column->comment = GetComment(relation, RelationRelationId, number);
		if ((column->acl || column->comment) &&
			!((Form_pg_attribute) GETSTRUCT(tuple))->attisdropped)
			result = lappend(result, column);
		ReleaseSysCache(tuple);
	}
	return result;
}

/*
 * A copy.
 */
static Acl *
acl_of(int cache, HeapTuple tuple, int attribute)
{
	bool		isnull;
	Datum		value = SysCacheGetAttr(cache, tuple, attribute, &isnull);

	return isnull ? NULL : DatumGetAclPCopy(value);
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
 * What the old one grants, and, unless that replaces it, what the new one does beyond
 * the defaults.
 */
static Acl *
carried_acl(Acl *old, Acl *new, const Acl *defaults, Oid owner, bool replace)
{
	if (replace || new == NULL || same_acl(new, defaults))
		return old;
	return old ? aclmerge(old, without_defaults(new, defaults, owner), owner) : new;
}

static Acl *
without_defaults(Acl *acl, const Acl *defaults, Oid owner)
{
	for (int i = 0; defaults && i < ACL_NUM(defaults); i++)
		if (ACL_DAT(defaults)[i].ai_grantee != owner)
			acl = aclupdate(acl, &ACL_DAT(defaults)[i], ACL_MODECHG_DEL, owner, DROP_CASCADE);
	return acl;
}

static bool
same_acl(const Acl *a, const Acl *b)
{
	return (a && b) ? aclequal(a, b) : a == b;
}

static void
carry_comment(char *old, char *new, Oid view, AttrNumber column)
{
	char	   *shown = GetComment(view, RelationRelationId, column);

	if (!same_comment(shown, new) && same_comment(shown, old))
		CreateComments(view, RelationRelationId, column, new);
}

static bool
same_comment(const char *a, const char *b)
{
	return (a && b) ? strcmp(a, b) == 0 : a == b;
}

static char *
column_comment(Oid relation, const char *name)
{
	AttrNumber	number = get_attnum(relation, name);

	return number > 0 ? GetComment(relation, RelationRelationId, number) : NULL;
}

/*
 * NULL: what is so by default.
 */
static void
set_relation_acl(Oid relation, Oid owner, Acl *acl)
{
	Relation	rel = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple	tuple = lock_class_tuple(rel, relation);
	ItemPointerData locked = tuple->t_self;
	Datum		values[Natts_pg_class] = {0};
	bool		nulls[Natts_pg_class] = {false};
	bool		replaces[Natts_pg_class] = {false};
	Acl		   *old;

	old = acl_of(RELOID, tuple, Anum_pg_class_relacl);
	values[Anum_pg_class_relacl - 1] = PointerGetDatum(acl);
	nulls[Anum_pg_class_relacl - 1] = (acl == NULL);
	replaces[Anum_pg_class_relacl - 1] = true;
	tuple = heap_modify_tuple(tuple, RelationGetDescr(rel), values, nulls, replaces);
	CatalogTupleUpdate(rel, &locked, tuple);
	UnlockTuple(rel, &locked, ExclusiveLock);
	note_members(RelationRelationId, relation, 0, owner, old, acl);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/*
 * A copy of a row of pg_class that is about to be updated.  VACUUM overwrites such
 * rows in place, which an update of an older copy would undo: with the lock on the
 * tuple, nobody does that meanwhile.  Not all minor versions have
 * SearchSysCacheLocked1().
 */
static HeapTuple
lock_class_tuple(Relation rel, Oid relation)
{
	ItemPointerData locked;

	ItemPointerSetInvalid(&locked);
	for (;;)
	{
		HeapTuple	tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(relation));

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for relation %u", relation);
		if (ItemPointerIsValid(&locked))
		{
			if (ItemPointerEquals(&locked, &tuple->t_self))
				return tuple;
			UnlockTuple(rel, &locked, ExclusiveLock);
		}
		locked = tuple->t_self;
		heap_freetuple(tuple);
		LockTuple(rel, &locked, ExclusiveLock);
		AcceptInvalidationMessages();
	}
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
	Acl		   *old;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for column %d of relation %u", column, relation);
	old = acl_of(ATTNUM, tuple, Anum_pg_attribute_attacl);
	values[Anum_pg_attribute_attacl - 1] = PointerGetDatum(acl);
	nulls[Anum_pg_attribute_attacl - 1] = (acl == NULL);
	replaces[Anum_pg_attribute_attacl - 1] = true;
	tuple = heap_modify_tuple(tuple, RelationGetDescr(rel), values, nulls, replaces);
	CatalogTupleUpdate(rel, &tuple->t_self, tuple);
	note_members(RelationRelationId, relation, column, owner, old, acl);
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
