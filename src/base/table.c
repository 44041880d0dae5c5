/*-------------------------------------------------------------------------
 *
 * table.c
 *		Tables of the extension, reached from C: open by name, find, lock, insert.
 *
 * NOTES
 *		The hot tables (event, stream, cursor) are read and written here
 *		without the executor: that is what an append costs.  They are heaps: the
 *		install script says so.  All of them have a primary key on one text column that
 *		comes first in the row, or none that we search by.
 *
 *		A row is found by a dirty index scan, so that one sees what others have
 *		inserted and not yet committed and can wait for them, as the executor
 *		does for ON CONFLICT.  A caller that updates one row again and again
 *		passes the row's last place as a hint: an index scan would have to walk
 *		over every version that an old snapshot keeps alive.
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

#include "access/genam.h"
#include "access/heapam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/predicate.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/extension.h"
#include "base/table.h"

/* free space on a page that is enough for another version of a row */
#define ROOM_FOR_VERSION 1024

static bool next_version(Relation rel, IndexScanDesc scan, Snapshot snapshot,
						 TupleTableSlot *slot);
static bool key_matches(TupleTableSlot *slot, text *key);
pg_noreturn static void serialization_failure(void);

/*
 * OID of a table in schema "cqrs".
 */
Oid
cqrs_table_oid(const char *name)
{
	Oid			schema = get_namespace_oid("cqrs", true);
	Oid			relid = InvalidOid;

	cqrs_extension_require();
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
cqrs_table_begin(CqrsTable *table, const char *name, bool speculative)
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
	table->estate = CreateExecutorState();
	table->rri = makeNode(ResultRelInfo);
	InitResultRelInfo(table->rri, rel, 1, NULL, 0);
	ExecOpenIndices(table->rri, speculative);
}

/*
 * Empties the slot for a new row: the caller fills in the values, all of them,
 * and sets tts_isnull where there is none.
 */
Datum *
cqrs_table_new_row(CqrsTable *table)
{
	ExecClearTuple(table->slot);
	memset(table->slot->tts_isnull, false,
		   RelationGetDescr(table->rel)->natts * sizeof(bool));
	return table->slot->tts_values;
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
 * Inserts the row in the slot, unless another row has its primary key.  True
 * when inserted.  The table must have been opened for speculative insertion.
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
	FreeExecutorState(table->estate);
	pfree(table->rri);
	table_close(table->rel, NoLock);
}

/*
 * Is the row with this key at that place, and alive for us?
 */
bool
cqrs_row_at(Relation rel, text *key, ItemPointer tid, TupleTableSlot *slot)
{
	if (!ItemPointerIsValid(tid) ||
		ItemPointerGetBlockNumber(tid) >= RelationGetNumberOfBlocks(rel))
		return false;
	if (!table_tuple_fetch_row_version(rel, tid, SnapshotSelf, slot))
		return false;
	return key_matches(slot, key);
}

/*
 * Finds the newest version of the row with this key, committed or our own, and
 * waits for whoever is inserting it.  When somebody else is changing the row,
 * "updater" says who; else it is invalid.
 *
 * The answer may be out of date when it is given.  One who relies on "found"
 * must succeed in locking or updating the row, and one who relies on "not
 * found" in inserting it.
 */
bool
cqrs_row_find(Relation rel, text *key, ItemPointer hint, TupleTableSlot *slot,
			  TransactionId *updater)
{
	ScanKeyData skey;

	Assert(TTS_IS_BUFFERTUPLE(slot));
	*updater = InvalidTransactionId;
	if (hint && cqrs_row_at(rel, key, hint, slot))
		return true;

	ScanKeyInit(&skey, 1, BTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(key));
	skey.sk_collation = C_COLLATION_OID;
	return cqrs_row_find_by(rel, &skey, 1, slot, updater);
}

/*
 * The same for any primary key.
 */
bool
cqrs_row_find_by(Relation rel, ScanKeyData *keys, int nkeys, TupleTableSlot *slot,
				 TransactionId *updater)
{
	Relation	index = index_open(cqrs_primary_key(rel), AccessShareLock);
	SnapshotData dirty;
	bool		found;

	InitDirtySnapshot(dirty);

	for (;;)
	{
		IndexScanDesc scan = cqrs_index_beginscan(rel, index, &dirty, nkeys);

		index_rescan(scan, keys, nkeys, NULL, 0);
		found = next_version(rel, scan, &dirty, slot);
		index_endscan(scan);

		if (!found || !TransactionIdIsValid(dirty.xmin))
			break;

		ExecClearTuple(slot);
		if (dirty.speculativeToken)
			SpeculativeInsertionWait(dirty.xmin, dirty.speculativeToken);
		else
			XactLockTableWait(dirty.xmin, NULL, NULL, XLTW_None);
		InitDirtySnapshot(dirty);
	}

	*updater = found ? dirty.xmax : InvalidTransactionId;
	index_close(index, NoLock);
	return found;
}

/*
 * In a transaction with a snapshot of its own, a row that changed after that
 * snapshot may not be built upon.  The slot is as cqrs_row_find() left it, with
 * the row's buffer pinned.
 */
void
cqrs_row_require_visible(Relation rel, TupleTableSlot *slot)
{
	if (IsolationUsesXactSnapshot() &&
		!table_tuple_satisfies_snapshot(rel, slot, GetTransactionSnapshot()))
		serialization_failure();
}

/*
 * Finds the row with this key and locks it against updates until the end of
 * the transaction.  The slot then holds its newest version.  False when there
 * is no such row.
 */
bool
cqrs_row_lock(Relation rel, text *key, ItemPointer hint, TupleTableSlot *slot)
{
	TransactionId updater;

	while (cqrs_row_find(rel, key, hint, slot, &updater))
	{
		TM_FailureData failure;
		ItemPointerData tid = slot->tts_tid;
		TM_Result	result;

		cqrs_row_require_visible(rel, slot);
		result = table_tuple_lock(rel, &tid, GetTransactionSnapshot(), slot,
								  GetCurrentCommandId(false), LockTupleNoKeyExclusive,
								  LockWaitBlock, 0, &failure);
		if (result == TM_Ok)
			return true;
		if (result != TM_Updated && result != TM_Deleted)
			elog(ERROR, "unexpected result of locking a row of \"%s\": %d",
				 RelationGetRelationName(rel), (int) result);
		if (IsolationUsesXactSnapshot())
			serialization_failure();
		hint = NULL;
		CHECK_FOR_INTERRUPTS();
	}
	return false;
}

/*
 * Replaces the version of a row at "tid" by the row in the slot.  False when
 * somebody else has changed it since it was read; nothing is written then.
 * Waits for one who is changing it.
 */
bool
cqrs_row_update(CqrsTable *table, ItemPointer tid)
{
	TM_FailureData failure;
	LockTupleMode lockmode;
	bool		update_indexes;
	TM_Result	result;

	ExecStoreVirtualTuple(table->slot);
	result = cqrs_table_tuple_update(table->rel, tid, table->slot,
									 GetCurrentCommandId(true), GetTransactionSnapshot(),
									 &failure, &lockmode, &update_indexes);
	if (result == TM_Updated || result == TM_Deleted)
	{
		if (IsolationUsesXactSnapshot())
			serialization_failure();
		return false;
	}
	/* by a later command of this very transaction: code of a user that may */
	if (result == TM_SelfModified)
		return false;
	if (result != TM_Ok)
		elog(ERROR, "unexpected result of updating a row of \"%s\": %d",
			 RelationGetRelationName(table->rel), (int) result);

	if (update_indexes)
		list_free(cqrs_exec_insert_index_tuples(table->rri, table->slot, table->estate,
												false, false, NULL, NIL));
	ResetPerTupleExprContext(table->estate);
	return true;
}

/*
 * The next version in an index scan that the snapshot shows.
 *
 * index_getnext_slot() would do, but it prunes the page whenever there is less
 * free space than the fillfactor asks for.  On a table of rows that are only
 * ever updated that is always: each update paid for pruning a whole page, which
 * was an eighth of the cost of an append.  We prune when the next version would
 * not fit, and do many at once.
 */
static bool
next_version(Relation rel, IndexScanDesc scan, Snapshot snapshot, TupleTableSlot *slot)
{
	ItemPointer tid;

	while ((tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		BufferHeapTupleTableSlot *buffer_slot = (BufferHeapTupleTableSlot *) slot;
		HeapTuple	tuple = &buffer_slot->base.tupdata;
		Buffer		buffer = ReadBuffer(rel, ItemPointerGetBlockNumber(tid));
		bool		found;
		bool		all_dead;

		if (PageGetHeapFreeSpace(BufferGetPage(buffer)) < ROOM_FOR_VERSION)
			heap_page_prune_opt(rel, buffer);

		ExecClearTuple(slot);
		tuple->t_self = *tid;
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		found = heap_hot_search_buffer(&tuple->t_self, rel, buffer, snapshot, tuple,
									   &all_dead, true);
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		if (found)
		{
			tuple->t_tableOid = RelationGetRelid(rel);
			ExecStorePinnedBufferHeapTuple(tuple, slot, buffer);
			return true;
		}
		ReleaseBuffer(buffer);
		scan->kill_prior_tuple = all_dead;
		CHECK_FOR_INTERRUPTS();
	}
	return false;
}

static bool
key_matches(TupleTableSlot *slot, text *key)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, 1, &isnull);

	return !isnull &&
		DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID,
											 value, PointerGetDatum(key)));
}

static void
serialization_failure(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access due to concurrent update")));
}
