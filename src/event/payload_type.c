/*-------------------------------------------------------------------------
 *
 * payload_type.c
 *		What the payload check knows of types, remembered by the session.
 *
 * NOTES
 *		Only composite types can change under us.  The type cache gives each
 *		version of one a number of its own, and we compare that at each use;
 *		domain constraints are kept up to date by the type cache as well.
 *
 *		A check can run user code, in the constraint of a domain, and that may
 *		alter the very type that is being checked, or start another check.  So
 *		what has gone out of date is put aside while any check is under way, and
 *		freed later; and a check inside of a check shares nothing with the
 *		outer one.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/payload_type.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "event/payload_internal.h"

/* sessions that use types without end start over at this size */
#define MAX_CACHED 1000

typedef struct CacheEntry
{
	Oid			type;			/* hash key; must be first */
	CqrsComposite *composite;
} CacheEntry;

static HTAB *cache = NULL;

/* contexts of what is out of date but may be in use; freed when pins is 0 */
static MemoryContext aside = NULL;
static int	pins = 0;

static void start_cache(void);
static void put_aside(CqrsComposite *composite);
static CqrsComposite *build_composite(Oid type, TypeCacheEntry *typcache);
static void build_shape(CqrsShape *shape, Oid type, int32 typmod, MemoryContext context);

/*
 * Around each check: what cqrs_composite_get() gives stays where it is.
 */
void
cqrs_composite_pin(void)
{
	if (pins == 0 && aside)
	{
		MemoryContextDelete(aside);
		aside = NULL;
	}
	pins++;
}

void
cqrs_composite_unpin(void)
{
	Assert(pins > 0);
	pins--;
}

/*
 * The fields of a composite type, as they are now.
 */
const CqrsComposite *
cqrs_composite_get(Oid type)
{
	TypeCacheEntry *typcache = lookup_type_cache(type, TYPECACHE_TUPDESC);
	CqrsComposite *composite;
	CacheEntry *entry;
	bool		found;

	Assert(pins > 0);
	if (pins > 1)
		return build_composite(type, typcache);
	if (cache)
	{
		entry = hash_search(cache, &type, HASH_FIND, NULL);
		if (entry && entry->composite->identifier == typcache->tupDesc_identifier)
			return entry->composite;
	}

	/* Build first: that may invalidate, or fail. */
	composite = build_composite(type, typcache);
	if (cache == NULL || hash_get_num_entries(cache) >= MAX_CACHED)
		start_cache();
	entry = hash_search(cache, &type, HASH_ENTER, &found);
	if (found)
		put_aside(entry->composite);
	MemoryContextSetParent(composite->context, CacheMemoryContext);
	entry->composite = composite;
	return composite;
}

static void
start_cache(void)
{
	HASHCTL		ctl = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(CacheEntry),
		.hcxt = CacheMemoryContext
	};
	HASH_SEQ_STATUS seq;
	CacheEntry *entry;

	if (cache)
	{
		hash_seq_init(&seq, cache);
		while ((entry = hash_seq_search(&seq)) != NULL)
			put_aside(entry->composite);
		hash_destroy(cache);
		cache = NULL;
	}
	cache = hash_create("cqrs payload types", 64, &ctl,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
put_aside(CqrsComposite *composite)
{
	if (aside == NULL)
		aside = AllocSetContextCreate(CacheMemoryContext, "cqrs payload types put aside",
									  ALLOCSET_SMALL_SIZES);
	MemoryContextSetParent(composite->context, aside);
}

/*
 * Copies what the type cache has, as that may change while we look up more.
 */
static CqrsComposite *
build_composite(Oid type, TypeCacheEntry *typcache)
{
	CqrsComposite *composite;
	MemoryContext context;
	MemoryContext before;
	TupleDesc	desc = typcache->tupDesc;
	uint64		identifier = typcache->tupDesc_identifier;

	if (desc == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("type %s is not composite", format_type_be(type))));

	/* becomes a child of the cache when it is complete */
	context = AllocSetContextCreate(CurrentMemoryContext, "cqrs payload type",
									ALLOCSET_SMALL_SIZES);
	before = MemoryContextSwitchTo(context);

	composite = palloc0(sizeof(CqrsComposite));
	composite->context = context;
	composite->identifier = identifier;
	composite->fields = palloc0(Max(desc->natts, 1) * sizeof(CqrsField));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		composite->fields[i].dropped = att->attisdropped;
		composite->fields[i].required = att->attnotnull;
	}
	composite->desc = CreateTupleDescCopy(desc);
	composite->desc->tdtypeid = type;
	composite->desc->tdtypmod = -1;

	for (int i = 0; i < composite->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(composite->desc, i);
		CqrsField  *field = &composite->fields[i];

		if (field->dropped)
			continue;
		field->name = NameStr(att->attname);
		field->name_len = strlen(field->name);
		build_shape(&field->shape, att->atttypid, att->atttypmod, context);
	}
	MemoryContextSwitchTo(before);
	return composite;
}

static void
build_shape(CqrsShape *shape, Oid type, int32 typmod, MemoryContext context)
{
	bool		is_preferred;
	Oid			element;

	check_stack_depth();
	shape->type = type;
	shape->typmod = typmod;
	shape->base = getBaseTypeAndTypmod(type, &shape->typmod);
	if (shape->base != type)
	{
		shape->constraints = palloc0(sizeof(DomainConstraintRef));
		InitDomainConstraintRef(type, shape->constraints, context, true);
	}

	get_typlenbyvalalign(shape->base, &shape->typlen, &shape->typbyval, &shape->typalign);
	get_type_category_preferred(shape->base, &shape->category, &is_preferred);

	element = get_element_type(shape->base);
	if (get_typtype(shape->base) == TYPTYPE_COMPOSITE)
		shape->kind = SHAPE_COMPOSITE;
	else if (OidIsValid(element))
	{
		shape->kind = SHAPE_ARRAY;
		shape->element = palloc0(sizeof(CqrsShape));
		build_shape(shape->element, element, shape->typmod, context);
	}
	else
	{
		shape->kind = SHAPE_SCALAR;
		cqrs_scalar_init(shape, context);
	}
}
