/*-------------------------------------------------------------------------
 *
 * payload_input.c
 *		Calling a type's input function on a string that it may refuse.
 *
 * NOTES
 *		From 16 on an input function saves its error where we tell it to.  On
 *		15 it raises it, and a subtransaction takes us back.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/payload_input.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/compat.h"
#include "event/payload_internal.h"

static bool is_fault(int sqlstate);

#if CQRS_HAVE_SOFT_ERRORS

/*
 * False when the string does not fit; "fault" then says why.
 */
bool
cqrs_input_convert(CqrsShape *shape, char *string, Datum *result, char **fault)
{
	ErrorSaveContext saved = {T_ErrorSaveContext};

	saved.details_wanted = true;
	if (InputFunctionCallSafe(&shape->input, string, shape->ioparam, shape->typmod,
							  (Node *) &saved, result))
		return true;
	if (!is_fault(saved.error_data->sqlerrcode))
		ThrowErrorData(saved.error_data);
	*fault = saved.error_data->message;
	return false;
}

#else

bool
cqrs_input_convert(CqrsShape *shape, char *string, Datum *result, char **fault)
{
	MemoryContext before = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool fits = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(before);
	PG_TRY();
	{
		*result = InputFunctionCall(&shape->input, string, shape->ioparam, shape->typmod);
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
		if (!is_fault(error->sqlerrcode))
			ReThrowError(error);
		*fault = error->message;
		fits = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(before);
	CurrentResourceOwner = owner;
	return fits;
}

#endif

/*
 * Does the error say that the string does not fit?  Data exceptions and broken
 * constraints do, and names of things that do not exist, as for regclass.
 */
static bool
is_fault(int sqlstate)
{
	int			category = ERRCODE_TO_CATEGORY(sqlstate);

	return category == ERRCODE_DATA_EXCEPTION ||
		category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION ||
		category == ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION ||
		category == ERRCODE_INVALID_CATALOG_NAME ||
		category == ERRCODE_INVALID_SCHEMA_NAME ||
		category == ERRCODE_FEATURE_NOT_SUPPORTED ||
		sqlstate == ERRCODE_PROGRAM_LIMIT_EXCEEDED;
}
