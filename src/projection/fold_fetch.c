/*-------------------------------------------------------------------------
 *
 * fold_fetch.c
 *		Fetching the rows that a batch touches.
 *
 * NOTES
 *		One probe of the primary key's index per row, in the order of the key:
 *		neighbours share pages of the index, and often of the table.  A query
 *		with a list of keys spends several times as much on the same probes.
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
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "projection/fold_table.h"

static void begin_keys(CqrsFoldTable *table, ScanKey keys);

/*
 * Fetches the rows that have not been fetched yet.  The table is open.
 */
void
cqrs_fold_fetch(CqrsFoldTable *table)
{
	CqrsFoldOpen *open = table->open;
	CqrsFoldRow **rows = table->rows + table->nfetched;
	int			n = table->nrows - table->nfetched;
	ScanKeyData keys[INDEX_MAX_KEYS];
	IndexScanDesc scan;

	if (n == 0)
		return;
	qsort_arg(rows, n, sizeof(CqrsFoldRow *), cqrs_fold_row_compare, table);

	begin_keys(table, keys);
	scan = cqrs_index_beginscan(open->rel, open->index, GetActiveSnapshot(), table->nkeys);
	for (int i = 0; i < n; i++)
	{
		CqrsFoldRow *row = rows[i];

		CHECK_FOR_INTERRUPTS();
		for (int k = 0; k < table->nkeys; k++)
			keys[k].sk_argument = row->values[table->keys[k].attno - 1];
		index_rescan(scan, keys, table->nkeys, NULL, 0);
		if (index_getnext_slot(scan, ForwardScanDirection, open->slot))
			cqrs_fold_row_load(table, row, open->slot);
		row->fetched = true;
	}
	index_endscan(scan);
	ExecClearTuple(open->slot);
	table->nfetched = table->nrows;
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
