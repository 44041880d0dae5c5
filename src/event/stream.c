/*-------------------------------------------------------------------------
 *
 * stream.c
 *		Streams: names, and the row that orders the appends to one.
 *
 * NOTES
 *		An append changes the stream's row before it draws positions, so the
 *		row is the lock under which position order becomes version order.  The
 *		update is optimistic: read, compare, replace, and again from the start
 *		when somebody was faster; that saves a lock record in WAL.
 *
 *		A transaction that appends to one stream many times leaves as many dead
 *		versions of the row, which an index scan would walk over each time.  So
 *		we remember where we put the last version.  A remembered place is only
 *		a hint: the row there must be alive for us and have the right name.  As
 *		a rollback to a savepoint brings an earlier version back to life, we
 *		also remember the one before the current subtransaction.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/stream.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "common/hashfn.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/errcodes.h"
#include "base/names.h"
#include "base/table.h"
#include "event/stream.h"

/* columns of cqrs.stream */
enum
{
	COL_STREAM = 1,
	COL_VERSION
};

typedef struct Hint
{
	TransactionId xid;			/* transaction that the hint is good for */
	SubTransactionId subxact;	/* that put the last version there */
	uint32		hash;
	ItemPointerData last;		/* the last version */
	ItemPointerData outer;		/* the last one before that subtransaction */
} Hint;

#define HINTS 64

static Hint hints[HINTS];

static bool find_row(CqrsTable *table, text *stream, Hint *hint, TransactionId *updater);
static Hint *hint_of(const text *stream);
static void remember(Hint *hint, ItemPointer place);
static int64 version_in(TupleTableSlot *slot);
pg_noreturn static void version_conflict(const text *stream, int64 expected, int64 actual);

/*
 * A stream is "category-id", or a category alone.
 */
void
cqrs_stream_check_name(const text *stream)
{
	cqrs_check_name(stream, "stream", CQRS_MAX_STREAM);
	if (*VARDATA_ANY(stream) == '-')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("name of stream must begin with a category"),
				 errdetail("The name is \"%s\".", text_to_cstring(stream)),
				 errhint("Name streams like \"order-7\": category \"order\", id \"7\".")));
}

/*
 * The part of the name before the first "-".
 */
text *
cqrs_stream_category(const text *stream)
{
	const char *name = VARDATA_ANY(stream);
	int			len = VARSIZE_ANY_EXHDR(stream);
	const char *dash = memchr(name, '-', len);

	return cstring_to_text_with_len(name, dash ? dash - name : len);
}

/*
 * Adds "count" to the version of the stream, creates the stream at need, and
 * gives the new version.  The stream's row is locked then until the end of the
 * transaction; with a count of 0 it is not, and nothing is created.  "expected", if given, must be the version before.
 */
int64
cqrs_stream_advance(text *stream, int64 count, const int64 *expected)
{
	Hint	   *hint = hint_of(stream);
	CqrsTable	table;
	int64		version;
	bool		done = false;

	cqrs_table_begin(&table, "stream");
	while (!done)
	{
		TransactionId updater;
		ItemPointerData tid;
		Datum	   *values;
		bool		found;

		CHECK_FOR_INTERRUPTS();
		found = find_row(&table, stream, hint, &updater);

		version = 0;
		if (found)
		{
			cqrs_row_require_visible(table.rel, table.slot);
			version = version_in(table.slot);
			tid = table.slot->tts_tid;
		}
		if (expected && *expected != version)
		{
			if (!found || !TransactionIdIsValid(updater))
				version_conflict(stream, *expected, version);
			/* it may become the expected one yet, or go back to it */
			XactLockTableWait(updater, NULL, NULL, XLTW_None);
			continue;
		}

		if (count == 0)
			break;
		version += count;
		values = cqrs_table_new_row(&table);
		values[COL_STREAM - 1] = PointerGetDatum(stream);
		values[COL_VERSION - 1] = Int64GetDatum(version);
		done = found ? cqrs_row_update(&table, &tid)
			: cqrs_table_insert_unless_exists(&table);
	}

	if (done)
		remember(hint, &table.slot->tts_tid);
	cqrs_table_end(&table);
	return version;
}

/*
 * The last version of a stream, 0 when there is none, as the active snapshot
 * shows it.
 */
int64
cqrs_stream_last_version(text *stream)
{
	Relation	rel = cqrs_table_open("stream", AccessShareLock);
	Relation	index = index_open(cqrs_primary_key(rel), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan = cqrs_index_beginscan(rel, index, GetActiveSnapshot(), 1);
	ScanKeyData key;
	int64		version = 0;

	ScanKeyInit(&key, COL_STREAM, BTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(stream));
	key.sk_collation = C_COLLATION_OID;
	index_rescan(scan, &key, 1, NULL, 0);
	if (index_getnext_slot(scan, ForwardScanDirection, slot))
		version = version_in(slot);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	table_close(rel, NoLock);
	return version;
}

/*
 * Finds the newest version of the stream's row, as cqrs_row_find() does.
 */
static bool
find_row(CqrsTable *table, text *stream, Hint *hint, TransactionId *updater)
{
	if (!cqrs_row_at(table->rel, stream, &hint->last, table->slot) &&
		!cqrs_row_at(table->rel, stream, &hint->outer, table->slot))
	{
		ScanKeyData key;

		ScanKeyInit(&key, COL_STREAM, BTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(stream));
		key.sk_collation = C_COLLATION_OID;
		return cqrs_table_find(table, &key, 1, updater);
	}

	/* our own transaction has put it there: nobody else can be changing it */
	hint->last = table->slot->tts_tid;
	*updater = InvalidTransactionId;
	return true;
}

/*
 * The place of this stream among the hints; its places are invalid when we
 * know nothing of the stream.
 */
static Hint *
hint_of(const text *stream)
{
	uint32		hash = hash_bytes((const unsigned char *) VARDATA_ANY(stream),
								  VARSIZE_ANY_EXHDR(stream));
	Hint	   *hint = &hints[hash % HINTS];

	if (hint->hash != hash || !TransactionIdIsValid(hint->xid) ||
		hint->xid != GetTopTransactionIdIfAny())
	{
		hint->hash = hash;
		hint->xid = InvalidTransactionId;
		hint->subxact = InvalidSubTransactionId;
		ItemPointerSetInvalid(&hint->last);
		ItemPointerSetInvalid(&hint->outer);
	}
	return hint;
}

static void
remember(Hint *hint, ItemPointer place)
{
	if (hint->subxact != GetCurrentSubTransactionId())
		hint->outer = hint->last;
	hint->xid = GetTopTransactionId();
	hint->subxact = GetCurrentSubTransactionId();
	hint->last = *place;
}

static int64
version_in(TupleTableSlot *slot)
{
	bool		isnull;

	return DatumGetInt64(slot_getattr(slot, COL_VERSION, &isnull));
}

static void
version_conflict(const text *stream, int64 expected, int64 actual)
{
	ereport(ERROR,
			(errcode(ERRCODE_CQRS_VERSION_CONFLICT),
			 errmsg("stream \"%s\" is not at the expected version", text_to_cstring(stream)),
			 errdetail("Expected version " INT64_FORMAT ", but the stream is at version " INT64_FORMAT ".",
					   expected, actual),
			 errhint("Read the stream again and decide anew.")));
}
