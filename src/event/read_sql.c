/*-------------------------------------------------------------------------
 *
 * read_sql.c
 *		SQL functions that read a stream: cqrs_stream() and cqrs_stream_version().
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/read_sql.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "base/compat.h"
#include "base/table.h"
#include "event/log.h"
#include "event/stream.h"

PG_FUNCTION_INFO_V1(cqrs_stream_events);
PG_FUNCTION_INFO_V1(cqrs_stream_version);

static void put_events(ReturnSetInfo *rsinfo, text *stream, int64 from_version, int64 max_count);

/*
 * cqrs_stream(stream, from_version, max_count) -> events in version order
 */
Datum
cqrs_stream_events(PG_FUNCTION_ARGS)
{
	int64		from_version = 1;
	int64		max_count = PG_INT64_MAX;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (PG_ARGISNULL(0))
		return (Datum) 0;

	if (!PG_ARGISNULL(1))
		from_version = PG_GETARG_INT64(1);
	if (!PG_ARGISNULL(2))
		max_count = PG_GETARG_INT64(2);
	if (max_count < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be negative", "max_count")));

	put_events((ReturnSetInfo *) fcinfo->resultinfo, PG_GETARG_TEXT_PP(0),
			   from_version, max_count);
	return (Datum) 0;
}

/*
 * cqrs_stream_version(stream) -> last version, 0 when there is no such stream
 */
Datum
cqrs_stream_version(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_INT64(cqrs_stream_last_version(PG_GETARG_TEXT_PP(0)));
}

static void
put_events(ReturnSetInfo *rsinfo, text *stream, int64 from_version, int64 max_count)
{
	Relation	event = cqrs_table_open("event", AccessShareLock);
	Relation	index = cqrs_log_open_index(EVENT_STREAM_INDEX);
	TupleTableSlot *slot = table_slot_create(event, NULL);
	IndexScanDesc scan = cqrs_index_beginscan(event, index, GetActiveSnapshot(), 2);
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(stream));
	keys[0].sk_collation = C_COLLATION_OID;
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(from_version));
	index_rescan(scan, keys, 2, NULL, 0);

	for (int64 n = 0; n < max_count; n++)
	{
		if (!index_getnext_slot(scan, ForwardScanDirection, slot))
			break;
		tuplestore_puttupleslot(rsinfo->setResult, slot);
		CHECK_FOR_INTERRUPTS();
	}

	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	table_close(event, NoLock);
}
