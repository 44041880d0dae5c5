/*-------------------------------------------------------------------------
 *
 * counters.c
 *		Counters of commands, queries and projections, in shared memory.
 *
 * NOTES
 *		A hash table of fixed size, with linear probing.  Entries are added and
 *		removed under the exclusive lock; with the shared lock they are found,
 *		read and counted in, as the counters are atomic.
 *
 *		Counting is not transactional: what was rolled back was work, too.
 *		When the table is full, what is not in it is not counted, and a log
 *		message says so once; a reset makes room.
 *
 *		Who may watch sees all of them; others see those of their own commands
 *		and queries.
 *
 *		Without shared_preload_libraries nothing is counted.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/stats/counters.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/names.h"
#include "base/registry.h"
#include "base/rights.h"
#include "base/shmem.h"
#include "stats/counters.h"

PG_FUNCTION_INFO_V1(cqrs_read_stats);
PG_FUNCTION_INFO_V1(cqrs_reset_stats);

/* a power of two; three quarters of it are used, about 700 kB in all */
#define SLOTS		4096
#define CAPACITY	(SLOTS / 4 * 3)

typedef struct Key
{
	Oid			database;		/* InvalidOid: the slot is free */
	char		kind;
	char		name[CQRS_MAX_NAME + 1];
} Key;

typedef struct Entry
{
	/* protected by the lock */
	Key			key;

	/* atomic */
	pg_atomic_uint64 results[CQRS_COUNT_RESULTS];
	pg_atomic_uint64 total_time;	/* microseconds, without replays */
	pg_atomic_uint64 max_time;
} Entry;

typedef struct Counters
{
	/* protected by the lock */
	int			used;
	bool		full_was_logged;
	Entry		slots[SLOTS];
} Counters;

/* columns of cqrs.read_stats() */
enum
{
	COL_NAME,
	COL_CALLS,
	COL_ACCEPTED,
	COL_REJECTED,
	COL_REPLAYED,
	COL_TOTAL_MS,
	COL_MEAN_MS,
	COL_MAX_MS,
	NCOLS
};

static Size counters_size(void);
static void init_counters(void *address);
static void make_key(Key *key, CqrsCountKind kind, const char *name, int length);
static Entry *find_entry(Counters *counters, const Key *key);
static Entry *add_entry(Counters *counters, const Key *key);
static void clear_entry(Entry *entry);
static int	copy_entries(char kind, Entry **entries);
static bool is_own(const Key *key);
static void put_row(ReturnSetInfo *rsinfo, Entry *entry);
static void remove_database(Counters *counters, Oid database);

static CqrsShmemPart part = {
	.name = "cqrs counters",
	.size = counters_size,
	.init = init_counters
};

void
cqrs_counters_init(void)
{
	cqrs_shmem_add(&part);
}

/*
 * Counts one call.  A replay is counted only where a command was: names of
 * commands that never existed must not take up room.
 */
void
cqrs_count(CqrsCountKind kind, const text *name, CqrsCountResult result, int64 microseconds)
{
	Counters   *counters = part.address;
	Key			key;
	Entry	   *entry;
	uint64		max;

	if (counters == NULL || VARSIZE_ANY_EXHDR(name) > CQRS_MAX_NAME)
		return;
	make_key(&key, kind, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

	LWLockAcquire(part.lock, LW_SHARED);
	entry = find_entry(counters, &key);
	if (entry == NULL && result != CQRS_COUNT_REPLAYED)
	{
		LWLockRelease(part.lock);
		LWLockAcquire(part.lock, LW_EXCLUSIVE);
		entry = find_entry(counters, &key);
		if (entry == NULL)
			entry = add_entry(counters, &key);
	}
	if (entry)
	{
		pg_atomic_fetch_add_u64(&entry->results[result], 1);
		pg_atomic_fetch_add_u64(&entry->total_time, microseconds);
		max = pg_atomic_read_u64(&entry->max_time);
		while ((uint64) microseconds > max &&
			   !pg_atomic_compare_exchange_u64(&entry->max_time, &max, microseconds))
			;
	}
	LWLockRelease(part.lock);
}

/*
 * Sees to it that there is a counter, so that cqrs_counter_add() finds it.
 * False when there cannot be one.
 */
bool
cqrs_counter_prepare(CqrsCountKind kind, const char *name)
{
	Key			key;
	Entry	   *entry;

	if (part.address == NULL || strlen(name) > CQRS_MAX_NAME)
		return false;
	make_key(&key, kind, name, strlen(name));

	LWLockAcquire(part.lock, LW_SHARED);
	entry = find_entry(part.address, &key);
	if (entry == NULL)
	{
		LWLockRelease(part.lock);
		LWLockAcquire(part.lock, LW_EXCLUSIVE);
		entry = find_entry(part.address, &key);
		if (entry == NULL)
			entry = add_entry(part.address, &key);
	}
	LWLockRelease(part.lock);
	return entry != NULL;
}

/*
 * Adds to a counter, if it is there.  Fit for the end of a transaction.
 */
void
cqrs_counter_add(CqrsCountKind kind, const char *name, int64 n)
{
	Key			key;
	Entry	   *entry;

	make_key(&key, kind, name, strlen(name));
	LWLockAcquire(part.lock, LW_SHARED);
	entry = find_entry(part.address, &key);
	if (entry)
		pg_atomic_fetch_add_u64(&entry->results[CQRS_COUNT_ACCEPTED], n);
	LWLockRelease(part.lock);
}

/*
 * Sets a counter to 0, if it is there.  Fit for the end of a transaction.
 */
void
cqrs_counter_clear(CqrsCountKind kind, const char *name)
{
	Key			key;
	Entry	   *entry;

	make_key(&key, kind, name, strlen(name));
	LWLockAcquire(part.lock, LW_SHARED);
	entry = find_entry(part.address, &key);
	if (entry)
		pg_atomic_write_u64(&entry->results[CQRS_COUNT_ACCEPTED], 0);
	LWLockRelease(part.lock);
}

/*
 * The value of a counter; -1 when nothing is counted at all.
 */
int64
cqrs_counter_get(CqrsCountKind kind, const char *name)
{
	Key			key;
	Entry	   *entry;
	int64		result = 0;

	if (part.address == NULL || strlen(name) > CQRS_MAX_NAME)
		return -1;
	make_key(&key, kind, name, strlen(name));
	LWLockAcquire(part.lock, LW_SHARED);
	entry = find_entry(part.address, &key);
	if (entry)
		result = pg_atomic_read_u64(&entry->results[CQRS_COUNT_ACCEPTED]);
	LWLockRelease(part.lock);
	return result;
}

/*
 * cqrs.read_stats(kind) -> the counters of this database
 */
Datum
cqrs_read_stats(PG_FUNCTION_ARGS)
{
	Entry	   *entries;
	int			n_entries;
	char		kind;
	bool		sees_all = cqrs_may_watch(GetUserId());

	cqrs_arg_require(fcinfo, 0, "kind");
	kind = PG_GETARG_CHAR(0);
	InitMaterializedSRF(fcinfo, 0);
	n_entries = copy_entries(kind, &entries);
	for (int i = 0; i < n_entries; i++)
		if (sees_all || is_own(&entries[i].key))
			put_row((ReturnSetInfo *) fcinfo->resultinfo, &entries[i]);
	return (Datum) 0;
}

/*
 * Copies the counters of this database.
 */
static int
copy_entries(char kind, Entry **entries)
{
	Counters   *counters = part.address;
	int			n = 0;

	if (counters == NULL)
		return 0;
	*entries = palloc(CAPACITY * sizeof(Entry));
	LWLockAcquire(part.lock, LW_SHARED);
	for (int i = 0; i < SLOTS; i++)
		if (counters->slots[i].key.database == MyDatabaseId && counters->slots[i].key.kind == kind)
			(*entries)[n++] = counters->slots[i];
	LWLockRelease(part.lock);
	return n;
}

/*
 * Does the command or query belong to the current user?
 */
static bool
is_own(const Key *key)
{
	char	   *owner = cqrs_registry_owner(key->kind == CQRS_COUNT_COMMAND ? "command" : "query",
											key->name);
	Oid			role = owner ? get_role_oid(owner, true) : InvalidOid;

	return OidIsValid(role) && has_privs_of_role(GetUserId(), role);
}

/*
 * cqrs_reset_stats(): forgets the counters of this database
 */
Datum
cqrs_reset_stats(PG_FUNCTION_ARGS)
{
	Counters   *counters = part.address;

	if (counters)
	{
		LWLockAcquire(part.lock, LW_EXCLUSIVE);
		remove_database(counters, MyDatabaseId);
		LWLockRelease(part.lock);
	}
	PG_RETURN_VOID();
}

/*
 * Forgets the counters of databases other than these, which are gone.
 */
void
cqrs_counters_keep(List *databases)
{
	Counters   *counters = part.address;
	List	   *gone = NIL;
	ListCell   *lc;

	if (counters == NULL)
		return;
	LWLockAcquire(part.lock, LW_EXCLUSIVE);
	for (int i = 0; i < SLOTS; i++)
	{
		Oid			database = counters->slots[i].key.database;

		if (OidIsValid(database) && !list_member_oid(databases, database))
			gone = list_append_unique_oid(gone, database);
	}
	foreach(lc, gone)
		remove_database(counters, lfirst_oid(lc));
	LWLockRelease(part.lock);
	list_free(gone);
}

static Size
counters_size(void)
{
	return sizeof(Counters);
}

static void
init_counters(void *address)
{
	Counters   *counters = address;

	for (int i = 0; i < SLOTS; i++)
	{
		Entry	   *entry = &counters->slots[i];

		for (int k = 0; k < CQRS_COUNT_RESULTS; k++)
			pg_atomic_init_u64(&entry->results[k], 0);
		pg_atomic_init_u64(&entry->total_time, 0);
		pg_atomic_init_u64(&entry->max_time, 0);
	}
}

static void
make_key(Key *key, CqrsCountKind kind, const char *name, int length)
{
	memset(key, 0, sizeof(Key));
	key->database = MyDatabaseId;
	key->kind = kind;
	memcpy(key->name, name, length);
}

/*
 * The caller holds the lock, shared at least.
 */
static Entry *
find_entry(Counters *counters, const Key *key)
{
	uint32		start = hash_bytes((const unsigned char *) key, sizeof(Key));

	Assert(LWLockHeldByMe(part.lock));
	for (int i = 0; i < SLOTS; i++)
	{
		Entry	   *entry = &counters->slots[(start + i) % SLOTS];

		if (!OidIsValid(entry->key.database))
			return NULL;
		if (memcmp(&entry->key, key, sizeof(Key)) == 0)
			return entry;
	}
	return NULL;
}

/*
 * Adds an entry that is not there; NULL when there is no room.  The caller
 * holds the lock exclusively.
 */
static Entry *
add_entry(Counters *counters, const Key *key)
{
	uint32		start = hash_bytes((const unsigned char *) key, sizeof(Key));

	Assert(LWLockHeldByMeInMode(part.lock, LW_EXCLUSIVE));
	if (counters->used >= CAPACITY)
	{
		if (!counters->full_was_logged)
			ereport(LOG,
					(errmsg("too many commands, queries and projections to count (limit %d)", CAPACITY),
					 errhint("Use cqrs_reset_stats() in databases where names have changed.")));
		counters->full_was_logged = true;
		return NULL;
	}
	for (int i = 0;; i++)
	{
		Entry	   *entry = &counters->slots[(start + i) % SLOTS];

		if (OidIsValid(entry->key.database))
			continue;
		clear_entry(entry);
		entry->key = *key;
		counters->used++;
		return entry;
	}
}

static void
clear_entry(Entry *entry)
{
	memset(&entry->key, 0, sizeof(Key));
	for (int i = 0; i < CQRS_COUNT_RESULTS; i++)
		pg_atomic_write_u64(&entry->results[i], 0);
	pg_atomic_write_u64(&entry->total_time, 0);
	pg_atomic_write_u64(&entry->max_time, 0);
}

static void
put_row(ReturnSetInfo *rsinfo, Entry *entry)
{
	Datum		values[NCOLS];
	bool		nulls[NCOLS] = {false};
	int64		accepted = pg_atomic_read_u64(&entry->results[CQRS_COUNT_ACCEPTED]);
	int64		rejected = pg_atomic_read_u64(&entry->results[CQRS_COUNT_REJECTED]);
	int64		replayed = pg_atomic_read_u64(&entry->results[CQRS_COUNT_REPLAYED]);
	uint64		total = pg_atomic_read_u64(&entry->total_time);	/* microseconds */
	int64		calls = accepted + rejected + replayed;

	values[COL_NAME] = CStringGetTextDatum(entry->key.name);
	values[COL_CALLS] = Int64GetDatum(calls);
	values[COL_ACCEPTED] = Int64GetDatum(accepted);
	values[COL_REJECTED] = Int64GetDatum(rejected);
	values[COL_REPLAYED] = Int64GetDatum(replayed);
	values[COL_TOTAL_MS] = Float8GetDatum(total / 1000.0);
	values[COL_MEAN_MS] = Float8GetDatum(calls > 0 ? total / calls / 1000.0 : 0);
	values[COL_MAX_MS] = Float8GetDatum(pg_atomic_read_u64(&entry->max_time) / 1000.0);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * Empties the table and puts back what belongs to others.  The caller holds the
 * lock exclusively.
 */
static void
remove_database(Counters *counters, Oid database)
{
	Entry	   *old = palloc(sizeof(counters->slots));

	memcpy(old, counters->slots, sizeof(counters->slots));
	for (int i = 0; i < SLOTS; i++)
		clear_entry(&counters->slots[i]);
	counters->used = 0;
	counters->full_was_logged = false;

	for (int i = 0; i < SLOTS; i++)
	{
		Entry	   *entry;

		if (!OidIsValid(old[i].key.database) || old[i].key.database == database)
			continue;
		entry = add_entry(counters, &old[i].key);
		for (int k = 0; k < CQRS_COUNT_RESULTS; k++)
			pg_atomic_write_u64(&entry->results[k], pg_atomic_read_u64(&old[i].results[k]));
		pg_atomic_write_u64(&entry->total_time, pg_atomic_read_u64(&old[i].total_time));
		pg_atomic_write_u64(&entry->max_time, pg_atomic_read_u64(&old[i].max_time));
	}
	pfree(old);
}
