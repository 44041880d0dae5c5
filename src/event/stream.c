/*-------------------------------------------------------------------------
 *
 * stream.c
 *		Streams: their names, and the version that a snapshot shows.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/stream.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/names.h"
#include "base/table.h"
#include "event/log.h"
#include "event/stream.h"

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
				 errmsg("stream name must begin with a category"),
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
 * The last version of a stream, 0 when there is none, as the active snapshot
 * shows it.
 */
int64
cqrs_stream_last_version(text *stream)
{
	Relation	event = cqrs_table_open("event", AccessShareLock);
	Relation	index = cqrs_log_open_index(EVENT_STREAM_INDEX);
	TupleTableSlot *slot = table_slot_create(event, NULL);
	IndexScanDesc scan = cqrs_index_beginscan(event, index, GetActiveSnapshot(), 1);
	ScanKeyData key;
	int64		version = 0;
	bool		isnull;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(stream));
	key.sk_collation = C_COLLATION_OID;
	index_rescan(scan, &key, 1, NULL, 0);
	if (index_getnext_slot(scan, BackwardScanDirection, slot))
		version = DatumGetInt64(slot_getattr(slot, EVENT_VERSION, &isnull));
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	table_close(event, NoLock);
	return version;
}
