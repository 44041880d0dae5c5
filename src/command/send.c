/*-------------------------------------------------------------------------
 *
 * send.c
 *		The command bus: one command, from its arguments to its outcome.
 *
 * NOTES
 *		In the caller's transaction, in this order:
 *
 *		1. claim the command's id in the ledger, if the client gave one; when
 *		   the command has ended before, its outcome is the answer;
 *		2. look up the command, check that the caller may execute its handler,
 *		   check and convert the payload;
 *		3. run the handler, which causes events;
 *		4. in the outermost command, call what is to happen after events;
 *		5. record the outcome in the ledger.
 *
 *		Where a rejection is an outcome, 2 to 4 run in a subtransaction, so the
 *		claim survives and the record says why.  Errors that may not come
 *		again when the same command is sent again are raised in any case: as a
 *		recorded outcome they would be final.  For the same reason a command
 *		that is unknown, or broken, or that the caller may not send, is rejected
 *		without a record: what the client has sent is not to blame.
 *
 *		Nothing of the session's caches is used after the handler has run but
 *		what is pinned: it may drop its command, its type or the extension.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/command/send.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/compat.h"
#include "base/errcodes.h"
#include "base/identity.h"
#include "base/uuid.h"
#include "command/frame.h"
#include "command/registry.h"
#include "command/send.h"
#include "event/after.h"
#include "event/payload.h"
#include "event/token.h"
#include "stats/counters.h"

/*
 * Part of sending a command that may fail.
 */
typedef void (*Step) (const CqrsCommand *command, CqrsFrame *frame, CqrsOutcome *outcome);

static void do_step(Step step, const CqrsCommand *command, CqrsFrame *frame,
					bool may_reject, CqrsOutcome *outcome);
static void authorise(const CqrsCommand *command, CqrsFrame *frame, CqrsOutcome *outcome);
static void run(const CqrsCommand *command, CqrsFrame *frame, CqrsOutcome *outcome);
static char *call_handler(CqrsRegistered *registered, const CqrsCommand *command, CqrsFrame *frame);
static char *result_text(CqrsRegistered *registered, Datum result);
static int64 microseconds_since(instr_time start);
static void reject(ErrorData *error, CqrsOutcome *outcome);
static bool is_rejection(int sqlstate);
pg_noreturn static void raise_rejection(const CqrsOutcome *outcome);

void
cqrs_command_send(const CqrsCommand *command, bool may_reject,
				  pg_uuid_t *command_id, CqrsOutcome *outcome)
{
	CqrsLedgerRow row = {0};
	CqrsFrame	frame = {0};
	ItemPointerData place;
	instr_time	start;

	row.received_at = GetCurrentTimestamp();
	if (command->command_id)
		frame.cause.command_id = *command->command_id;
	else
		cqrs_uuid_make(row.received_at, &frame.cause.command_id);
	cqrs_frame_init(&frame, command->correlation_id, command->causation_id, command->metadata);
	*command_id = frame.cause.command_id;

	row.command_id = &frame.cause.command_id;
	row.actor = cstring_to_text(GetUserNameFromId(cqrs_acting_role(), false));
	row.command = command->name;
	row.correlation_id = &frame.correlation_id;
	row.causation_id = frame.has_causation ? &frame.causation_id : NULL;
	cqrs_ledger_digest(command->payload, row.digest);

	if (command->command_id && !cqrs_ledger_claim(&row, &place, outcome))
	{
		if (outcome->is_replayed)
			do_step(authorise, command, &frame, may_reject, outcome);
		if (outcome->is_replayed)
			cqrs_count(CQRS_COUNT_COMMAND, command->name, CQRS_COUNT_REPLAYED, 0);
		if (!outcome->is_accepted && !may_reject)
			raise_rejection(outcome);
		return;
	}

	INSTR_TIME_SET_CURRENT(start);
	do_step(run, command, &frame, may_reject, outcome);
	if (!frame.is_admitted)
	{
		if (command->command_id)
			cqrs_ledger_withdraw(&place);
		return;
	}

	row.duration = microseconds_since(start);
	row.outcome = outcome;
	cqrs_ledger_record(&row, command->command_id ? &place : NULL);
	if (outcome->is_accepted)
		cqrs_count(CQRS_COUNT_COMMAND, command->name, CQRS_COUNT_ACCEPTED, row.duration);
}

/*
 * Takes the step; where a rejection is an outcome, in a subtransaction.
 */
static void
do_step(Step step, const CqrsCommand *command, CqrsFrame *frame,
		bool may_reject, CqrsOutcome *outcome)
{
	MemoryContext before = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	if (!may_reject)
	{
		step(command, frame, outcome);
		return;
	}

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(before);
	PG_TRY();
	{
		step(command, frame, outcome);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(before);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(before);
		CurrentResourceOwner = owner;
		if (!is_rejection(error->sqlerrcode))
			ReThrowError(error);
		reject(error, outcome);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(before);
	CurrentResourceOwner = owner;
}

/*
 * An outcome of old is given only to who may still send the command.
 */
static void
authorise(const CqrsCommand *command, CqrsFrame *frame, CqrsOutcome *outcome)
{
	CqrsRegistered *registered = cqrs_command_pin(command->name);

	PG_TRY();
	{
		cqrs_handler_require_execute(registered->function_oid);
	}
	PG_FINALLY();
	{
		cqrs_registry_unpin(registered);
	}
	PG_END_TRY();
}

static void
run(const CqrsCommand *command, CqrsFrame *frame, CqrsOutcome *outcome)
{
	CqrsRegistered *registered = cqrs_command_pin(command->name);
	instr_time	start;

	memset(outcome, 0, sizeof(CqrsOutcome));
	INSTR_TIME_SET_CURRENT(start);
	cqrs_frame_push(frame);
	PG_TRY();
	{
		outcome->result = call_handler(registered, command, frame);
		if (frame->outer == NULL)
			cqrs_after_events();
	}
	PG_CATCH();
	{
		cqrs_frame_pop(frame);
		cqrs_registry_unpin(registered);
		cqrs_count(CQRS_COUNT_COMMAND, command->name, CQRS_COUNT_REJECTED,
				   microseconds_since(start));
		PG_RE_THROW();
	}
	PG_END_TRY();
	cqrs_frame_pop(frame);
	cqrs_registry_unpin(registered);

	outcome->is_accepted = true;
	outcome->token = cqrs_token_of_transaction();
}

/*
 * Authorises, checks the payload, and calls the handler.  Gives its result as
 * text, or NULL.
 */
static char *
call_handler(CqrsRegistered *registered, const CqrsCommand *command, CqrsFrame *frame)
{
	Datum		argument = JsonbPGetDatum(command->payload);
	Datum		result;
	bool		has_result;

	cqrs_handler_require_execute(registered->function_oid);
	frame->is_admitted = true;
	if (registered->argument != JSONBOID)
		argument = cqrs_payload_convert(registered->argument, command->payload, "command",
										text_to_cstring(command->name));

	frame->payload = command->payload;
	has_result = cqrs_registered_call(registered, argument, &result);
	frame->payload = NULL;
	if (!has_result || registered->result == VOIDOID)
		return NULL;
	return result_text(registered, result);
}

static char *
result_text(CqrsRegistered *registered, Datum result)
{
	switch (registered->result)
	{
		case TEXTOID:
		case VARCHAROID:
			return TextDatumGetCString(result);
		default:
			return OutputFunctionCall(&registered->output, result);
	}
}

static int64
microseconds_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MICROSEC(now);
}

static void
reject(ErrorData *error, CqrsOutcome *outcome)
{
	memset(outcome, 0, sizeof(CqrsOutcome));
	outcome->sqlstate = error->sqlerrcode;
	outcome->message = error->message ? error->message : pstrdup("missing error text");
	outcome->detail = error->detail;
	outcome->hint = error->hint;
}

/*
 * Says an error that the command cannot be carried out?  Not when the server
 * was in the way: serialization failures and deadlocks, locks that were not
 * to be had, lack of resources, cancel and termination, broken things; or
 * another server, which a handler could not reach.
 */
static bool
is_rejection(int sqlstate)
{
	int			category = ERRCODE_TO_CATEGORY(sqlstate);

	return category != ERRCODE_CONNECTION_EXCEPTION &&
		category != ERRCODE_TRANSACTION_ROLLBACK &&
		category != ERRCODE_INSUFFICIENT_RESOURCES &&
		category != ERRCODE_OPERATOR_INTERVENTION &&
		category != ERRCODE_SYSTEM_ERROR &&
		category != ERRCODE_INTERNAL_ERROR &&
		sqlstate != ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION &&
		sqlstate != ERRCODE_FDW_OUT_OF_MEMORY &&
		sqlstate != ERRCODE_LOCK_NOT_AVAILABLE;
}

/*
 * The rejection of the first time, again.
 */
static void
raise_rejection(const CqrsOutcome *outcome)
{
	ereport(ERROR,
			(errcode(outcome->sqlstate),
			 errmsg_internal("%s", outcome->message),
			 outcome->detail ? errdetail_internal("%s", outcome->detail) : 0,
			 outcome->hint ? errhint("%s", outcome->hint) : 0));
}
