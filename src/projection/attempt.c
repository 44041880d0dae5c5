/*-------------------------------------------------------------------------
 *
 * attempt.c
 *		Trying something in a subtransaction.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/attempt.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "projection/attempt.h"

static ErrorData *try_it(CqrsAttempt function, void *arg);

/*
 * Calls the function in a subtransaction.  NULL when it went well, else what
 * went wrong; all that was done has been undone then.  An error that has to do
 * with the circumstances rather than with what was tried is thrown on: nobody
 * shall draw conclusions from it.
 */
ErrorData *
cqrs_attempt(CqrsAttempt function, void *arg)
{
	ErrorData  *error = try_it(function, arg);

	if (error && cqrs_error_is_passing(error))
		ReThrowError(error);
	return error;
}

/*
 * The same when guarded.  Else the function is just called, and what goes wrong is
 * thrown.
 */
ErrorData *
cqrs_attempt_if(bool guarded, CqrsAttempt function, void *arg)
{
	if (guarded)
		return cqrs_attempt(function, arg);
	function(arg);
	return NULL;
}

/*
 * The same for what can as well be tried another time.  Thrown on is only what
 * the session has been told to do.
 */
ErrorData *
cqrs_attempt_quietly(CqrsAttempt function, void *arg)
{
	ErrorData  *error = try_it(function, arg);

	if (error && (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION))
		ReThrowError(error);
	return error;
}

/*
 * Calls the function in a subtransaction that is undone in any case.  An error is
 * thrown on then: one that left the subtransaction open would leave the session in
 * an aborted transaction that nobody has begun.
 */
void
cqrs_try_and_undo(CqrsAttempt function, void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		function(arg);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();

	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error)
		ReThrowError(error);
}

static ErrorData *
try_it(CqrsAttempt function, void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		function(arg);
		MemoryContextSwitchTo(context);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();

	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

/*
 * Is it the circumstances?  Then the same work may succeed when it is tried
 * again, be it after somebody has repaired a disk.
 */
bool
cqrs_error_is_passing(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_CONNECTION_EXCEPTION:	/* to another server */
			return true;
	}
	switch (error->sqlerrcode)
	{
		case ERRCODE_LOCK_NOT_AVAILABLE:
		case ERRCODE_QUERY_CANCELED:
		case ERRCODE_ADMIN_SHUTDOWN:
		case ERRCODE_CRASH_SHUTDOWN:
		case ERRCODE_CANNOT_CONNECT_NOW:
		case ERRCODE_DATABASE_DROPPED:
		case ERRCODE_IDLE_SESSION_TIMEOUT:
		case ERRCODE_DATA_CORRUPTED:
		case ERRCODE_INDEX_CORRUPTED:
		case ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION:
		case ERRCODE_FDW_OUT_OF_MEMORY:
			return true;

			/* what is a matter of room, too, and has no code of its own */
		case ERRCODE_INTERNAL_ERROR:
			return error->saved_errno == EDQUOT || error->saved_errno == EFBIG;
	}
	return false;
}

/*
 * Would the next event fail, too?
 */
bool
cqrs_error_is_no_events_fault(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE ||
		error->sqlerrcode == ERRCODE_UNDEFINED_TABLE ||
		error->sqlerrcode == ERRCODE_UNDEFINED_SCHEMA;
}
