/*-------------------------------------------------------------------------
 *
 * append_sql.c
 *		SQL functions that append: cqrs_emit() and cqrs_append().
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/append_sql.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "event/append.h"

PG_FUNCTION_INFO_V1(cqrs_emit);
PG_FUNCTION_INFO_V1(cqrs_append);

static void require(bool given, const char *argument, const char *hint);
static const int64 *get_expected_version(FunctionCallInfo fcinfo, int arg, int64 *value);
static Datum *get_elements(FunctionCallInfo fcinfo, int arg, const char *name, int *count);
static void may_append(const char *function);

/*
 * cqrs_emit(stream, type, data, expected_version, metadata) -> version
 */
Datum
cqrs_emit(PG_FUNCTION_ARGS)
{
	Datum		type;
	Datum		data;
	int64		expected;
	CqrsAppend	append = {.count = 1};

	may_append("cqrs_emit()");
	require(!PG_ARGISNULL(0), "stream", NULL);
	require(!PG_ARGISNULL(1), "type", NULL);
	require(!PG_ARGISNULL(2), "data", "Use '{}' for an event without data.");

	type = PG_GETARG_DATUM(1);
	data = PG_GETARG_DATUM(2);
	append.stream = PG_GETARG_TEXT_PP(0);
	append.types = &type;
	append.data = &data;
	append.expected = get_expected_version(fcinfo, 3, &expected);
	append.metadata = PG_ARGISNULL(4) ? NULL : PG_GETARG_JSONB_P(4);

	PG_RETURN_INT64(cqrs_append_events(&append));
}

/*
 * cqrs_append(stream, types, data, expected_version) -> version of the last
 */
Datum
cqrs_append(PG_FUNCTION_ARGS)
{
	int64		expected;
	int			n_data;
	CqrsAppend	append = {0};

	may_append("cqrs_append()");
	require(!PG_ARGISNULL(0), "stream", NULL);
	append.stream = PG_GETARG_TEXT_PP(0);
	append.types = get_elements(fcinfo, 1, "types", &append.count);
	append.data = get_elements(fcinfo, 2, "data", &n_data);
	if (append.count != n_data)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arrays \"types\" and \"data\" must have the same length"),
				 errdetail("They have %d and %d elements.", append.count, n_data)));
	append.expected = get_expected_version(fcinfo, 3, &expected);

	PG_RETURN_INT64(cqrs_append_events(&append));
}

static void
may_append(const char *function)
{
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
}

static void
require(bool given, const char *argument, const char *hint)
{
	if (!given)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", argument),
				 hint ? errhint("%s", hint) : 0));
}

static const int64 *
get_expected_version(FunctionCallInfo fcinfo, int arg, int64 *value)
{
	if (PG_ARGISNULL(arg))
		return NULL;
	*value = PG_GETARG_INT64(arg);
	if (*value < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("expected version must not be negative"),
				 errhint("Use 0 for a stream that must not exist yet.")));
	return value;
}

/*
 * The elements of an array of one dimension without nulls; it may be empty.
 */
static Datum *
get_elements(FunctionCallInfo fcinfo, int arg, const char *name, int *count)
{
	ArrayType  *array;
	Datum	   *elements;
	bool	   *nulls;

	require(!PG_ARGISNULL(arg), name, NULL);
	array = PG_GETARG_ARRAYTYPE_P(arg);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("array \"%s\" must have one dimension", name),
				 errdetail("It has %d.", ARR_NDIM(array))));

	/* text and jsonb, the two that we get, are stored alike */
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
