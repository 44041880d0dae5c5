/*-------------------------------------------------------------------------
 *
 * row.c
 *		Rows of our tables, reached from C: find, read, lock, update.
 *
 * NOTES
 *		A row that is to be changed is found by a dirty index scan, so that one sees what others have
 *		inserted and not yet committed and can wait for them, as the executor
 *		does for ON CONFLICT.  A caller that updates one row again and again
 *		passes the row's last place as a hint: an index scan would have to walk
 *		over every version that an old snapshot keeps alive.
 *
 *		All tables have a primary key on one text column that comes first in
 *		the row, or one that cqrs_table_find() is given in full, or none that
 *		we search by.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/row.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_collation.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/predicate.h"
#include "storage/smgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/table.h"

/* free space on a page that is enough for another version of a row */
#define ROOM_FOR_VERSION 1024

static bool only_the_key_is_unique(CqrsTable *table);
static Relation opened_primary_key(CqrsTable *table);
static bool find_in(Relation rel, Relation index, ScanKeyData *keys, int nkeys,
					TupleTableSlot *slot, TransactionId *updater);
static bool next_version(Relation rel, IndexScanDesc scan, Snapshot snapshot,
						 TupleTableSlot *slot);
static bool is_at(Relation rel, text *key, ItemPointer tid, Snapshot snapshot,
				  TupleTableSlot *slot);
static bool key_matches(TupleTableSlot *slot, text *key);
pg_noreturn static void serialization_failure(void);

/*
 * Has the table, which we have locked, a block of that number?
 *
 * While it is locked it may only grow; if it was cut off before, that has told us to
 * forget its size.  So what we have known once will do, and the file system is
 * asked, which may take as long as to read the row, for what lies beyond.
 */
bool
cqrs_block_exists(Relation rel, BlockNumber block)
{
	BlockNumber known = RelationGetSmgr(rel)->smgr_cached_nblocks[MAIN_FORKNUM];

	return (known != InvalidBlockNumber && block < known) ||
		block < RelationGetNumberOfBlocks(rel);
}

/*
 * Is the row with this key at that place, and alive for us?
 */
bool
cqrs_row_at(Relation rel, text *key, ItemPointer tid, TupleTableSlot *slot)
{
	return is_at(rel, key, tid, SnapshotSelf, slot);
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
	Relation	index;
	bool		found;

	Assert(TTS_IS_BUFFERTUPLE(slot));
	*updater = InvalidTransactionId;
	if (hint && cqrs_row_at(rel, key, hint, slot))
		return true;

	ScanKeyInit(&skey, 1, BTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(key));
	skey.sk_collation = C_COLLATION_OID;
	index = index_open(cqrs_primary_key(rel), AccessShareLock);
	found = find_in(rel, index, &skey, 1, slot, updater);
	index_close(index, NoLock);
	return found;
}

/*
 * The same for any primary key of a table that is open for inserts.
 */
bool
cqrs_table_find(CqrsTable *table, ScanKeyData *keys, int nkeys, TransactionId *updater)
{
	*updater = InvalidTransactionId;
	return find_in(table->rel, opened_primary_key(table), keys, nkeys, table->slot, updater);
}

/*
 * Finds the row with this key that the snapshot shows.  The hint, which may be NULL,
 * tells where it was, and then where it is.
 */
bool
cqrs_row_read(Relation rel, text *key, ItemPointer hint, Snapshot snapshot, TupleTableSlot *slot)
{
	Relation	index;
	IndexScanDesc scan;
	ScanKeyData skey;
	bool		found;

	if (hint && is_at(rel, key, hint, snapshot, slot))
		return true;
	index = index_open(cqrs_primary_key(rel), AccessShareLock);
	scan = cqrs_index_beginscan(rel, index, snapshot, 1);
	ScanKeyInit(&skey, 1, BTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(key));
	skey.sk_collation = C_COLLATION_OID;
	index_rescan(scan, &skey, 1, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	index_endscan(scan);
	index_close(index, NoLock);
	if (hint && found)
		*hint = slot->tts_tid;
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
	CqrsUpdateIndexes update_indexes;
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

	if (update_indexes == CQRS_UPDATE_NONE)
		 /* all is done */ ;
	else if (only_the_key_is_unique(table))
		cqrs_version_insert_entries(table->rri, opened_primary_key(table), table->slot,
									table->estate, update_indexes);
	else
		list_free(cqrs_exec_insert_index_tuples(table->rri, table->slot, table->estate,
												false, false, NULL, NIL));
	ResetPerTupleExprContext(table->estate);
	return true;
}

/*
 * Makes the index entries for a new version of a row that has been there, with the
 * same key: nobody else can have it, so that is not looked for, however many dead
 * versions there are that somebody's snapshot keeps.  Other indexes must be neither
 * unique nor partial.
 */
void
cqrs_version_insert_entries(ResultRelInfo *rri, Relation key, TupleTableSlot *slot,
							EState *estate, CqrsUpdateIndexes which)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	if (which == CQRS_UPDATE_NONE)
		return;
	for (int i = 0; i < rri->ri_NumIndices; i++)
	{
		IndexInfo  *info = rri->ri_IndexRelationInfo[i];
		Relation	index = rri->ri_IndexRelationDescs[i];

		if (!info->ii_ReadyForInserts ||
			(which == CQRS_UPDATE_SUMMARIZING && !cqrs_index_is_summarizing(info)))
			continue;
		FormIndexDatum(info, slot, estate, values, isnull);
		(void) index_insert(index, values, isnull, &slot->tts_tid, rri->ri_RelationDesc,
							UNIQUE_CHECK_NO, index == key, info);
	}
	ResetPerTupleExprContext(estate);
}

/*
 * Of the indexes that others have put on our table, too?
 */
static bool
only_the_key_is_unique(CqrsTable *table)
{
	Oid			key = cqrs_primary_key(table->rel);

	for (int i = 0; i < table->rri->ri_NumIndices; i++)
	{
		IndexInfo  *info = table->rri->ri_IndexRelationInfo[i];

		if (RelationGetRelid(table->rri->ri_IndexRelationDescs[i]) != key &&
			(info->ii_Unique || info->ii_Expressions || info->ii_Predicate || info->ii_ExclusionOps))
			return false;
	}
	return true;
}

/*
 * The primary key among the table's indexes, which are open.
 */
static Relation
opened_primary_key(CqrsTable *table)
{
	Oid			oid = cqrs_primary_key(table->rel);

	for (int i = 0; i < table->rri->ri_NumIndices; i++)
		if (RelationGetRelid(table->rri->ri_IndexRelationDescs[i]) == oid)
			return table->rri->ri_IndexRelationDescs[i];
	elog(ERROR, "table \"%s\" has no primary key", RelationGetRelationName(table->rel));
}

/*
 * Finds the newest version of a row by its key, as cqrs_row_find() says.
 */
static bool
find_in(Relation rel, Relation index, ScanKeyData *keys, int nkeys, TupleTableSlot *slot,
		TransactionId *updater)
{
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
	return found;
}

/*
 * The next version in an index scan that the snapshot shows.
 *
 * index_getnext_slot() would do, but it prunes the page whenever there is less
 * free space than the fillfactor asks for.  On a table of rows that are only
 * ever updated that is always: each update would pay for pruning a whole page.
 * We prune when the next version would not fit, and do many at once.
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
is_at(Relation rel, text *key, ItemPointer tid, Snapshot snapshot, TupleTableSlot *slot)
{
	return ItemPointerIsValid(tid) && cqrs_block_exists(rel, ItemPointerGetBlockNumber(tid)) &&
		table_tuple_fetch_row_version(rel, tid, snapshot, slot) && key_matches(slot, key);
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
