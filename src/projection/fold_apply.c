/*-------------------------------------------------------------------------
 *
 * fold_apply.c
 *		What one operation does to its row.
 *
 * NOTES
 *		Everything the executor would check for the statement is checked here,
 *		for each event: generated columns are computed, NOT NULL and CHECK
 *		constraints hold for each version of the row, and a second row with the
 *		same key is an error, in the order in which the executor does it.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/fold_apply.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "executor/nodeModifyTable.h"
#include "utils/datum.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "projection/fold_table.h"

/* an index takes values of this total size for sure */
#define SAFE_INDEXED_SIZE	1000

static void insert_row(CqrsFoldTable *table, CqrsFold *fold, CqrsFoldRow *row);
static void update_row(CqrsFoldTable *table, CqrsFold *fold, CqrsFoldRow *row);
static void complete_row(CqrsFoldTable *table, TupleTableSlot *slot, bool check);
pg_noreturn static void duplicate_key(CqrsFoldTable *table, CqrsFoldRow *row);
static void show_row(CqrsFoldTable *table, CqrsFold *fold, CqrsFoldRow *row);
static bool is_long(CqrsFoldTable *table, CqrsFoldRow *row, Bitmapset *columns);

/*
 * Does one operation.  The table is open and the row has been fetched.
 */
void
cqrs_fold_apply_op(CqrsFoldTable *table, CqrsFoldOp *op)
{
	CqrsFold   *fold = op->fold;
	CqrsFoldRow *row = op->row;

	fold->event_slot->tts_values = op->event->values;
	fold->event_slot->tts_isnull = op->event->isnull;
	ResetExprContext(fold->econtext);

	switch (fold->command)
	{
		case CMD_INSERT:
			insert_row(table, fold, row);
			break;

		case CMD_UPDATE:
			if (row->present)
			{
				show_row(table, fold, row);
				if (fold->where_state == NULL || ExecQual(fold->where_state, fold->econtext))
					update_row(table, fold, row);
			}
			break;

		default:
			Assert(fold->command == CMD_DELETE);
			if (row->present)
			{
				show_row(table, fold, row);
				if (fold->where_state == NULL || ExecQual(fold->where_state, fold->econtext))
					cqrs_fold_row_delete(row);
			}
			break;
	}

	if (row && row->changed && row->present)
	{
		if (table->left_out && is_long(table, row, table->left_out))
			table->engine->needs_indexes = true;
		if (table->watched && is_long(table, row, table->watched))
			cqrs_fold_write_through(table, row);
	}
}

static void
insert_row(CqrsFoldTable *table, CqrsFold *fold, CqrsFoldRow *row)
{
	TupleTableSlot *slot = ExecProject(fold->insert_projection);

	complete_row(table, slot, true);
	if (row == NULL)
		elog(ERROR, "null in a primary key of table \"%s\" has not been noticed", table->name);

	if (!row->present)
		cqrs_fold_row_store(table, row, slot->tts_values, slot->tts_isnull, NULL,
							table->desc->natts);
	else if (fold->conflict == ONCONFLICT_NONE)
		duplicate_key(table, row);
	else if (fold->conflict == ONCONFLICT_UPDATE)
	{
		show_row(table, fold, row);
		fold->econtext->ecxt_innertuple = slot;
		if (fold->where_state == NULL || ExecQual(fold->where_state, fold->econtext))
			update_row(table, fold, row);
	}
}

/*
 * Updates the row that is shown.
 */
static void
update_row(CqrsFoldTable *table, CqrsFold *fold, CqrsFoldRow *row)
{
	TupleTableSlot *next = table->open->next;
	TupleTableSlot *set = NULL;

	if (fold->set_projection)
		set = ExecProject(fold->set_projection);

	if (!fold->check_update && !table->generated)
	{
		if (set)
			cqrs_fold_row_store(table, row, set->tts_values, set->tts_isnull,
								fold->set_columns, fold->nset);
		return;
	}

	ExecClearTuple(next);
	memcpy(next->tts_values, row->values, table->desc->natts * sizeof(Datum));
	memcpy(next->tts_isnull, row->isnull, table->desc->natts * sizeof(bool));
	for (int i = 0; i < fold->nset; i++)
	{
		next->tts_values[fold->set_columns[i] - 1] = set->tts_values[i];
		next->tts_isnull[fold->set_columns[i] - 1] = set->tts_isnull[i];
	}
	ExecStoreVirtualTuple(next);
	complete_row(table, next, fold->check_update);
	cqrs_fold_row_store(table, row, next->tts_values, next->tts_isnull, NULL,
						table->desc->natts);
}

/*
 * Computes generated columns, and checks constraints.
 */
static void
complete_row(CqrsFoldTable *table, TupleTableSlot *slot, bool check)
{
	CqrsFoldOpen *open = table->open;

	slot->tts_tableOid = table->relid;
	if (table->generated)
	{
		ExecComputeStoredGenerated(open->rri, open->estate, slot, CMD_INSERT);
		ResetPerTupleExprContext(open->estate);
	}
	if (check && open->rel->rd_att->constr)
	{
		ExecConstraints(open->rri, slot, open->estate);
		ResetPerTupleExprContext(open->estate);
	}
}

static void
duplicate_key(CqrsFoldTable *table, CqrsFoldRow *row)
{
	Relation	index = table->open->index;
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS] = {false};
	char	   *description;

	for (int i = 0; i < IndexRelationGetNumberOfAttributes(index); i++)
	{
		int			column = index->rd_index->indkey.values[i] - 1;

		values[i] = row->values[column];
		isnull[i] = row->isnull[column];
	}
	description = BuildIndexValueDescription(index, values, isnull);
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("duplicate key value violates unique constraint \"%s\"",
					RelationGetRelationName(index)),
			 description ? errdetail("Key %s already exists.", description) : 0,
			 errtableconstraint(table->open->rel, RelationGetRelationName(index))));
}

/*
 * Makes the row the scan tuple of the fold's expressions.
 */
static void
show_row(CqrsFoldTable *table, CqrsFold *fold, CqrsFoldRow *row)
{
	TupleTableSlot *current = table->open->current;

	current->tts_values = row->values;
	current->tts_isnull = row->isnull;
	fold->econtext->ecxt_scantuple = current;
}

/*
 * May an index of these columns refuse the row?  Then it shall do so at this event.
 * What is stored out of line or compressed counts as it is in full.
 */
static bool
is_long(CqrsFoldTable *table, CqrsFoldRow *row, Bitmapset *columns)
{
	Size		size = 0;
	int			column = -1;

	while ((column = bms_next_member(columns, column)) >= 0)
		if (!row->isnull[column - 1])
			size += TupleDescAttr(table->desc, column - 1)->attlen == -1 ?
				toast_raw_datum_size(row->values[column - 1]) :
				datumGetSize(row->values[column - 1], false,
							 TupleDescAttr(table->desc, column - 1)->attlen);
	return size > SAFE_INDEXED_SIZE;
}
