/*-------------------------------------------------------------------------
 *
 * fold_fetch.c
 *		Fetching the rows that a batch touches.
 *
 * NOTES
 *		First the index of the primary key is probed for each row in the order of
 *		the keys, as neighbours share pages of the index.  Then the rows are
 *		read, group by group, in the order of their places: each page of the table
 *		is pinned once.  A query with a list of keys spends
 *		several times as much on the same work.
 *
 *		Between the two nobody holds the index page.  A place may be vacuumed
 *		and used again meanwhile, but whatever is put there is too young for
 *		our snapshot; bitmap scans rest on the same.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/fold_fetch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "projection/fold_table.h"

/*
 * A row and what it is sorted by.
 */
typedef struct Sorted
{
	uint64		word;
	CqrsFoldRow *row;
} Sorted;

#define ST_SORT sort_rows
#define ST_ELEMENT_TYPE Sorted
#define ST_COMPARE(a, b) ((a)->word < (b)->word ? -1 : (a)->word > (b)->word)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

static void sort_by_key(CqrsFoldTable *table, CqrsFoldRow **rows, int n, Sorted *sorted);
static void probe(CqrsFoldTable *table, CqrsFoldRow **rows, int n);
static void probe_one(CqrsFoldTable *table, IndexScanDesc scan, ScanKey keys, CqrsFoldRow *row);
static void sort_by_place(CqrsFoldRow **rows, int n, Sorted *sorted);
static void read_row(CqrsFoldTable *table, CqrsFoldRow *row);
static bool is_full(CqrsFoldTable *table);
static void begin_keys(CqrsFoldTable *table, ScanKey keys);

/*
 * Looks up the rows that have not been looked up yet.  The table is open.  They
 * are put in the order in which they are best read and written: those that exist
 * by place, then the others by key.
 */
void
cqrs_fold_find(CqrsFoldTable *table)
{
	CqrsFoldRow **rows = table->rows + table->nfound;
	int			n = table->nrows - table->nfound;
	Sorted	   *sorted;

	if (n == 0)
		return;
	sorted = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(Sorted));
	sort_by_key(table, rows, n, sorted);
	probe(table, rows, n);
	sort_by_place(rows, n, sorted);
	pfree(sorted);
	table->nfound = table->nrows;
}

static void
sort_by_key(CqrsFoldTable *table, CqrsFoldRow **rows, int n, Sorted *sorted)
{
	if (!cqrs_fold_has_word_keys(table))
	{
		qsort_arg(rows, n, sizeof(CqrsFoldRow *), cqrs_fold_row_compare, table);
		return;
	}
	for (int i = 0; i < n; i++)
	{
		sorted[i].word = cqrs_fold_row_word(table, rows[i]);
		sorted[i].row = rows[i];
	}
	sort_rows(sorted, n);
	for (int i = 0; i < n; i++)
		rows[i] = sorted[i].row;
}

/*
 * Looks the rows up in the index.  Those that may exist have a place then.
 */
static void
probe(CqrsFoldTable *table, CqrsFoldRow **rows, int n)
{
	CqrsFoldOpen *open = table->open;
	ScanKeyData keys[INDEX_MAX_KEYS];
	IndexScanDesc scan;

	begin_keys(table, keys);
	scan = cqrs_index_beginscan(open->rel, open->index, GetActiveSnapshot(), table->nkeys);
	for (int i = 0; i < n; i++)
	{
		CqrsFoldRow *row = rows[i];

		CHECK_FOR_INTERRUPTS();
		if (!is_full(table) && cqrs_fold_place_recall(table, row))
			continue;
		for (int k = 0; k < table->nkeys; k++)
			keys[k].sk_argument = row->values[table->keys[k].attno - 1];
		probe_one(table, scan, keys, row);
	}
	index_endscan(scan);
	ExecClearTuple(open->slot);
}

/*
 * Looks one up.  With several candidates, which are versions
 * of the row, we look at once: the index is told which ones are dead.
 */
static void
probe_one(CqrsFoldTable *table, IndexScanDesc scan, ScanKey keys, CqrsFoldRow *row)
{
	ItemPointer candidate;

	ItemPointerSetInvalid(&row->tid);
	index_rescan(scan, keys, table->nkeys, NULL, 0);
	candidate = index_getnext_tid(scan, ForwardScanDirection);
	if (candidate == NULL)
		return;
	row->tid = *candidate;
	row->unread = true;
	if (index_getnext_tid(scan, ForwardScanDirection) == NULL)
		return;

	ItemPointerSetInvalid(&row->tid);
	row->unread = false;
	index_rescan(scan, keys, table->nkeys, NULL, 0);
	if (index_getnext_slot(scan, ForwardScanDirection, table->open->slot))
		cqrs_fold_row_load(table, row, table->open->slot);
}

static void
sort_by_place(CqrsFoldRow **rows, int n, Sorted *sorted)
{
	int			nfound = 0;
	int			nabsent = 0;

	for (int i = 0; i < n; i++)
	{
		CqrsFoldRow *row = rows[i];

		if (ItemPointerIsValid(&row->tid))
		{
			sorted[nfound].word = ((uint64) ItemPointerGetBlockNumber(&row->tid) << 16) |
				ItemPointerGetOffsetNumber(&row->tid);
			sorted[nfound++].row = row;
		}
		else
			rows[nabsent++] = row;
	}
	sort_rows(sorted, nfound);
	memmove(rows + nfound, rows, nabsent * sizeof(CqrsFoldRow *));
	for (int i = 0; i < nfound; i++)
		rows[i] = sorted[i].row;
}

/*
 * Reads the rows in a range that have not been read in passing, as far as there is
 * memory for them.
 */
void
cqrs_fold_read(CqrsFoldTable *table, int from, int to)
{
	for (int i = from; i < to && !is_full(table); i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (table->rows[i]->unread)
			read_row(table, table->rows[i]);
	}
	cqrs_fold_page_leave(table->open);
}

/*
 * Reads one of the others, when it is needed.  The table has been open since they
 * were looked up.
 */
void
cqrs_fold_read_one(CqrsFoldTable *table, CqrsFoldRow *row)
{
	read_row(table, row);
	cqrs_fold_page_leave(table->open);
}

static void
read_row(CqrsFoldTable *table, CqrsFoldRow *row)
{
	row->unread = false;
	if (cqrs_fold_page_read(table->open, &row->tid))
		cqrs_fold_row_load(table, row, table->open->slot);
}

static bool
is_full(CqrsFoldTable *table)
{
	return cqrs_fold_table_memory(table) > cqrs_fold_memory_limit();
}

static void
begin_keys(CqrsFoldTable *table, ScanKey keys)
{
	for (int k = 0; k < table->nkeys; k++)
	{
		CqrsFoldKey *key = &table->keys[k];

		ScanKeyEntryInitialize(&keys[k], 0, k + 1, BTEqualStrategyNumber, InvalidOid,
							   key->collation, key->equal_proc, (Datum) 0);
	}
}
