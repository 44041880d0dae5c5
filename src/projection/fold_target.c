/*-------------------------------------------------------------------------
 *
 * fold_target.c
 *		Which tables can be folded into, and what a fold has to know of one.
 *
 * NOTES
 *		A fold writes a row once per batch.  That may not make a difference
 *		that anybody could notice, so nothing may hang on single writes but
 *		what the fold does itself for each event: defaults, generated columns,
 *		NOT NULL, CHECK, the primary key.  Nor may a constraint look at tables,
 *		as it would miss what has been deferred.  Tables with anything else take
 *		the statement plan.
 *
 *		An index can refuse a value that is too long.  In one-by-one execution
 *		that would hit the event at which the value is too long, even if a
 *		later one shortened it again; so rows with long values in indexed
 *		columns are written at once (see "watched").  While an index is left out
 *		that is not noticed: then it has to be created first (see "left_out").
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/fold_target.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "access/sysattr.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "parser/parser.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#include "base/compat.h"
#include "projection/fold_table.h"
#include "projection/table_readers.h"

/* the part of a page that a row of fixed-length columns may take */
#define MAX_FIXED_WIDTH		6000

static const char *unfit_table(CqrsEngine *engine, Relation rel);
static const char *unfit_columns(TupleDesc desc);
static const char *unfit_index(Relation index, bool is_primary, Bitmapset **watched,
							   TupleDesc desc);
static const char *look_at_indexes(Relation rel, Bitmapset **watched);
static void watch_for(CqrsFoldTable *table, IndexStmt *index);
static const char *init_keys(CqrsFoldTable *table, Relation index);
static const char *init_key(CqrsFoldTable *table, CqrsFoldKey *key, Relation index, int i);

/*
 * What folds into this table share; NULL and a reason when it cannot have any.
 * The current memory context is the engine's.
 */
CqrsFoldTable *
cqrs_fold_table_get(CqrsEngine *engine, Relation rel, const char **reason)
{
	CqrsFoldTable *table;
	Bitmapset  *watched = NULL;
	TupleConstr *constr;
	Relation	index;
	ListCell   *lc;

	foreach(lc, engine->tables)
		if (((CqrsFoldTable *) lfirst(lc))->relid == RelationGetRelid(rel))
			return lfirst(lc);

	if ((*reason = unfit_table(engine, rel)) != NULL ||
		(*reason = look_at_indexes(rel, &watched)) != NULL)
		return NULL;

	table = palloc0(sizeof(CqrsFoldTable));
	table->engine = engine;
	table->relid = RelationGetRelid(rel);
	table->index = cqrs_primary_key(rel);
	table->name = pstrdup(RelationGetRelationName(rel));
	table->desc = CreateTupleDescCopyConstr(RelationGetDescr(rel));
	table->watched = watched;

	index = index_open(table->index, AccessShareLock);
	*reason = init_keys(table, index);
	index_close(index, NoLock);
	if (*reason)
		return NULL;

	constr = table->desc->constr;
	table->generated = constr && constr->has_generated_stored;
	table->checks = constr && constr->num_check > 0;
	for (int i = 0; i < table->desc->natts; i++)
		if (TupleDescAttr(table->desc, i)->attnotnull &&
			!bms_is_member(i + 1, table->key_columns))
			table->checks = true;

	cqrs_fold_rows_begin(table);
	engine->tables = lappend(engine->tables, table);
	engine->relations = list_append_unique_oid(engine->relations, table->relid);
	return table;
}

/*
 * Some of these indexes are to be created on the table.
 */
void
cqrs_fold_table_leave_out(CqrsFoldTable *table, List *statements)
{
	ListCell   *lc;

	table->left_out = NULL;
	foreach(lc, statements)
	{
		RawStmt    *raw = linitial_node(RawStmt, raw_parser(lfirst(lc), RAW_PARSE_DEFAULT));
		IndexStmt  *index = castNode(IndexStmt, raw->stmt);

		if (strcmp(index->relation->relname, table->name) == 0)
			watch_for(table, index);
	}
}

/*
 * Is the table still what it was when it was compiled for?
 */
bool
cqrs_fold_table_unchanged(CqrsFoldTable *table, Relation rel)
{
	Bitmapset  *watched = NULL;

	return unfit_table(table->engine, rel) == NULL &&
		look_at_indexes(rel, &watched) == NULL &&
		bms_equal(watched, table->watched) &&
		cqrs_primary_key(rel) == table->index &&
		equalTupleDescs(RelationGetDescr(rel), table->desc);
}

static const char *
unfit_table(CqrsEngine *engine, Relation rel)
{
	Form_pg_class class = rel->rd_rel;

	if (class->relkind != RELKIND_RELATION)
		return "It does not write a plain table.";
	if (class->relnamespace != get_namespace_oid(engine->schema, true))
		return "It writes a table outside of the projection.";
	if (class->relhassubclass || class->relispartition ||
		has_superclass(RelationGetRelid(rel)))
		return "Its table takes part in inheritance or partitioning.";
	if (rel->rd_rules != NULL)
		return "Its table has rewrite rules.";
	if (rel->trigdesc != NULL)
		return "Its table has triggers or foreign keys.";
	if (class->relrowsecurity)
		return "Its table has row-level security.";
	if (!OidIsValid(cqrs_primary_key(rel)))
		return "Its table has no primary key.";
	if (cqrs_constraints_may_read(RelationGetDescr(rel)))
		return "A constraint of its table calls a function that may read tables (one that is not declared IMMUTABLE).";
	return unfit_columns(RelationGetDescr(rel));
}

/*
 * A row that is too long for a page would be an error at its event.  With
 * columns that can be moved out of line it never is.
 */
static const char *
unfit_columns(TupleDesc desc)
{
	Size		width = 0;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped)
			continue;
		if (att->attgenerated != '\0' && att->attgenerated != ATTRIBUTE_GENERATED_STORED)
			return "Its table has virtual generated columns.";
		if (att->attlen < 0 && att->attstorage == TYPSTORAGE_PLAIN)
			return "Its table has a column with storage PLAIN.";
		width += (att->attlen > 0) ? att->attlen + MAXIMUM_ALIGNOF - 1 : 24;
	}
	if (width > MAX_FIXED_WIDTH)
		return "Its table has too many columns.";
	return NULL;
}

/*
 * Looks at all indexes, and collects the columns to watch.
 */
static const char *
look_at_indexes(Relation rel, Bitmapset **watched)
{
	List	   *list = RelationGetIndexList(rel);
	Oid			primary = cqrs_primary_key(rel);
	const char *reason = NULL;
	ListCell   *lc;

	foreach(lc, list)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (reason == NULL)
			reason = unfit_index(index, lfirst_oid(lc) == primary, watched,
								 RelationGetDescr(rel));
		index_close(index, NoLock);
	}
	list_free(list);
	return reason;
}

static const char *
unfit_index(Relation index, bool is_primary, Bitmapset **watched, TupleDesc desc)
{
	Form_pg_index form = index->rd_index;

	if (is_primary && (!form->indimmediate || !form->indisvalid))
		return "The primary key of its table is deferrable.";
	if (!is_primary && (form->indisunique || form->indisexclusion))
		return "Its table has another unique index, or an exclusion constraint.";
	if (RelationGetIndexExpressions(index) != NIL || RelationGetIndexPredicate(index) != NIL)
		return "Its table has an index on an expression, or a partial index.";
	if (index->rd_rel->relam != BTREE_AM_OID && index->rd_rel->relam != HASH_AM_OID &&
		index->rd_rel->relam != GIN_AM_OID && index->rd_rel->relam != BRIN_AM_OID)
		return "Its table has an index of a kind that may refuse values.";

	for (int i = 0; i < form->indnatts; i++)
	{
		int			column = form->indkey.values[i];

		if (TupleDescAttr(desc, column - 1)->attlen < 0)
			*watched = bms_add_member(*watched, column);
	}
	return NULL;
}

/*
 * A hash index holds no values, and a GIN index of jsonb or tsvector none that can be
 * too long.
 */
static void
watch_for(CqrsFoldTable *table, IndexStmt *index)
{
	MemoryContext before = MemoryContextSwitchTo(table->engine->context);
	bool		is_gin = strcmp(index->accessMethod, "gin") == 0;
	ListCell   *lc;

	foreach(lc, list_concat(index->indexParams, index->indexIncludingParams))
	{
		AttrNumber	column = get_attnum(table->relid, lfirst_node(IndexElem, lc)->name);
		Form_pg_attribute att = TupleDescAttr(table->desc, column - 1);

		if (att->attlen < 0 && strcmp(index->accessMethod, "hash") != 0 &&
			!(is_gin && (att->atttypid == JSONBOID || att->atttypid == TSVECTOROID)))
			table->left_out = bms_add_member(table->left_out, column);
	}
	MemoryContextSwitchTo(before);
}

static const char *
init_keys(CqrsFoldTable *table, Relation index)
{
	const char *reason = NULL;

	table->nkeys = IndexRelationGetNumberOfKeyAttributes(index);
	table->keys = palloc0(table->nkeys * sizeof(CqrsFoldKey));
	for (int i = 0; i < table->nkeys && reason == NULL; i++)
	{
		reason = init_key(table, &table->keys[i], index, i);
		table->key_columns = bms_add_member(table->key_columns, table->keys[i].attno);
	}
	return reason;
}

/*
 * Values that the index holds for equal have to hash alike.
 */
static const char *
init_key(CqrsFoldTable *table, CqrsFoldKey *key, Relation index, int i)
{
	TypeCacheEntry *type;
	Oid			operator;

	key->attno = index->rd_index->indkey.values[i];
	if (TupleDescAttr(table->desc, key->attno - 1)->attgenerated != '\0')
		return "A primary key column is generated.";
	key->collation = index->rd_indcollation[i];
	key->opfamily = index->rd_opfamily[i];
	key->type = index->rd_opcintype[i];
	if (IsPolymorphicType(key->type))
		key->type = getBaseType(TupleDescAttr(table->desc, key->attno - 1)->atttypid);
	get_typlenbyval(key->type, &key->typlen, &key->typbyval);

	type = lookup_type_cache(key->type, TYPECACHE_EQ_OPR | TYPECACHE_CMP_PROC |
							 TYPECACHE_HASH_PROC);
	operator = get_opfamily_member(key->opfamily, index->rd_opcintype[i],
								   index->rd_opcintype[i], BTEqualStrategyNumber);
	if (!OidIsValid(type->hash_proc) || !OidIsValid(type->cmp_proc) ||
		operator == InvalidOid || type->eq_opr != operator)
		return "The type of a primary key column cannot be hashed as the index compares it.";
	if (OidIsValid(key->collation) && !get_collation_isdeterministic(key->collation))
		return "A primary key column has a nondeterministic collation.";

	key->equal_proc = get_opcode(operator);
	fmgr_info(key->equal_proc, &key->equal);
	fmgr_info(type->hash_proc, &key->hash);
	fmgr_info(type->cmp_proc, &key->compare);
	key->is_integer = key->type == INT2OID || key->type == INT4OID || key->type == INT8OID;

	if (key->is_integer || key->type == DATEOID || key->type == TIMESTAMPOID ||
		key->type == TIMESTAMPTZOID || key->type == OIDOID || key->type == BOOLOID)
		key->kind = key->typbyval ? KEY_WORD : KEY_ANY;
	else if (key->type == UUIDOID)
		key->kind = KEY_BYTES;
	else if (key->type == TEXTOID || key->type == VARCHAROID)
		key->kind = KEY_TEXT;
	else
		key->kind = KEY_ANY;
	return NULL;
}
