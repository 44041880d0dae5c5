/*-------------------------------------------------------------------------
 *
 * fold_place.c
 *		Where rows were written last: the shortest way to a row that is hot.
 *
 * NOTES
 *		An index leads to a row by way of all of its versions that somebody may
 *		still want to see.  While a snapshot is held for long, each batch adds
 *		one for each row that it touches.  So we remember the places of rows that
 *		were written lately, by the hash of their keys, and look there first.
 *
 *		A place is a hint.  A version at that place which the snapshot shows and
 *		which has the key is the row, as the key is unique; whatever else is
 *		there, the index is asked.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/fold_place.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/table.h"
#include "projection/fold_table.h"

/* a power of two: 80 kB a table */
#define PLACES 8192

struct CqrsFoldPlace
{
	uint32		hash;
	ItemPointerData tid;
};

/*
 * The row has been written there.
 */
void
cqrs_fold_place_remember(CqrsFoldTable *table, const CqrsFoldRow *row, ItemPointer tid)
{
	CqrsFoldPlace *place;

	if (table->last_places == NULL)
		table->last_places = MemoryContextAllocZero(table->engine->context,
													PLACES * sizeof(CqrsFoldPlace));
	place = &table->last_places[row->hash & (PLACES - 1)];
	place->hash = row->hash;
	place->tid = *tid;
}

/*
 * Loads the row, if it is where it was.
 */
bool
cqrs_fold_place_recall(CqrsFoldTable *table, CqrsFoldRow *row)
{
	TupleTableSlot *slot = table->open->slot;
	Datum		key[INDEX_MAX_KEYS];
	CqrsFoldPlace *place;
	ItemPointerData tid;

	if (table->last_places == NULL)
		return false;
	place = &table->last_places[row->hash & (PLACES - 1)];
	if (place->hash != row->hash || !ItemPointerIsValid(&place->tid) ||
		!cqrs_block_exists(table->open->rel, ItemPointerGetBlockNumber(&place->tid)))
		return false;

	tid = place->tid;
	if (!table_tuple_fetch_row_version(table->open->rel, &tid, GetActiveSnapshot(), slot))
		return false;
	for (int i = 0; i < table->nkeys; i++)
	{
		bool		isnull;

		key[i] = slot_getattr(slot, table->keys[i].attno, &isnull);
		if (isnull)
			return false;
	}
	if (!cqrs_fold_row_has_key(table, row, key))
		return false;
	cqrs_fold_row_load(table, row, slot);
	return true;
}
