/*-------------------------------------------------------------------------
 *
 * frame.c
 *		The commands that are running in this session, innermost first.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/command/frame.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/compat.h"
#include "base/identity.h"
#include "command/frame.h"

/* how deep commands may send commands; more is an endless recursion */
#define MAX_DEPTH 32

PG_FUNCTION_INFO_V1(cqrs_command_id);
PG_FUNCTION_INFO_V1(cqrs_correlation_id);
PG_FUNCTION_INFO_V1(cqrs_payload);
PG_FUNCTION_INFO_V1(cqrs_actor);

static CqrsFrame *current = NULL;

static CqrsFrame *visible(void);

/*
 * The command that is running, for who asks now; NULL when none is, or when it is
 * not his business.
 */
static CqrsFrame *
visible(void)
{
	return current && current->cause.fence == cqrs_fence_detached() ? current : NULL;
}

/*
 * Fills in a frame whose command has its id already.  What is not given comes
 * from the command that is running: it is the cause of this one.
 */
void
cqrs_frame_init(CqrsFrame *frame, const pg_uuid_t *correlation_id,
				const pg_uuid_t *causation_id, Jsonb *metadata)
{
	CqrsFrame  *cause = visible();

	frame->outer = current;
	frame->depth = current ? current->depth + 1 : 1;
	if (frame->depth > MAX_DEPTH)
		ereport(ERROR,
				(errcode(ERRCODE_STATEMENT_TOO_COMPLEX),
				 errmsg("commands are nested too deeply"),
				 errdetail("The limit is %d commands, each sent by the handler of the one before.",
						   MAX_DEPTH),
				 errhint("Look for a handler that sends, through others, its own command.")));
	check_stack_depth();

	frame->has_causation = (causation_id || cause);
	if (causation_id)
		frame->causation_id = *causation_id;
	else if (cause)
		frame->causation_id = cause->cause.command_id;

	frame->correlation_id = correlation_id ? *correlation_id
		: cause ? cause->correlation_id : frame->cause.command_id;

	frame->cause.fence = cqrs_fence_detached();
	frame->cause.metadata = metadata;
	if (cause && cause->cause.metadata)
		frame->cause.metadata = metadata == NULL ? cause->cause.metadata
			: DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
												 JsonbPGetDatum(cause->cause.metadata),
												 JsonbPGetDatum(metadata)));
}

/*
 * From here to the pop, which must happen after an error too, the frame's
 * command is the one that runs.
 */
void
cqrs_frame_push(CqrsFrame *frame)
{
	Assert(frame->outer == current);
	frame->is_restricted = InSecurityRestrictedOperation();
	frame->fence = cqrs_fence_current();
	current = frame;
	frame->cause_before = cqrs_cause_set(&frame->cause);
}

void
cqrs_frame_pop(CqrsFrame *frame)
{
	Assert(frame == current);
	cqrs_cause_set(frame->cause_before);
	current = frame->outer;
}

/*
 * The id of the command that is running, NULL when none is.
 */
Datum
cqrs_command_id(PG_FUNCTION_ARGS)
{
	CqrsFrame  *frame = visible();
	pg_uuid_t  *id;

	if (frame == NULL)
		PG_RETURN_NULL();
	id = palloc(sizeof(pg_uuid_t));
	*id = frame->cause.command_id;
	PG_RETURN_UUID_P(id);
}

Datum
cqrs_correlation_id(PG_FUNCTION_ARGS)
{
	CqrsFrame  *frame = visible();
	pg_uuid_t  *id;

	if (frame == NULL)
		PG_RETURN_NULL();
	id = palloc(sizeof(pg_uuid_t));
	*id = frame->correlation_id;
	PG_RETURN_UUID_P(id);
}

/*
 * The payload of the command whose handler is running, as it was sent; NULL when
 * none is.
 *
 * In the course of a handler we also run code of others, fenced in, such as
 * constraints of payloads.  What the command was sent with is not their business.
 */
Datum
cqrs_payload(PG_FUNCTION_ARGS)
{
	if (current == NULL || current->payload == NULL ||
		InSecurityRestrictedOperation() != current->is_restricted ||
		cqrs_fence_current() != current->fence)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(current->payload);
}

/*
 * Who is connected: the role that logged in, or that a superuser has changed to
 * by SET SESSION AUTHORIZATION.  Neither SET ROLE nor SECURITY DEFINER changes it.
 * For code that we run fenced in it is the role that answers for the code.
 */
Datum
cqrs_actor(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(GetUserNameFromId(cqrs_acting_role(), false)));
}
