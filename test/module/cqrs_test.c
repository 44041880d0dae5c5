/*-------------------------------------------------------------------------
 *
 * cqrs_test.c
 *		Makes C functions of the extension callable from SQL, for tests.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		test/module/cqrs_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "base/compat.h"
#include "event/cursor.h"
#include "event/log.h"
#include "event/reader.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(cqrs_test_create_cursor);
PG_FUNCTION_INFO_V1(cqrs_test_drop_cursor);
PG_FUNCTION_INFO_V1(cqrs_test_read);
PG_FUNCTION_INFO_V1(cqrs_test_count);
PG_FUNCTION_INFO_V1(cqrs_test_rewind);
PG_FUNCTION_INFO_V1(cqrs_test_memory);
PG_FUNCTION_INFO_V1(cqrs_test_heap_handler);

Datum
cqrs_test_create_cursor(PG_FUNCTION_ARGS)
{
	cqrs_cursor_create(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

Datum
cqrs_test_drop_cursor(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(cqrs_cursor_drop(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

Datum
cqrs_test_read(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int64		max_count = PG_GETARG_INT64(1);
	CqrsReader *reader;
	TupleTableSlot *slot;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	reader = cqrs_reader_open(text_to_cstring(PG_GETARG_TEXT_PP(0)),
							  PG_GETARG_BOOL(2), NULL);
	while (max_count-- > 0 && (slot = cqrs_reader_next(reader)) != NULL)
		tuplestore_puttupleslot(rsinfo->setResult, slot);
	cqrs_reader_save(reader);
	cqrs_reader_close(reader);
	return (Datum) 0;
}

Datum
cqrs_test_count(PG_FUNCTION_ARGS)
{
	int64		max_count = PG_GETARG_INT64(1);
	int64		n = 0;
	CqrsReader *reader;
	TupleTableSlot *slot;

	reader = cqrs_reader_open(text_to_cstring(PG_GETARG_TEXT_PP(0)), false, NULL);
	while (n < max_count && (slot = cqrs_reader_next(reader)) != NULL)
	{
		slot_getsomeattrs(slot, EVENT_TYPE);
		n++;
	}
	cqrs_reader_save(reader);
	cqrs_reader_close(reader);
	PG_RETURN_INT64(n);
}

Datum
cqrs_test_rewind(PG_FUNCTION_ARGS)
{
	int64		max_count = PG_GETARG_INT64(1);
	CqrsReader *reader;
	CqrsCursor	start;
	TupleTableSlot *slot;
	uint64		sums[2] = {0, 0};
	bool		isnull;

	reader = cqrs_reader_open(text_to_cstring(PG_GETARG_TEXT_PP(0)), false, NULL);
	cqrs_reader_mark(reader, &start);
	for (int pass = 0; pass < 2; pass++)
	{
		for (int64 n = 0; n < max_count && (slot = cqrs_reader_next(reader)) != NULL; n++)
			sums[pass] = sums[pass] * 31 +
				DatumGetInt64(slot_getattr(slot, EVENT_POSITION, &isnull));
		cqrs_reader_rewind(reader, &start);
	}
	cqrs_reader_close(reader);
	PG_RETURN_BOOL(sums[0] == sums[1]);
}

Datum
cqrs_test_memory(PG_FUNCTION_ARGS)
{
	Size		before = MemoryContextMemAllocated(CurrentMemoryContext, true);
	Size		after;
	CqrsReader *reader;

	reader = cqrs_reader_open(text_to_cstring(PG_GETARG_TEXT_PP(0)), false, NULL);
	while (cqrs_reader_next(reader) != NULL)
		continue;
	after = MemoryContextMemAllocated(CurrentMemoryContext, true);
	cqrs_reader_save(reader);
	cqrs_reader_close(reader);
	PG_RETURN_INT64(after - before);
}

/*
 * Makes an index as for a heap; the function for that insists on one.
 */
static double
build_range_scan(Relation table, Relation index, struct IndexInfo *info, bool allow_sync,
				 bool anyvisible, bool progress, BlockNumber start, BlockNumber n,
				 IndexBuildCallback callback, void *callback_state, TableScanDesc scan)
{
	const TableAmRoutine *own = table->rd_tableam;
	double		result;

	table->rd_tableam = GetHeapamTableAmRoutine();
	result = table->rd_tableam->index_build_range_scan(table, index, info, allow_sync,
													   anyvisible, progress, start, n,
													   callback, callback_state, scan);
	table->rd_tableam = own;
	return result;
}

/*
 * A table access method that does what the heap does, but is not the heap.
 */
Datum
cqrs_test_heap_handler(PG_FUNCTION_ARGS)
{
	static TableAmRoutine routine;

	routine = *GetHeapamTableAmRoutine();
	routine.index_build_range_scan = build_range_scan;
	PG_RETURN_POINTER(&routine);
}
