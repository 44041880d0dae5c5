/*-------------------------------------------------------------------------
 *
 * registry.c
 *		Registries of handlers: what commands and queries have in common.
 *
 * NOTES
 *		A session remembers what it has looked up, ready to be called.  It
 *		forgets everything when the table, any function, type, schema or role
 *		changes: that is rare where commands are sent, and never wrong.  What is
 *		in use when it is forgotten stays until it is unpinned.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/registry.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/names.h"
#include "base/registry.h"
#include "base/table.h"

/* the columns that all registries begin with */
enum
{
	COL_NAME = 1,
	COL_HANDLER_SCHEMA,
	COL_HANDLER_NAME,
	COL_ARGUMENT,
	COL_OWNER,
	COL_DESCRIPTION
};

typedef struct CacheEntry
{
	char		name[CQRS_MAX_NAME + 1];	/* hash key */
	CqrsRegistered *registered;
} CacheEntry;

#define MAX_REGISTRIES	4

static CqrsRegistry *registries[MAX_REGISTRIES];
static int	n_registries = 0;

/* counts how often something was forgotten */
static uint64 generation = 0;

static void forget_table(Datum arg, Oid relid);
static void forget_all(Datum arg, int cacheid, uint32 hashvalue);
static void forget(CqrsRegistry *registry);
static void free_registered(CqrsRegistered *registered);
static bool read_row(CqrsRegistry *registry, const char *name, CqrsHandlerName *handler);
static CqrsRegistered *look_up(CqrsRegistry *registry, const char *name);
static void check_again(CqrsRegistry *registry, Oid function, const char *name);
pg_noreturn static void unknown(CqrsRegistry *registry, const char *name);
static Datum call_function(FmgrInfo *function, Datum argument, bool has_argument, bool *isnull);

/*
 * At load.
 */
void
cqrs_registry_init(CqrsRegistry *registry)
{
	static const int syscaches[] = {PROCOID, TYPEOID, NAMESPACEOID, AUTHOID};

	Assert(n_registries < MAX_REGISTRIES);
	registries[n_registries++] = registry;
	if (n_registries > 1)
		return;

	CacheRegisterRelcacheCallback(forget_table, (Datum) 0);
	for (int i = 0; i < lengthof(syscaches); i++)
		CacheRegisterSyscacheCallback(syscaches[i], forget_all, (Datum) 0);
}

void
cqrs_registry_add(CqrsRegistry *registry, text *name, const CqrsHandlerName *handler,
				  Datum description, bool description_isnull)
{
	Datum		values[6] = {PointerGetDatum(name)};
	bool		nulls[6] = {false};

	values[COL_HANDLER_SCHEMA - 1] = CStringGetTextDatum(handler->schema);
	values[COL_HANDLER_NAME - 1] = CStringGetTextDatum(handler->name);
	nulls[COL_ARGUMENT - 1] = (handler->argument == NULL);
	if (handler->argument)
		values[COL_ARGUMENT - 1] = CStringGetTextDatum(handler->argument);
	values[COL_OWNER - 1] = CStringGetTextDatum(handler->owner);
	values[COL_DESCRIPTION - 1] = description;
	nulls[COL_DESCRIPTION - 1] = description_isnull;

	SPI_connect();
	if (cqrs_plan_execute(registry->insert, values, nulls) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("%s \"%s\" already exists", registry->what, text_to_cstring(name)),
				 errhint("To replace it, use cqrs_drop_%s(%s) first.", registry->what,
						 quote_literal_cstr(text_to_cstring(name)))));
	SPI_finish();
}

void
cqrs_registry_drop(CqrsRegistry *registry, text *name)
{
	char	   *name_string = text_to_cstring(name);
	Datum		values[2] = {PointerGetDatum(name)};
	CqrsHandlerName handler;

	if (!read_row(registry, name_string, &handler))
		unknown(registry, name_string);
	cqrs_handler_may_drop(handler.owner, registry->what, name_string);
	values[1] = CStringGetTextDatum(handler.owner);

	SPI_connect();
	if (cqrs_plan_execute(registry->delete, values, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("%s \"%s\" has been dropped or given to another owner meanwhile",
						registry->what, name_string)));
	SPI_finish();
}

/*
 * Looks up what is registered under a name.  The caller unpins it, after an
 * error too.
 */
CqrsRegistered *
cqrs_registry_pin(CqrsRegistry *registry, const text *name)
{
	char		key[CQRS_MAX_NAME + 1] = {0};
	CacheEntry *entry = NULL;
	CqrsRegistered *registered;
	bool		found;

	if (VARSIZE_ANY_EXHDR(name) > CQRS_MAX_NAME)
		unknown(registry, text_to_cstring(name));
	memcpy(key, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

	if (registry->cache)
		entry = hash_search(registry->cache, key, HASH_FIND, NULL);
	if (entry == NULL)
	{
		uint64		generation_before;

		/* From here on we hear of changes of the table. */
		registry->table_oid = cqrs_table_oid(registry->table);
		generation_before = generation;

		/* Look up first: that may invalidate, or fail. */
		registered = look_up(registry, key);
		MemoryContextSetParent(registered->context, CacheMemoryContext);
		registered->pins++;
		if (generation != generation_before)
		{
			registered->is_stale = true;
			return registered;
		}
		if (registry->cache == NULL)
		{
			HASHCTL		ctl = {
				.keysize = CQRS_MAX_NAME + 1,
				.entrysize = sizeof(CacheEntry),
				.hcxt = CacheMemoryContext
			};

			registry->cache = hash_create("cqrs registry", 64, &ctl,
										  HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
		}
		entry = hash_search(registry->cache, key, HASH_ENTER, &found);
		Assert(!found);
		entry->registered = registered;
		return registered;
	}
	entry->registered->pins++;
	return entry->registered;
}

void
cqrs_registry_unpin(CqrsRegistered *registered)
{
	Assert(registered->pins > 0);
	registered->pins--;
	if (registered->is_stale && registered->pins == 0)
		free_registered(registered);
}

/*
 * The owner of what is registered under a name, NULL when nothing is.
 */
char *
cqrs_registry_owner(const char *what, const char *name)
{
	for (int i = 0; i < n_registries; i++)
	{
		CqrsHandlerName handler;

		if (strcmp(registries[i]->what, what) == 0)
			return read_row(registries[i], name, &handler) ? handler.owner : NULL;
	}
	return NULL;
}

/*
 * Calls the function and says whether there is a result that is not null.
 *
 * Functions keep state where we keep their FmgrInfo, so one that is called
 * again while it runs gets another.
 */
bool
cqrs_registered_call(CqrsRegistered *registered, Datum argument, Datum *result)
{
	bool		has_argument = OidIsValid(registered->argument);
	bool		isnull;

	if (registered->is_busy)
	{
		FmgrInfo	function;

		fmgr_info(registered->function_oid, &function);
		*result = call_function(&function, argument, has_argument, &isnull);
		return !isnull;
	}

	registered->is_busy = true;
	PG_TRY();
	{
		*result = call_function(&registered->function, argument, has_argument, &isnull);
	}
	PG_FINALLY();
	{
		registered->is_busy = false;
	}
	PG_END_TRY();
	return !isnull;
}

static Datum
call_function(FmgrInfo *function, Datum argument, bool has_argument, bool *isnull)
{
	LOCAL_FCINFO(fcinfo, 1);
	PgStat_FunctionCallUsage usage;
	Datum		result;

	InitFunctionCallInfoData(*fcinfo, function, has_argument ? 1 : 0, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = argument;
	fcinfo->args[0].isnull = false;

	pgstat_init_function_usage(fcinfo, &usage);
	result = FunctionCallInvoke(fcinfo);
	pgstat_end_function_usage(&usage, true);
	*isnull = fcinfo->isnull;
	return result;
}

/*
 * Relation cache callback: a table has changed, or everything has.
 */
static void
forget_table(Datum arg, Oid relid)
{
	for (int i = 0; i < n_registries; i++)
		if (relid == InvalidOid || relid == registries[i]->table_oid)
			forget(registries[i]);
}

/*
 * System cache callback: what we found by name may be another thing now.
 */
static void
forget_all(Datum arg, int cacheid, uint32 hashvalue)
{
	for (int i = 0; i < n_registries; i++)
		forget(registries[i]);
}

static void
forget(CqrsRegistry *registry)
{
	HASH_SEQ_STATUS seq;
	CacheEntry *entry;

	generation++;
	if (registry->cache == NULL)
		return;
	hash_seq_init(&seq, registry->cache);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		entry->registered->is_stale = true;
		if (entry->registered->pins == 0)
			free_registered(entry->registered);
	}
	hash_destroy(registry->cache);
	registry->cache = NULL;
}

static void
free_registered(CqrsRegistered *registered)
{
	for (int i = 0; i < CQRS_REGISTERED_PLANS; i++)
		if (registered->plans[i])
			SPI_freeplan(registered->plans[i]);
	MemoryContextDelete(registered->context);
}

/*
 * Reads a row, in the current memory context.  False when there is none.
 */
static bool
read_row(CqrsRegistry *registry, const char *name, CqrsHandlerName *handler)
{
	Relation	rel = cqrs_table_open(registry->table, AccessShareLock);
	ScanKeyData skey;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&skey, COL_NAME, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(name));
	skey.sk_collation = C_COLLATION_OID;
	scan = systable_beginscan(rel, cqrs_primary_key(rel), true, NULL, 1, &skey);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Datum		values[COL_DESCRIPTION];
		bool		nulls[COL_DESCRIPTION];

		for (int i = 0; i < lengthof(values); i++)
			values[i] = heap_getattr(tuple, i + 1, RelationGetDescr(rel), &nulls[i]);
		handler->schema = TextDatumGetCString(values[COL_HANDLER_SCHEMA - 1]);
		handler->name = TextDatumGetCString(values[COL_HANDLER_NAME - 1]);
		handler->argument = nulls[COL_ARGUMENT - 1] ? NULL
			: TextDatumGetCString(values[COL_ARGUMENT - 1]);
		handler->owner = TextDatumGetCString(values[COL_OWNER - 1]);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

static CqrsRegistered *
look_up(CqrsRegistry *registry, const char *name)
{
	CqrsHandlerName handler;
	CqrsRegistered *registered;
	MemoryContext context;
	Oid			output;
	bool		is_varlena;

	if (!read_row(registry, name, &handler))
		unknown(registry, name);

	/* becomes a child of the cache when it is complete */
	context = AllocSetContextCreate(CurrentMemoryContext, "cqrs registered",
									ALLOCSET_SMALL_SIZES);
	registered = MemoryContextAllocZero(context, sizeof(CqrsRegistered));
	registered->context = context;
	registered->function_oid = cqrs_handler_find(&handler, registry->what, name,
												 &registered->argument);
	check_again(registry, registered->function_oid, name);
	registered->result = get_func_rettype(registered->function_oid);
	fmgr_info_cxt(registered->function_oid, &registered->function, context);
	getTypeOutputInfo(registered->result, &output, &is_varlena);
	fmgr_info_cxt(output, &registered->output, context);
	return registered;
}

/*
 * What was found by name and argument may have been created again, as something
 * that could not be registered.
 */
static void
check_again(CqrsRegistry *registry, Oid function, const char *name)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool		is_function;
	const char *unfit = NULL;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	is_function = ((Form_pg_proc) GETSTRUCT(tuple))->prokind == PROKIND_FUNCTION;
	if (is_function)
		unfit = registry->unfit_result(tuple);
	if (!is_function || unfit)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("handler of %s \"%s\" is not what was registered any more",
						registry->what, name),
				 is_function ?
				 errdetail("%s returns %s.", format_procedure(function), unfit) :
				 errdetail("%s is a procedure, an aggregate or a window function.",
						   format_procedure(function)),
				 errhint("Create the function again as it was, or drop the %s.", registry->what)));
	ReleaseSysCache(tuple);
}

static void
unknown(CqrsRegistry *registry, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("%s \"%.*s\" does not exist", registry->what,
					pg_mbcliplen(name, strlen(name), CQRS_MAX_NAME), name),
			 errhint("See view \"cqrs.%s_type\" for the registered %s.", registry->what, registry->plural)));
}
