/*-------------------------------------------------------------------------
 *
 * table.c
 *		Tables of the extension, reached from C: open by name, insert.
 *
 * NOTES
 *		The hot tables (event, ledger, cursor, projection) are read or written here
 *		without the executor: that is what an append costs.  They are heaps: the
 *		install script says so.
 *
 *		Opening a table costs as much as writing to it if done as the executor
 *		does.  So OIDs are remembered, until the system catalogue says that a
 *		table or schema has changed; and one executor state serves all inserts
 *		of the session, as long as no index has expressions: those may run any
 *		code, also code that inserts in its turn.
 *
 *		No access checks: the caller has EXECUTE on an SQL function that does
 *		one known thing with the row.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/table.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/extension.h"
#include "base/table.h"

/*
 * What we remember of a name.
 */
typedef struct KnownOid
{
	char		name[NAMEDATALEN];
	Oid			oid;
} KnownOid;

#define MAX_KNOWN 32

static KnownOid known[MAX_KNOWN];
static int	n_known = 0;
static uint64 known_generation = 0;

/* for inserts that run no code of users */
static EState *shared_estate = NULL;

static void forget_oids(Datum arg, int cacheid, uint32 hashvalue);
static Oid	look_up_oid(const char *name);
static bool indexes_are_simple(ResultRelInfo *rri);
static EState *get_shared_estate(void);

/*
 * At load.
 */
void
cqrs_table_init(void)
{
	CacheRegisterSyscacheCallback(NAMESPACENAME, forget_oids, (Datum) 0);
	CacheRegisterSyscacheCallback(RELNAMENSP, forget_oids, (Datum) 0);
}

/*
 * OID of a table in schema "cqrs".
 */
Oid
cqrs_table_oid(const char *name)
{
	uint64		generation = known_generation;
	Oid			oid;

	cqrs_extension_require();
	for (int i = 0; i < n_known; i++)
		if (strcmp(known[i].name, name) == 0)
			return known[i].oid;

	/* looking up may invalidate */
	oid = look_up_oid(name);
	if (generation == known_generation && n_known < MAX_KNOWN)
	{
		strlcpy(known[n_known].name, name, NAMEDATALEN);
		known[n_known++].oid = oid;
	}
	return oid;
}

Relation
cqrs_table_open(const char *name, LOCKMODE lockmode)
{
	return table_open(cqrs_table_oid(name), lockmode);
}

/*
 * The owner of the extension: the only role with rights on its tables.
 */
Oid
cqrs_owner(void)
{
	Relation	rel = cqrs_table_open("event", AccessShareLock);
	Oid			owner = rel->rd_rel->relowner;

	table_close(rel, AccessShareLock);
	return owner;
}

/*
 * Opens a table for inserts.  Triggers do not fire for rows that are written
 * here, so refuse a table on which somebody hopes they do.
 */
void
cqrs_table_begin(CqrsTable *table, const char *name)
{
	Relation	rel = cqrs_table_open(name, RowExclusiveLock);

	if (rel->trigdesc &&
		(rel->trigdesc->trig_insert_before_row ||
		 rel->trigdesc->trig_insert_after_row ||
		 rel->trigdesc->trig_insert_before_statement ||
		 rel->trigdesc->trig_insert_after_statement))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table \"cqrs.%s\" cannot have triggers on INSERT", name),
				 errhint("Use a projection to react to events.")));

	table->rel = rel;
	table->slot = table_slot_create(rel, NULL);
	table->rri = makeNode(ResultRelInfo);
	/* all that is needed for its indexes; InitResultRelInfo() copies triggers, too */
	table->rri->ri_RelationDesc = rel;
	ExecOpenIndices(table->rri, false);
	table->estate = indexes_are_simple(table->rri) ? get_shared_estate() : CreateExecutorState();
}

/*
 * Empties a slot for a new row: the caller fills in the values of all columns of
 * ours, and sets tts_isnull where there is none.  Columns that somebody has added
 * are null.
 */
Datum *
cqrs_table_new_row(TupleTableSlot *slot, int ncolumns)
{
	int			natts = slot->tts_tupleDescriptor->natts;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, ncolumns * sizeof(bool));
	memset(slot->tts_isnull + ncolumns, true, (natts - ncolumns) * sizeof(bool));
	return slot->tts_values;
}

/*
 * Inserts the row in the slot.
 */
void
cqrs_table_insert(CqrsTable *table)
{
	ExecStoreVirtualTuple(table->slot);
	cqrs_table_insert_many(table, &table->slot, 1);
}

/*
 * Inserts the rows in the slots.
 */
void
cqrs_table_insert_many(CqrsTable *table, TupleTableSlot **slots, int n)
{
	if (n == 1)
		table_tuple_insert(table->rel, slots[0], GetCurrentCommandId(true), 0, NULL);
	else
		table_multi_insert(table->rel, slots, n, GetCurrentCommandId(true), 0, NULL);

	for (int i = 0; i < n; i++)
	{
		list_free(cqrs_exec_insert_index_tuples(table->rri, slots[i], table->estate,
												false, false, NULL, NIL));
		ResetPerTupleExprContext(table->estate);
	}
}

/*
 * Inserts the row in the slot, unless another row has its primary key.  True when
 * inserted.
 */
bool
cqrs_table_insert_unless_exists(CqrsTable *table)
{
	List	   *arbiters = list_make1_oid(cqrs_primary_key(table->rel));
	TransactionId xid = GetCurrentTransactionId();
	bool		conflict = false;
	uint32		token;

	ExecStoreVirtualTuple(table->slot);
	token = SpeculativeInsertionLockAcquire(xid);
	table_tuple_insert_speculative(table->rel, table->slot, GetCurrentCommandId(true),
								   0, NULL, token);
	list_free(cqrs_exec_insert_index_tuples(table->rri, table->slot, table->estate,
											false, true, &conflict, arbiters));
	table_tuple_complete_speculative(table->rel, table->slot, token, !conflict);
	SpeculativeInsertionLockRelease(xid);

	ResetPerTupleExprContext(table->estate);
	list_free(arbiters);
	return !conflict;
}

/*
 * Closes the table.  Its lock stays until the end of the transaction.
 */
void
cqrs_table_end(CqrsTable *table)
{
	ExecDropSingleTupleTableSlot(table->slot);
	ExecCloseIndices(table->rri);
	if (table->estate != shared_estate)
		FreeExecutorState(table->estate);
	pfree(table->rri);
	table_close(table->rel, NoLock);
}

/*
 * System cache callback: some name may mean something else now.
 */
static void
forget_oids(Datum arg, int cacheid, uint32 hashvalue)
{
	n_known = 0;
	known_generation++;
}

static Oid
look_up_oid(const char *name)
{
	Oid			schema = get_namespace_oid("cqrs", true);
	Oid			relid = InvalidOid;

	if (OidIsValid(schema))
		relid = get_relname_relid(name, schema);
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"cqrs\" is not installed in this database"),
				 errdetail("Table \"cqrs.%s\" does not exist.", name),
				 errhint("Use CREATE EXTENSION cqrs.")));
	return relid;
}

/*
 * Can rows be inserted into these indexes without running code of users?
 */
static bool
indexes_are_simple(ResultRelInfo *rri)
{
	for (int i = 0; i < rri->ri_NumIndices; i++)
	{
		IndexInfo  *info = rri->ri_IndexRelationInfo[i];

		if (info->ii_Expressions || info->ii_Predicate || info->ii_ExclusionOps)
			return false;
	}
	return true;
}

static EState *
get_shared_estate(void)
{
	if (shared_estate == NULL)
	{
		MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);

		shared_estate = CreateExecutorState();
		MemoryContextSwitchTo(before);
	}
	return shared_estate;
}
