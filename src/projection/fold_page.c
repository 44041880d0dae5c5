/*-------------------------------------------------------------------------
 *
 * fold_page.c
 *		Rows on the pages of a heap: reading them, and room for their versions.
 *
 * NOTES
 *		PostgreSQL removes dead versions from a page that is nearly full whenever
 *		an index leads to it, before it reads a row.  That takes about a third of
 *		the time of folding random events.  Here a page is left as it is while it
 *		has room for what we write to it, so a table with free space on its pages
 *		(its fillfactor) pays once for several batches.
 *
 *		The places of rows that were written lately are remembered
 *		(fold_place.c), and reading there removes nothing: without this their
 *		pages would fill up.
 *
 *		Of other access methods we know nothing, and let them do the reading.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/fold_page.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "projection/fold_table.h"

static bool heap_row(CqrsFoldOpen *open, ItemPointer place);

/*
 * The table has been opened: rows can be read.
 */
void
cqrs_fold_pages_begin(CqrsFoldOpen *open)
{
	open->heap = open->rel->rd_tableam == GetHeapamTableAmRoutine();
	open->buffer = InvalidBuffer;
	if (!open->heap)
		open->fetch = table_index_fetch_begin(open->rel);
}

/*
 * Puts the version of a row into the slot that the snapshot shows.  The index says
 * where the versions begin.
 */
bool
cqrs_fold_page_read(CqrsFoldOpen *open, ItemPointer place)
{
	ItemPointerData tid = *place;
	bool		again = false;

	if (open->heap)
		return heap_row(open, &tid);
	return table_index_fetch_tuple(open->fetch, &tid, GetActiveSnapshot(), open->slot,
								   &again, NULL);
}

static bool
heap_row(CqrsFoldOpen *open, ItemPointer place)
{
	bool		found;

	open->buffer = ReleaseAndReadBuffer(open->buffer, open->rel,
										ItemPointerGetBlockNumber(place));
	LockBuffer(open->buffer, BUFFER_LOCK_SHARE);
	found = heap_hot_search_buffer(place, open->rel, open->buffer, GetActiveSnapshot(),
								   &open->tuple, NULL, true);
	LockBuffer(open->buffer, BUFFER_LOCK_UNLOCK);
	if (found)
		ExecStoreBufferHeapTuple(&open->tuple, open->slot, open->buffer);
	return found;
}

/*
 * A range of rows has been read: lets go of the last page.
 */
void
cqrs_fold_page_leave(CqrsFoldOpen *open)
{
	ExecClearTuple(open->slot);
	if (open->fetch)
		table_index_fetch_reset(open->fetch);
	if (BufferIsValid(open->buffer))
		ReleaseBuffer(open->buffer);
	open->buffer = InvalidBuffer;
}

void
cqrs_fold_pages_end(CqrsFoldOpen *open)
{
	cqrs_fold_page_leave(open);
	if (open->fetch)
		table_index_fetch_end(open->fetch);
}

/*
 * How much of its page the row in the slot takes.
 */
uint32
cqrs_fold_page_size(TupleTableSlot *slot)
{
	return TTS_IS_BUFFERTUPLE(slot) ?
		MAXALIGN(((HeapTupleTableSlot *) slot)->tuple->t_len) + sizeof(ItemIdData) : 0;
}

/*
 * So much will be written to a page.  Removes dead versions from it when it has no
 * room for that.  Nobody else must use the page at the moment, or nothing is removed.
 */
void
cqrs_fold_page_make_room(CqrsFoldOpen *open, BlockNumber block, Size needed)
{
	Buffer		buffer;
	Page		page;

	if (!open->heap)
		return;
	buffer = ReadBuffer(open->rel, block);
	page = BufferGetPage(buffer);
	/* what is seen without a lock is good enough, as it is for the function below */
	if (PageIsFull(page) || PageGetHeapFreeSpace(page) < needed)
		heap_page_prune_opt(open->rel, buffer);
	ReleaseBuffer(buffer);
}
