/*-------------------------------------------------------------------------
 *
 * send_sql.c
 *		SQL functions that send: cqrs_send(), cqrs_try_send(), cqrs_execute().
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/command/send_sql.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/names.h"
#include "command/send.h"
#include "event/token.h"

PG_FUNCTION_INFO_V1(cqrs_send);
PG_FUNCTION_INFO_V1(cqrs_try_send);
PG_FUNCTION_INFO_V1(cqrs_execute);
PG_FUNCTION_INFO_V1(cqrs_prune_ledger);

/* columns of cqrs.command_result */
enum
{
	RESULT_OK,
	RESULT_ID,
	RESULT_COMMAND_ID,
	RESULT_TOKEN,
	RESULT_SQLSTATE,
	RESULT_MESSAGE,
	RESULT_DETAIL,
	RESULT_HINT,
	RESULT_NATTS
};

/* arguments of cqrs_execute */
enum
{
	EXECUTE_COMMAND,
	EXECUTE_PAYLOAD,
	EXECUTE_PROJECTIONS,
	EXECUTE_TIMEOUT,
	EXECUTE_ID,
	EXECUTE_TOKEN,
	EXECUTE_SYNCED,
	EXECUTE_NARGS
};

static void require_commit(FunctionCallInfo fcinfo);
static void get_command(FunctionCallInfo fcinfo, const char *function, CqrsCommand *command);
static text *get_name(FunctionCallInfo fcinfo);
static Datum form_result(FunctionCallInfo fcinfo, const pg_uuid_t *command_id,
						 const CqrsOutcome *outcome);
static Datum form_execute_result(FunctionCallInfo fcinfo, const CqrsOutcome *outcome,
								 const bool *synced);

/*
 * cqrs_send(command, payload, command_id, correlation_id, causation_id, metadata) -> id
 */
Datum
cqrs_send(PG_FUNCTION_ARGS)
{
	CqrsCommand command;
	CqrsOutcome outcome;
	pg_uuid_t	command_id;

	get_command(fcinfo, "cqrs_send()", &command);
	cqrs_command_send(&command, false, &command_id, &outcome);
	if (outcome.result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(outcome.result));
}

/*
 * The same arguments -> cqrs.command_result
 */
Datum
cqrs_try_send(PG_FUNCTION_ARGS)
{
	CqrsCommand command;
	CqrsOutcome outcome;
	pg_uuid_t	command_id;

	get_command(fcinfo, "cqrs_try_send()", &command);
	cqrs_command_send(&command, true, &command_id, &outcome);
	return form_result(fcinfo, &command_id, &outcome);
}

/*
 * Procedure cqrs_execute(command, payload, projections, timeout, INOUT id,
 * INOUT token, INOUT synced): sends, commits, waits.
 */
Datum
cqrs_execute(PG_FUNCTION_ARGS)
{
	CqrsCommand command = {0};
	CqrsOutcome outcome;
	CqrsWait	wait = cqrs_wait_function();
	MemoryContext caller = CurrentMemoryContext;
	ArrayType  *projections = NULL;
	pg_uuid_t	command_id;
	int64		timeout = 0;
	bool		synced = true;	/* without events there is nothing to wait for */

	require_commit(fcinfo);
	PreventCommandIfReadOnly("CALL cqrs_execute()");
	cqrs_arg_require(fcinfo, EXECUTE_COMMAND, "command");
	cqrs_arg_require(fcinfo, EXECUTE_PAYLOAD, "payload");
	cqrs_arg_require(fcinfo, EXECUTE_TIMEOUT, "timeout");
	command.name = get_name(fcinfo);
	command.payload = PG_GETARG_JSONB_P(EXECUTE_PAYLOAD);
	timeout = cqrs_arg_timeout(PG_GETARG_INTERVAL_P(EXECUTE_TIMEOUT));
	if (!PG_ARGISNULL(EXECUTE_PROJECTIONS))
		projections = PG_GETARG_ARRAYTYPE_P(EXECUTE_PROJECTIONS);

	/* names that are wrong are refused before anything is committed */
	if (wait && projections)
		(void) wait(NULL, projections, 0, NULL);

	/* the answer is kept in the caller's context, which outlives the commit and SPI */
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	cqrs_command_send(&command, false, &command_id, &outcome);
	if (outcome.result)
		outcome.result = MemoryContextStrdup(caller, outcome.result);
	if (outcome.token)
		outcome.token = MemoryContextStrdup(caller, outcome.token);
	SPI_commit();
	if (wait && outcome.token)
		synced = wait(outcome.token, projections, timeout, NULL);
	SPI_finish();
	return form_execute_result(fcinfo, &outcome, wait || !outcome.token ? &synced : NULL);
}

/*
 * cqrs_prune_ledger(max_rows) -> rows removed
 */
Datum
cqrs_prune_ledger(PG_FUNCTION_ARGS)
{
	int64		max_rows;
	int64		removed = 0;
	BlockNumber block = 0;

	PreventCommandIfReadOnly("cqrs_prune_ledger()");
	cqrs_arg_require(fcinfo, 0, "max_rows");
	max_rows = PG_GETARG_INT64(0);
	if (max_rows < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be positive", "max_rows")));
	do
	{
		removed += cqrs_ledger_prune(&block, MaxBlockNumber, max_rows - removed);
	} while (block != 0 && removed < max_rows);
	PG_RETURN_INT64(removed);
}

/*
 * It commits, so that the read side can follow.
 */
static void
require_commit(FunctionCallInfo fcinfo)
{
	bool		in_block = IsTransactionBlock() && !IsSubTransaction();

	if (fcinfo->context && IsA(fcinfo->context, CallContext) &&
		!castNode(CallContext, fcinfo->context)->atomic)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
			 in_block ?
			 errmsg("cqrs_execute cannot be called inside a transaction block") :
			 errmsg("cqrs_execute cannot commit here"),
			 in_block ?
			 errdetail("It commits, so that the read side can follow.") :
			 errdetail("It is called by a function, after a savepoint, in a block with EXCEPTION, or by a procedure that is SECURITY DEFINER or has SET."),
			 errhint("Use cqrs_send(), COMMIT, and cqrs_wait().")));
}

static void
get_command(FunctionCallInfo fcinfo, const char *function, CqrsCommand *command)
{
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
	cqrs_arg_require(fcinfo, 0, "command");
	cqrs_arg_require(fcinfo, 1, "payload");

	command->name = get_name(fcinfo);
	command->payload = PG_GETARG_JSONB_P(1);
	command->command_id = PG_ARGISNULL(2) ? NULL : PG_GETARG_UUID_P(2);
	command->correlation_id = PG_ARGISNULL(3) ? NULL : PG_GETARG_UUID_P(3);
	command->causation_id = PG_ARGISNULL(4) ? NULL : PG_GETARG_UUID_P(4);
	command->metadata = PG_ARGISNULL(5) ? NULL : PG_GETARG_JSONB_P(5);

	if (command->metadata && !JB_ROOT_IS_OBJECT(command->metadata))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("metadata of a command must be a JSON object")));
}

/*
 * The first argument: what no command can be called does not get as far as the
 * ledger.
 */
static text *
get_name(FunctionCallInfo fcinfo)
{
	text	   *name = PG_GETARG_TEXT_PP(0);

	cqrs_check_name(name, "command", CQRS_MAX_NAME);
	return name;
}

static Datum
form_result(FunctionCallInfo fcinfo, const pg_uuid_t *command_id, const CqrsOutcome *outcome)
{
	TupleDesc	desc;
	Datum		values[RESULT_NATTS];
	bool		nulls[RESULT_NATTS];
	const char *texts[RESULT_NATTS] = {
		[RESULT_ID] = outcome->result,
		[RESULT_TOKEN] = outcome->token,
		[RESULT_SQLSTATE] = outcome->is_accepted ? NULL : unpack_sql_state(outcome->sqlstate),
		[RESULT_MESSAGE] = outcome->message,
		[RESULT_DETAIL] = outcome->detail,
		[RESULT_HINT] = outcome->hint
	};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != RESULT_NATTS)
		elog(ERROR, "return type must be cqrs.command_result");

	for (int i = 0; i < RESULT_NATTS; i++)
	{
		nulls[i] = (texts[i] == NULL);
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(texts[i]);
	}
	values[RESULT_OK] = BoolGetDatum(outcome->is_accepted);
	nulls[RESULT_OK] = false;
	values[RESULT_COMMAND_ID] = UUIDPGetDatum(command_id);
	nulls[RESULT_COMMAND_ID] = false;
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/*
 * "synced" is NULL when it could not be waited for.
 */
static Datum
form_execute_result(FunctionCallInfo fcinfo, const CqrsOutcome *outcome, const bool *synced)
{
	TupleDesc	desc;
	Datum		values[3] = {0};
	bool		nulls[3] = {outcome->result == NULL, outcome->token == NULL, synced == NULL};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != 3)
		elog(ERROR, "return type must be a row of three columns");

	if (!nulls[0])
		values[0] = CStringGetTextDatum(outcome->result);
	if (!nulls[1])
		values[1] = CStringGetTextDatum(outcome->token);
	if (!nulls[2])
		values[2] = BoolGetDatum(*synced);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
