/*-------------------------------------------------------------------------
 *
 * cqrs_engine_test.c
 *		Drives the rule engine from SQL, for tests and benchmarks.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		test/engine/cqrs_engine_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"

#include "base/compat.h"
#include "event/log.h"
#include "projection/engine.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(cqrs_test_engine_apply);
PG_FUNCTION_INFO_V1(cqrs_test_engine_bench);
PG_FUNCTION_INFO_V1(cqrs_test_engine_explain);

static CqrsEngine *make_engine(FunctionCallInfo fcinfo);
static List *make_rules(FunctionCallInfo fcinfo);
static HeapTuple *read_events(Oid relid, int *count, TupleTableSlot **slot);
static ErrorData *try_apply(CqrsEngine *engine, TupleTableSlot *slot, HeapTuple *events, int n);
static int64 position_of(TupleTableSlot *slot, HeapTuple event);

Datum
cqrs_test_engine_apply(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int			batch = PG_GETARG_INT32(4);
	CqrsEngine *engine;
	TupleTableSlot *slot;
	int			count;
	HeapTuple  *events;
	int			next;

	InitMaterializedSRF(fcinfo, 0);
	engine = make_engine(fcinfo);
	events = read_events(PG_GETARG_OID(3), &count, &slot);

	for (int i = 0; i < count; i = next)
	{
		ErrorData  *error;
		bool		found = false;

		next = Min(i + batch, count);
		error = try_apply(engine, slot, events + i, next - i);
		for (int j = i; error && j < next; j++)
		{
			ErrorData  *culprit = try_apply(engine, slot, events + j, 1);
			Datum		values[3];
			bool		nulls[3] = {false, false, false};

			if (culprit == NULL)
				continue;
			values[0] = Int64GetDatum(position_of(slot, events[j]));
			values[1] = CStringGetTextDatum(unpack_sql_state(culprit->sqlerrcode));
			values[2] = CStringGetTextDatum(culprit->message);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
			found = true;
		}
		if (error && !found)
			elog(ERROR, "a batch fails whose events do not: %s", error->message);
	}

	cqrs_engine_destroy(engine);
	ExecDropSingleTupleTableSlot(slot);
	return (Datum) 0;
}

/*
 * Keeps its engine for the next call, as a worker would.
 */
Datum
cqrs_test_engine_bench(PG_FUNCTION_ARGS)
{
	static CqrsEngine *engine = NULL;
	int64		position = PG_GETARG_INT64(5);
	int			batch = PG_GETARG_INT32(4);
	Relation	rel = table_open(PG_GETARG_OID(3), AccessShareLock);
	Relation	index = index_open(cqrs_primary_key(rel), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan = cqrs_index_beginscan(rel, index, GetActiveSnapshot(), 1);
	ScanKeyData key;
	bool		isnull;

	if (engine && (position == 0 || !cqrs_engine_valid(engine)))
	{
		cqrs_engine_destroy(engine);
		engine = NULL;
	}
	if (engine == NULL)
		engine = make_engine(fcinfo);

	ScanKeyInit(&key, 1, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(position));
	index_rescan(scan, &key, 1, NULL, 0);
	while (batch-- > 0 && index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		cqrs_engine_apply(engine, slot);
		position = DatumGetInt64(slot_getattr(slot, EVENT_POSITION, &isnull));
	}
	cqrs_engine_flush(engine);

	index_endscan(scan);
	index_close(index, NoLock);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	PG_RETURN_INT64(position);
}

Datum
cqrs_test_engine_explain(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	CqrsEngine *engine;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	engine = make_engine(fcinfo);
	foreach(lc, cqrs_engine_explain(engine))
	{
		CqrsExplainRow *row = lfirst(lc);
		Datum		values[3];
		bool		nulls[3] = {false, false, row->reason == NULL};

		values[0] = CStringGetTextDatum(row->event_type);
		values[1] = CStringGetTextDatum(row->plan);
		if (row->reason)
			values[2] = CStringGetTextDatum(row->reason);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	cqrs_engine_destroy(engine);
	return (Datum) 0;
}

/*
 * The schema of the build is the first one in the search_path.
 */
static CqrsEngine *
make_engine(FunctionCallInfo fcinfo)
{
	Oid			schema = linitial_oid(fetch_search_path(false));

	return cqrs_engine_create("test", get_namespace_name(schema), make_rules(fcinfo));
}

static List *
make_rules(FunctionCallInfo fcinfo)
{
	List	   *rules = NIL;
	Datum	   *elements[3];
	int			count = 0;

	for (int i = 0; i < 3; i++)
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(i), TEXTOID, -1, false, TYPALIGN_INT,
						  &elements[i], NULL, &count);
	for (int i = 0; i < count; i++)
	{
		CqrsRuleDef *def = palloc0(sizeof(CqrsRuleDef));
		char	   *kind = TextDatumGetCString(elements[0][i]);
		char	   *type = TextDatumGetCString(elements[1][i]);

		def->id = i + 1;
		def->text = TextDatumGetCString(elements[2][i]);
		if (strcmp(kind, "batch") == 0)
		{
			def->kind = CQRS_RULE_BATCH;
			for (char *one = strtok(type, ","); one; one = strtok(NULL, ","))
				def->event_types = lappend(def->event_types, one);
		}
		else
		{
			def->kind = (strcmp(kind, "function") == 0) ? CQRS_RULE_FUNCTION : CQRS_RULE_SQL;
			def->event_type = type;
		}
		rules = lappend(rules, def);
	}
	return rules;
}

static HeapTuple *
read_events(Oid relid, int *count, TupleTableSlot **slot)
{
	Relation	rel = table_open(relid, AccessShareLock);
	TupleTableSlot *scanned = table_slot_create(rel, NULL);
	Relation	index = index_open(cqrs_primary_key(rel), AccessShareLock);
	IndexScanDesc scan = cqrs_index_beginscan(rel, index, GetActiveSnapshot(), 0);
	int			allocated = 1024;
	HeapTuple  *events = palloc(allocated * sizeof(HeapTuple));

	*count = 0;
	index_rescan(scan, NULL, 0, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, scanned))
	{
		if (*count == allocated)
		{
			allocated *= 2;
			events = repalloc(events, allocated * sizeof(HeapTuple));
		}
		events[(*count)++] = ExecCopySlotHeapTuple(scanned);
	}
	index_endscan(scan);
	index_close(index, NoLock);
	ExecDropSingleTupleTableSlot(scanned);
	*slot = MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(rel)),
									 &TTSOpsHeapTuple);
	table_close(rel, NoLock);
	return events;
}

/*
 * Applies n events in a subtransaction.  NULL, or what went wrong.
 */
static ErrorData *
try_apply(CqrsEngine *engine, TupleTableSlot *slot, HeapTuple *events, int n)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		for (int i = 0; i < n; i++)
		{
			ExecStoreHeapTuple(events[i], slot, false);
			cqrs_engine_apply(engine, slot);
		}
		cqrs_engine_flush(engine);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		cqrs_engine_reset(engine);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

static int64
position_of(TupleTableSlot *slot, HeapTuple event)
{
	bool		isnull;

	ExecStoreHeapTuple(event, slot, false);
	return DatumGetInt64(slot_getattr(slot, EVENT_POSITION, &isnull));
}
