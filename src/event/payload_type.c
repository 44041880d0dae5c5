/*-------------------------------------------------------------------------
 *
 * payload_type.c
 *		What the payload check knows of types, remembered by the session.
 *
 * NOTES
 *		Composite types and domains can change under us, and so can what the
 *		constraints of domains call.  The type cache gives each version of a
 *		composite type a number of its own, and we compare that at each use.
 *		All that was compiled of constraints is made anew when any type,
 *		constraint, function, role or membership has changed: in it are the
 *		rights that somebody had, and the role that a function runs as.
 *
 *		Planning a constraint executes what is constant in it, and compiling it
 *		asks for rights on its functions, so both are done as the role that
 *		answers for the type, which is part of the key.
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
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "event/foreign_code.h"
#include "event/payload_internal.h"

/* sessions that use types without end start over at this size */
#define MAX_CACHED 1000

typedef struct CacheKey
{
	Oid			type;
	Oid			owner;			/* who answers for code in it */
} CacheKey;

typedef struct CacheEntry
{
	CacheKey	key;			/* must be first */
	CqrsComposite *composite;
} CacheEntry;

static HTAB *cache = NULL;

/* contexts of what is out of date but may be in use; freed when pins is 0 */
static MemoryContext aside = NULL;
static int	pins = 0;

/* counts how often something changed that may be compiled in */
static uint64 generation = 0;
static bool callbacks_registered = false;

static void register_callbacks(void);
static void object_changed(Datum arg, int cacheid, uint32 hashvalue);
static void start_cache(void);
static void put_aside(CqrsComposite *composite);
static CqrsComposite *build_composite(Oid type, TypeCacheEntry *typcache, CqrsForeignCode *foreign);
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
cqrs_composite_get(Oid type, CqrsForeignCode *foreign)
{
	TypeCacheEntry *typcache = lookup_type_cache(type, TYPECACHE_TUPDESC);
	CacheKey	key = {type, foreign->owner};
	CqrsComposite *composite;
	CacheEntry *entry;
	bool		found;

	Assert(pins > 0);
	if (pins > 1)
		return build_composite(type, typcache, foreign);
	register_callbacks();
	if (cache)
	{
		entry = hash_search(cache, &key, HASH_FIND, NULL);
		if (entry && entry->composite->identifier == typcache->tupDesc_identifier &&
			entry->composite->generation == generation)
			return entry->composite;
	}

	/* Build first: that may invalidate, or fail. */
	composite = build_composite(type, typcache, foreign);
	if (cache == NULL || hash_get_num_entries(cache) >= MAX_CACHED)
		start_cache();
	entry = hash_search(cache, &key, HASH_ENTER, &found);
	if (found)
		put_aside(entry->composite);
	MemoryContextSetParent(composite->context, CacheMemoryContext);
	entry->composite = composite;
	return composite;
}

static void
register_callbacks(void)
{
	static const int syscaches[] = {PROCOID, TYPEOID, CONSTROID, AUTHOID, AUTHMEMROLEMEM};

	if (callbacks_registered)
		return;
	for (int i = 0; i < lengthof(syscaches); i++)
		CacheRegisterSyscacheCallback(syscaches[i], object_changed, (Datum) 0);
	callbacks_registered = true;
}

/*
 * System cache callback.
 */
static void
object_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	generation++;
}

static void
start_cache(void)
{
	HASHCTL		ctl = {
		.keysize = sizeof(CacheKey),
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
build_composite(Oid type, TypeCacheEntry *typcache, CqrsForeignCode *foreign)
{
	CqrsComposite *composite;
	MemoryContext context;
	MemoryContext before;
	TupleDesc	desc = typcache->tupDesc;
	uint64		identifier = typcache->tupDesc_identifier;
	uint64		generation_before = generation;
	bool		is_foreign;

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
	composite->generation = generation_before;
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

	is_foreign = cqrs_foreign_planning_begin(foreign);
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
	if (is_foreign)
		cqrs_foreign_end(foreign);
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
