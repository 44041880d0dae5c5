/*-------------------------------------------------------------------------
 *
 * event_type.c
 *		Registered event types.
 *
 * NOTES
 *		Every append asks for the type of its event, so a session remembers
 *		what it has looked up, also that a type is not registered.  The table's
 *		statement trigger has its relcache entry invalidated, which makes every
 *		session forget.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/event_type.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/names.h"
#include "base/plans.h"
#include "base/table.h"
#include "event/event_type.h"

PG_FUNCTION_INFO_V1(cqrs_create_event_type);

/* columns of cqrs.event_type */
enum
{
	COL_NAME = 1,
	COL_OWNER,
	COL_PAYLOAD,
	COL_SCHEMA_VERSION
};

typedef struct CacheEntry
{
	char		name[CQRS_MAX_NAME + 1];	/* hash key */
	CqrsEventType type;
} CacheEntry;

/* sessions that make up types without end start over at this size */
#define MAX_CACHED 10000

static HTAB *cache = NULL;
static Oid	cached_table = InvalidOid;

/* counts how often everything was forgotten */
static uint64 generation = 0;

static void forget_table(Datum arg, Oid relid);
static void forget_oids(Datum arg, int cacheid, uint32 hashvalue);
static void forget(void);
static void start_cache(void);
static CqrsEventType read_type(const char *name);
static Oid	payload_type_oid(const char *type_name, const char *event_type);

void
cqrs_event_type_init(void)
{
	CacheRegisterRelcacheCallback(forget_table, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, forget_oids, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, forget_oids, (Datum) 0);
}

/*
 * What is registered of an event type.  One that is not registered has no
 * payload type and version 1.
 */
CqrsEventType
cqrs_event_type_get(const text *name)
{
	char		key[CQRS_MAX_NAME + 1] = {0};
	CqrsEventType type;
	CacheEntry *entry;
	uint64		generation_before;
	bool		found;

	Assert(VARSIZE_ANY_EXHDR(name) <= CQRS_MAX_NAME);
	memcpy(key, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

	if (cache)
	{
		entry = hash_search(cache, key, HASH_FIND, NULL);
		if (entry)
			return entry->type;
	}

	/* From here on we hear of changes of the table. */
	cached_table = cqrs_table_oid("event_type");
	generation_before = generation;

	/* Read first: that may invalidate, or fail. */
	type = read_type(key);
	if (generation != generation_before)
		return type;
	if (cache == NULL || hash_get_num_entries(cache) >= MAX_CACHED)
		start_cache();
	entry = hash_search(cache, key, HASH_ENTER, &found);
	entry->type = type;
	return type;
}

/*
 * cqrs_create_event_type(name, payload, description)
 */
Datum
cqrs_create_event_type(PG_FUNCTION_ARGS)
{
	text	   *name;
	Datum		values[4] = {0};
	bool		nulls[4] = {false, false, PG_ARGISNULL(1), PG_ARGISNULL(2)};

	cqrs_arg_require(fcinfo, 0, "name");
	name = PG_GETARG_TEXT_PP(0);
	cqrs_check_name(name, "event type", CQRS_MAX_NAME);

	if (!PG_ARGISNULL(1))
	{
		Oid			payload = PG_GETARG_OID(1);

		if (!SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(payload)))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("payload type of event type \"%s\" does not exist",
							text_to_cstring(name)),
					 errdetail("There is no type with OID %u.", payload)));
		if (get_typtype(payload) != TYPTYPE_COMPOSITE)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("payload type of event type \"%s\" must be a composite type",
							text_to_cstring(name)),
					 errdetail("Type %s is not one.", format_type_be(payload)),
					 errhint("Create one with CREATE TYPE ... AS (...), and name the fields of the event in it.")));
		if (cqrs_is_temporary_type(payload))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("payload type of event type \"%s\" must not be temporary",
							text_to_cstring(name)),
					 errdetail("Type %s is gone when the session ends.", format_type_be(payload))));
		cqrs_require_type_usage(payload);
		values[2] = CStringGetTextDatum(format_type_be_qualified(payload));
	}
	if (!PG_ARGISNULL(2))
		values[3] = PG_GETARG_DATUM(2);
	values[0] = PointerGetDatum(name);
	values[1] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));

	SPI_connect();
	if (cqrs_plan_execute(CQRS_PLAN_INSERT_EVENT_TYPE, values, nulls) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("event type \"%s\" already exists", text_to_cstring(name)),
				 errhint("It cannot be replaced.  To change what its data must be, use ALTER TYPE on its payload type.")));
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * Relation cache callback: our table has changed, or everything has.
 */
static void
forget_table(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == cached_table)
		forget();
}

/*
 * System cache callback: an OID that we remember may not be a type any more, or
 * not a role.
 */
static void
forget_oids(Datum arg, int cacheid, uint32 hashvalue)
{
	forget();
}

static void
forget(void)
{
	generation++;
	if (cache)
		hash_destroy(cache);
	cache = NULL;
}

static void
start_cache(void)
{
	HASHCTL		ctl = {
		.keysize = CQRS_MAX_NAME + 1,
		.entrysize = sizeof(CacheEntry),
		.hcxt = CacheMemoryContext
	};

	forget();
	cache = hash_create("cqrs event types", 64, &ctl,
						HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

static CqrsEventType
read_type(const char *name)
{
	Relation	rel = cqrs_table_open("event_type", AccessShareLock);
	CqrsEventType type = {.schema_version = 1};
	ScanKeyData skey;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *payload = NULL;
	char	   *owner = NULL;

	ScanKeyInit(&skey, COL_NAME, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(name));
	skey.sk_collation = C_COLLATION_OID;
	scan = systable_beginscan(rel, cqrs_primary_key(rel), true, NULL, 1, &skey);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value;

		value = heap_getattr(tuple, COL_SCHEMA_VERSION, RelationGetDescr(rel), &isnull);
		type.schema_version = DatumGetInt32(value);
		value = heap_getattr(tuple, COL_OWNER, RelationGetDescr(rel), &isnull);
		owner = TextDatumGetCString(value);
		value = heap_getattr(tuple, COL_PAYLOAD, RelationGetDescr(rel), &isnull);
		if (!isnull)
			payload = TextDatumGetCString(value);
	}
	systable_endscan(scan);
	table_close(rel, NoLock);

	if (owner)
		type.owner = get_role_oid(owner, true);
	if (payload)
		type.payload = payload_type_oid(payload, name);
	return type;
}

/*
 * Types are stored by name, so that a dump restores them.
 */
static Oid
payload_type_oid(const char *type_name, const char *event_type)
{
	Oid			oid = cqrs_stored_type(type_name);

	if (!OidIsValid(oid) || get_typtype(oid) != TYPTYPE_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("payload type %s of event type \"%s\" does not exist",
						type_name, event_type),
				 errhint("Create it again.")));
	return oid;
}
