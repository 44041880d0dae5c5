/*-------------------------------------------------------------------------
 *
 * args.c
 *		Arguments of SQL functions.
 *
 * NOTES
 *		Our functions are not declared STRICT: a null argument is a mistake
 *		that is to be seen, and STRICT would make the call a silent no-op.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/args.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "base/compat.h"

void
cqrs_arg_require(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
}

char *
cqrs_arg_string(FunctionCallInfo fcinfo, int arg, const char *name)
{
	cqrs_arg_require(fcinfo, arg, name);
	return text_to_cstring(PG_GETARG_TEXT_PP(arg));
}

char *
cqrs_arg_string_or_null(FunctionCallInfo fcinfo, int arg)
{
	return PG_ARGISNULL(arg) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(arg));
}

/*
 * The elements of an array of texts or jsonb, of one dimension and without
 * nulls; it may be empty.
 */
Datum *
cqrs_arg_elements(FunctionCallInfo fcinfo, int arg, const char *name, int *count)
{
	cqrs_arg_require(fcinfo, arg, name);
	return cqrs_array_elements(PG_GETARG_ARRAYTYPE_P(arg), name, count);
}

/*
 * The same of an array that has been taken from its call.
 */
Datum *
cqrs_array_elements(ArrayType *array, const char *name, int *count)
{
	Datum	   *elements;
	bool	   *nulls;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("array \"%s\" must have one dimension", name),
				 errdetail("It has %d.", ARR_NDIM(array))));

	/* the two types are stored alike */
	Assert(ARR_ELEMTYPE(array) == TEXTOID || ARR_ELEMTYPE(array) == JSONBOID);
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT,
					  &elements, &nulls, count);
	for (int i = 0; i < *count; i++)
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("array \"%s\" must not contain nulls", name),
					 errdetail("Element %d is null.", i + 1)));
	return elements;
}

/*
 * List of char *, from such an array of texts.
 */
List *
cqrs_arg_strings(FunctionCallInfo fcinfo, int arg, const char *name)
{
	int			count;
	Datum	   *elements = cqrs_arg_elements(fcinfo, arg, name, &count);
	List	   *result = NIL;

	for (int i = 0; i < count; i++)
		result = lappend(result, TextDatumGetCString(elements[i]));
	return result;
}

/*
 * Argument "timeout" in microseconds.  Months have 30 days, and what is too
 * long is as good as for ever.
 */
int64
cqrs_arg_timeout(Interval *timeout)
{
	double		seconds;

	seconds = timeout->time / 1000000.0 + (timeout->month * 30.0 + timeout->day) * 86400.0;
	if (seconds < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be negative", "timeout")));
	return (int64) (Min(seconds, 1e9) * 1000000.0);
}
