/*-------------------------------------------------------------------------
 *
 * fold_fetch.c
 *		Fetching the rows that a batch touches.
 *
 * NOTES
 *		First the index of the primary key is probed for each row in the order of
 *		the keys, as neighbours share pages of the index.  Then the rows are
 *		read in the order of their places: each page of the table is pinned,
 *		and perhaps pruned, once.  A query with a list of keys spends several
 *		times as much on the same work.
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

static int	probe(CqrsFoldTable *table, CqrsFoldRow **rows, int n, CqrsFoldRow **found);
static bool probe_one(CqrsFoldTable *table, IndexScanDesc scan, ScanKey keys, CqrsFoldRow *row);
static void read_rows(CqrsFoldTable *table, CqrsFoldRow **found, int n);
static void read_row(CqrsFoldTable *table, IndexFetchTableData *fetch, CqrsFoldRow *row);
static bool is_full(CqrsFoldTable *table);
static int	compare_places(const void *a, const void *b);
static void begin_keys(CqrsFoldTable *table, ScanKey keys);

/*
 * Fetches the rows that have not been fetched yet.  The table is open.  They
 * are put in the order in which they are best written: those that exist by
 * place, then the others by key.
 */
void
cqrs_fold_fetch(CqrsFoldTable *table)
{
	CqrsFoldRow **rows = table->rows + table->nfetched;
	int			n = table->nrows - table->nfetched;
	CqrsFoldRow **found;
	int			nfound;
	int			nabsent = 0;

	if (n == 0)
		return;
	qsort_arg(rows, n, sizeof(CqrsFoldRow *), cqrs_fold_row_compare, table);

	found = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(CqrsFoldRow *));
	nfound = probe(table, rows, n, found);
	qsort(found, nfound, sizeof(CqrsFoldRow *), compare_places);
	read_rows(table, found, nfound);

	/* from the end, so that nothing is overwritten before it has been moved */
	for (int i = n - 1; i >= 0; i--)
		if (!ItemPointerIsValid(&rows[i]->tid))
			rows[n - 1 - nabsent++] = rows[i];
	Assert(nfound + nabsent == n);
	memcpy(rows, found, nfound * sizeof(CqrsFoldRow *));
	pfree(found);
	table->nfetched = table->nrows;
}

/*
 * Looks the rows up in the index, and collects those that may exist.
 */
static int
probe(CqrsFoldTable *table, CqrsFoldRow **rows, int n, CqrsFoldRow **found)
{
	CqrsFoldOpen *open = table->open;
	ScanKeyData keys[INDEX_MAX_KEYS];
	IndexScanDesc scan;
	BlockNumber blocks = RelationGetNumberOfBlocks(open->rel);
	int			nfound = 0;

	begin_keys(table, keys);
	scan = cqrs_index_beginscan(open->rel, open->index, GetActiveSnapshot(), table->nkeys);
	for (int i = 0; i < n; i++)
	{
		CqrsFoldRow *row = rows[i];

		CHECK_FOR_INTERRUPTS();
		if (!is_full(table) && cqrs_fold_place_recall(table, row, blocks))
		{
			found[nfound++] = row;
			row->fetched = true;
			continue;
		}
		for (int k = 0; k < table->nkeys; k++)
			keys[k].sk_argument = row->values[table->keys[k].attno - 1];
		if (probe_one(table, scan, keys, row))
			found[nfound++] = row;
		row->fetched = true;
	}
	index_endscan(scan);
	ExecClearTuple(open->slot);
	return nfound;
}

/*
 * False when there is no such row.  With several candidates, which are versions
 * of the row, we look at once: the index is told which ones are dead.
 */
static bool
probe_one(CqrsFoldTable *table, IndexScanDesc scan, ScanKey keys, CqrsFoldRow *row)
{
	ItemPointer candidate;

	ItemPointerSetInvalid(&row->tid);
	index_rescan(scan, keys, table->nkeys, NULL, 0);
	candidate = index_getnext_tid(scan, ForwardScanDirection);
	if (candidate == NULL)
		return false;
	row->tid = *candidate;
	row->unread = true;
	if (index_getnext_tid(scan, ForwardScanDirection) == NULL)
		return true;

	ItemPointerSetInvalid(&row->tid);
	row->unread = false;
	index_rescan(scan, keys, table->nkeys, NULL, 0);
	if (!index_getnext_slot(scan, ForwardScanDirection, table->open->slot))
		return false;
	cqrs_fold_row_load(table, row, table->open->slot);
	return true;
}

/*
 * Reads the rows that have not been read in passing, as far as there is memory for
 * them.
 */
static void
read_rows(CqrsFoldTable *table, CqrsFoldRow **found, int n)
{
	IndexFetchTableData *fetch = table_index_fetch_begin(table->open->rel);

	for (int i = 0; i < n && !is_full(table); i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (found[i]->unread)
			read_row(table, fetch, found[i]);
	}
	table_index_fetch_end(fetch);
	ExecClearTuple(table->open->slot);
}

/*
 * Reads one of the others, when it is needed.  The table has been open since they
 * were fetched.
 */
void
cqrs_fold_read(CqrsFoldTable *table, CqrsFoldRow *row)
{
	IndexFetchTableData *fetch = table_index_fetch_begin(table->open->rel);

	read_row(table, fetch, row);
	table_index_fetch_end(fetch);
	ExecClearTuple(table->open->slot);
}

static void
read_row(CqrsFoldTable *table, IndexFetchTableData *fetch, CqrsFoldRow *row)
{
	ItemPointerData tid = row->tid;
	bool		again = false;

	row->unread = false;
	if (table_index_fetch_tuple(fetch, &tid, GetActiveSnapshot(), table->open->slot,
								&again, NULL))
		cqrs_fold_row_load(table, row, table->open->slot);
}

static bool
is_full(CqrsFoldTable *table)
{
	return cqrs_fold_table_memory(table) > cqrs_fold_memory_limit();
}

static int
compare_places(const void *a, const void *b)
{
	return ItemPointerCompare(&(*(CqrsFoldRow **) a)->tid, &(*(CqrsFoldRow **) b)->tid);
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
