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
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "base/compat.h"
#include "event/append.h"

PG_FUNCTION_INFO_V1(cqrs_emit);
PG_FUNCTION_INFO_V1(cqrs_append);

static const int64 *get_expected_version(FunctionCallInfo fcinfo, int arg, int64 *value);
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
	cqrs_arg_require(fcinfo, 0, "stream");
	cqrs_arg_require(fcinfo, 1, "type");
	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "data"),
				 errhint("Use '{}' for an event without data.")));

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
	cqrs_arg_require(fcinfo, 0, "stream");
	append.stream = PG_GETARG_TEXT_PP(0);
	append.types = cqrs_arg_elements(fcinfo, 1, "types", &append.count);
	append.data = cqrs_arg_elements(fcinfo, 2, "data", &n_data);
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

static const int64 *
get_expected_version(FunctionCallInfo fcinfo, int arg, int64 *value)
{
	if (PG_ARGISNULL(arg))
		return NULL;
	*value = PG_GETARG_INT64(arg);
	if (*value < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be negative", "expected_version"),
				 errhint("Use 0 for a stream that must not exist yet.")));
	return value;
}
