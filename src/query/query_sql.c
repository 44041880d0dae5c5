/*-------------------------------------------------------------------------
 *
 * query_sql.c
 *		SQL functions that read: cqrs_query() and cqrs_query_page().
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/query/query_sql.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "base/compat.h"
#include "event/token.h"
#include "query/run.h"

PG_FUNCTION_INFO_V1(cqrs_query);
PG_FUNCTION_INFO_V1(cqrs_query_page);

/* a page is held in memory, several times over */
#define MAX_PAGE_SIZE 1000

static CqrsQueryRun *open_run(FunctionCallInfo fcinfo);
static void wait_for(const char *token, int64 timeout, const Node *call);
static void close_run(Datum arg);
static int32 get_positive(FunctionCallInfo fcinfo, int arg, const char *name, int32 max);

/*
 * cqrs.run_query(name, params, token, timeout) -> rows as jsonb
 */
Datum
cqrs_query(PG_FUNCTION_ARGS)
{
	FuncCallContext *context;
	CqrsQueryRun *run;
	Datum		row;

	if (SRF_IS_FIRSTCALL())
	{
		ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
		MemoryContext before;

		if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("set-valued function called in context that cannot accept a set")));
		context = SRF_FIRSTCALL_INIT();
		before = MemoryContextSwitchTo(context->multi_call_memory_ctx);
		run = open_run(fcinfo);
		MemoryContextSwitchTo(before);
		context->user_fctx = run;
		/* when the caller does not read to the end */
		RegisterExprContextCallback(rsinfo->econtext, close_run, PointerGetDatum(run));
	}

	context = SRF_PERCALL_SETUP();
	run = context->user_fctx;
	if (cqrs_query_next(run, &row))
		SRF_RETURN_NEXT(context, row);

	UnregisterExprContextCallback(((ReturnSetInfo *) fcinfo->resultinfo)->econtext,
								  close_run, PointerGetDatum(run));
	cqrs_query_close(run);
	SRF_RETURN_DONE(context);
}

/*
 * cqrs_query_page(name, params, page, page_size) -> items, total, page, page_size
 */
Datum
cqrs_query_page(PG_FUNCTION_ARGS)
{
	int32		page;
	int32		page_size;
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {false};
	int64		total;

	cqrs_arg_require(fcinfo, 0, "name");
	cqrs_arg_require(fcinfo, 1, "params");
	page = get_positive(fcinfo, 2, "page", PG_INT32_MAX);
	page_size = get_positive(fcinfo, 3, "page_size", MAX_PAGE_SIZE);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != 4)
		elog(ERROR, "return type must be a row of four columns");

	values[0] = cqrs_query_read_page(PG_GETARG_TEXT_PP(0), PG_GETARG_JSONB_P(1),
									 (int64) (page - 1) * page_size, page_size, &total);
	values[1] = Int64GetDatum(total);
	values[2] = Int32GetDatum(page);
	values[3] = Int32GetDatum(page_size);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

static CqrsQueryRun *
open_run(FunctionCallInfo fcinfo)
{
	int64		timeout;

	cqrs_arg_require(fcinfo, 0, "name");
	cqrs_arg_require(fcinfo, 1, "params");
	cqrs_arg_require(fcinfo, 3, "timeout");
	timeout = cqrs_arg_timeout(PG_GETARG_INTERVAL_P(3));
	if (!PG_ARGISNULL(2))
		wait_for(text_to_cstring(PG_GETARG_TEXT_PP(2)), timeout, fcinfo->flinfo->fn_expr);
	return cqrs_query_open(PG_GETARG_TEXT_PP(0), PG_GETARG_JSONB_P(1), !PG_ARGISNULL(2));
}

/*
 * Waits until the read side has followed.
 */
static void
wait_for(const char *token, int64 timeout, const Node *call)
{
	CqrsWait	wait = cqrs_wait_function();
	CqrsToken	parsed;

	cqrs_token_read(token, &parsed);
	if (wait == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot wait for projections here"),
				 errhint("Call cqrs_catch_up() before the query, or do without a token.")));
	if (!wait(token, NULL, timeout, call))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("projections have not followed within the timeout"),
				 errdetail("The token is \"%s\".", token),
				 errhint("Try again, or query without a token and show what is there.")));
}

static void
close_run(Datum arg)
{
	cqrs_query_close((CqrsQueryRun *) DatumGetPointer(arg));
}

static int32
get_positive(FunctionCallInfo fcinfo, int arg, const char *name, int32 max)
{
	int32		value;

	cqrs_arg_require(fcinfo, arg, name);
	value = PG_GETARG_INT32(arg);
	if (value < 1 || value > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be between %d and %d", name, 1, max)));
	return value;
}
