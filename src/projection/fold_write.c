/*-------------------------------------------------------------------------
 *
 * fold_write.c
 *		Writing rows back.
 *
 * NOTES
 *		Rows go to the table through its access method, in the order in which they
 *		were fetched: one version a row and batch, at the old place when there is
 *		room on its page.  Constraints have been checked.
 *
 *		Nobody else should write to the tables of a build, but other transactions
 *		do to those of an inline projection.  If somebody has changed a row since
 *		we fetched it, or inserted one that was not there, the race is lost: the
 *		batch fails with 40001 and is tried again.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/fold_write.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/table.h"
#include "projection/fold_table.h"

/* rows inserted at once */
#define INSERT_CHUNK	256

static Size room_needed(CqrsFoldTable *table, int from, int to);
static void put_row(TupleTableSlot *slot, CqrsFoldTable *table, CqrsFoldRow *row);
static void update_row(CqrsFoldTable *table, CqrsFoldRow *row);
static void delete_row(CqrsFoldTable *table, CqrsFoldRow *row);
static void insert_rows(CqrsFoldTable *table);
static void insert_chunk(CqrsFoldTable *table, TupleTableSlot **slots, int n);
static void insert_entries(CqrsFoldOpen *open, TupleTableSlot **slots, int n);
static void remember_all(CqrsFoldTable *table, CqrsFoldRow **rows, TupleTableSlot **slots, int n);
static void check_result(CqrsFoldTable *table, TM_Result result);
pg_noreturn static void lost_race(CqrsFoldTable *table);

/*
 * Opens the table.  What has been compiled for it must still hold.
 */
void
cqrs_fold_open(CqrsFoldTable *table)
{
	CqrsFoldOpen *open = palloc0(sizeof(CqrsFoldOpen));
	Relation	rel = try_table_open(table->relid, RowExclusiveLock);

	if (rel == NULL ||
		(!table->engine->valid && !cqrs_fold_table_unchanged(table, rel)))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("table \"%s\" of projection \"%s\" has been changed",
						table->name, table->engine->projection),
				 errhint("Try again.")));

	PushActiveSnapshot(GetTransactionSnapshot());
	open->rel = rel;
	open->estate = CreateExecutorState();
	open->rri = makeNode(ResultRelInfo);
	InitResultRelInfo(open->rri, rel, 0, NULL, 0);
	ExecOpenIndices(open->rri, false);
	for (int i = 0; i < open->rri->ri_NumIndices; i++)
		if (RelationGetRelid(open->rri->ri_IndexRelationDescs[i]) == table->index)
			open->index = open->rri->ri_IndexRelationDescs[i];
	if (open->index == NULL)
		elog(ERROR, "primary key of table \"%s\" not found", table->name);

	open->slot = table_slot_create(rel, NULL);
	open->next = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);
	open->current = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);
	ExecStoreAllNullTuple(open->current);
	cqrs_fold_pages_begin(open);
	table->open = open;
}

/*
 * Closes it.  What has been written is visible from now on.
 */
void
cqrs_fold_close(CqrsFoldTable *table)
{
	CqrsFoldOpen *open = table->open;

	cqrs_fold_pages_end(open);
	ExecDropSingleTupleTableSlot(open->slot);
	ExecDropSingleTupleTableSlot(open->next);
	ExecDropSingleTupleTableSlot(open->current);
	ExecCloseIndices(open->rri);
	FreeExecutorState(open->estate);
	table_close(open->rel, NoLock);
	PopActiveSnapshot();
	if (open->wrote)
		CommandCounterIncrement();
	pfree(open->rri);
	pfree(open);
	table->open = NULL;
}

/*
 * Writes all rows that have changed.  They are forgotten then.
 */
void
cqrs_fold_write(CqrsFoldTable *table)
{
	cqrs_fold_write_stored(table, 0, table->nrows);
	insert_rows(table);
}

/*
 * Writes the rows in a range that have changed and that the table has a version
 * of.
 */
void
cqrs_fold_write_stored(CqrsFoldTable *table, int from, int to)
{
	BlockNumber block = InvalidBlockNumber;

	for (int i = from; i < to; i++)
	{
		CqrsFoldRow *row = table->rows[i];

		if (!row->changed || !row->stored)
			continue;
		CHECK_FOR_INTERRUPTS();
		if (ItemPointerGetBlockNumber(&row->tid) != block)
		{
			block = ItemPointerGetBlockNumber(&row->tid);
			cqrs_fold_page_make_room(table->open, block, room_needed(table, i, to));
		}
		if (row->present)
		{
			update_row(table, row);
			row->tid = table->open->slot->tts_tid;
		}
		else
			delete_row(table, row);
		row->stored = row->present;
		row->changed = false;
	}
}

/*
 * What rows in a range that are written to the page of the first one take there: as
 * much as their old versions.
 */
static Size
room_needed(CqrsFoldTable *table, int from, int to)
{
	BlockNumber block = ItemPointerGetBlockNumber(&table->rows[from]->tid);
	Size		result = 0;

	for (int i = from; i < to; i++)
	{
		CqrsFoldRow *row = table->rows[i];

		if (!ItemPointerIsValid(&row->tid) ||
			ItemPointerGetBlockNumber(&row->tid) != block)
			break;
		if (row->changed && row->stored && row->present)
			result += row->size;
	}
	return result;
}

/*
 * Writes one row, which exists, at once.
 */
void
cqrs_fold_write_through(CqrsFoldTable *table, CqrsFoldRow *row)
{
	CqrsFoldOpen *open = table->open;

	if (row->stored)
	{
		cqrs_fold_page_make_room(open, ItemPointerGetBlockNumber(&row->tid), row->size);
		update_row(table, row);
	}
	else
	{
		put_row(open->slot, table, row);
		insert_chunk(table, &open->slot, 1);
	}
	row->tid = open->slot->tts_tid;
	cqrs_fold_place_remember(table, row, &row->tid);
	row->stored = true;
	row->changed = false;
	CommandCounterIncrement();
}

static void
put_row(TupleTableSlot *slot, CqrsFoldTable *table, CqrsFoldRow *row)
{
	int			natts = table->desc->natts;

	ExecClearTuple(slot);
	memcpy(slot->tts_values, row->values, natts * sizeof(Datum));
	memcpy(slot->tts_isnull, row->isnull, natts * sizeof(bool));
	ExecStoreVirtualTuple(slot);
}

static void
update_row(CqrsFoldTable *table, CqrsFoldRow *row)
{
	CqrsFoldOpen *open = table->open;
	TM_FailureData failure;
	LockTupleMode lockmode;
	CqrsUpdateIndexes update_indexes;

	if (!open->wrote)
		CheckCmdReplicaIdentity(open->rel, CMD_UPDATE);
	put_row(open->slot, table, row);
	check_result(table,
				 cqrs_table_tuple_update(open->rel, &row->tid, open->slot,
										 GetCurrentCommandId(true), GetActiveSnapshot(),
										 &failure, &lockmode, &update_indexes));
	open->wrote = true;
	cqrs_fold_place_remember(table, row, &open->slot->tts_tid);
	/* other indexes are not unique (fold_target.c) */
	cqrs_version_insert_entries(open->rri, open->index, open->slot, open->estate,
								update_indexes);
}

static void
delete_row(CqrsFoldTable *table, CqrsFoldRow *row)
{
	CqrsFoldOpen *open = table->open;
	TM_FailureData failure;

	CheckCmdReplicaIdentity(open->rel, CMD_DELETE);
	check_result(table,
				 table_tuple_delete(open->rel, &row->tid, GetCurrentCommandId(true),
									GetActiveSnapshot(), InvalidSnapshot, true,
									&failure, false));
	open->wrote = true;
}

static void
insert_rows(CqrsFoldTable *table)
{
	TupleTableSlot *slots[INSERT_CHUNK];
	CqrsFoldRow *rows[INSERT_CHUNK];
	int			made = 0;
	int			n = 0;

	for (int i = 0; i < table->nrows; i++)
	{
		CqrsFoldRow *row = table->rows[i];

		if (!row->changed || row->stored || !row->present)
			continue;
		if (n == made)
			slots[made++] = table_slot_create(table->open->rel, NULL);
		rows[n] = row;
		put_row(slots[n++], table, row);
		if (n == INSERT_CHUNK)
		{
			insert_chunk(table, slots, n);
			remember_all(table, rows, slots, n);
			n = 0;
		}
	}
	if (n > 0)
	{
		insert_chunk(table, slots, n);
		remember_all(table, rows, slots, n);
	}
	for (int i = 0; i < made; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
}

static void
remember_all(CqrsFoldTable *table, CqrsFoldRow **rows, TupleTableSlot **slots, int n)
{
	for (int i = 0; i < n; i++)
		cqrs_fold_place_remember(table, rows[i], &slots[i]->tts_tid);
}

static void
insert_chunk(CqrsFoldTable *table, TupleTableSlot **slots, int n)
{
	CqrsFoldOpen *open = table->open;

	CHECK_FOR_INTERRUPTS();
	if (n == 1)
		table_tuple_insert(open->rel, slots[0], GetCurrentCommandId(true), 0, NULL);
	else
		table_multi_insert(open->rel, slots, n, GetCurrentCommandId(true), 0, NULL);
	open->wrote = true;

	PG_TRY();
	{
		insert_entries(open, slots, n);
	}
	PG_CATCH();
	{
		/* only the primary key is unique, and there was no row with this one */
		if (geterrcode() != ERRCODE_UNIQUE_VIOLATION)
			PG_RE_THROW();
		FlushErrorState();
		lost_race(table);
	}
	PG_END_TRY();
}

static void
insert_entries(CqrsFoldOpen *open, TupleTableSlot **slots, int n)
{
	for (int i = 0; i < n; i++)
	{
		list_free(cqrs_exec_insert_index_tuples(open->rri, slots[i], open->estate,
												false, false, NULL, NIL));
		ResetPerTupleExprContext(open->estate);
	}
}

static void
check_result(CqrsFoldTable *table, TM_Result result)
{
	if (result == TM_Ok)
		return;
	if (result == TM_Updated || result == TM_Deleted || result == TM_SelfModified)
		lost_race(table);
	elog(ERROR, "unexpected result of changing a row of \"%s\": %d", table->name, (int) result);
}

static void
lost_race(CqrsFoldTable *table)
{
	table->engine->lost_race = true;
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("a row of table \"%s\" of projection \"%s\" has been changed by somebody else",
					table->name, table->engine->projection),
			 errhint("Try again.  Only the projection should write to its tables.")));
}
