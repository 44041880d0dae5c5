/*-------------------------------------------------------------------------
 *
 * payload_number.c
 *		Numbers of a payload, which come as JSON numbers or as strings.
 *
 * NOTES
 *		Many clients send numbers as strings, as their own numbers are floating
 *		point.  A number with a fraction does not become an integer, while
 *		the digits beyond a numeric's scale are rounded, as in an assignment.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/payload_number.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/compat.h"
#include "event/payload_internal.h"

/* longest digit strings that we look at ourselves */
#define MAX_INTEGER_DIGITS	18
#define MAX_NUMERIC_DIGITS	200

static bool to_integer(CqrsShape *shape, const JsonbValue *value, Datum *result, char **fault);
static bool to_float(CqrsShape *shape, const JsonbValue *value, Datum *result, char **fault);
static bool to_numeric(CqrsShape *shape, const JsonbValue *value, Datum *result, char **fault);
static bool parse_integer(const char *s, int len, int64 *result);
static bool is_decimal(const char *s, int len);
static char *out_of_range(const CqrsShape *shape, const char *s);

bool
cqrs_number_convert(CqrsShape *shape, const JsonbValue *value, Datum *result, char **fault)
{
	Assert(value->type == jbvNumeric || value->type == jbvString);
	switch (shape->scalar)
	{
		case SCALAR_NUMERIC:
			return to_numeric(shape, value, result, fault);
		case SCALAR_FLOAT:
			return to_float(shape, value, result, fault);
		default:
			return to_integer(shape, value, result, fault);
	}
}

static bool
to_integer(CqrsShape *shape, const JsonbValue *value, Datum *result, char **fault)
{
	char	   *s;
	int			len;
	int64		n;

	if (value->type == jbvNumeric)
	{
		s = numeric_normalize(value->val.numeric);
		len = strlen(s);
		if (memchr(s, '.', len))
		{
			*fault = psprintf("expected %s, found %s", format_type_be(shape->base), s);
			return false;
		}
	}
	else
	{
		s = value->val.string.val;
		len = value->val.string.len;
	}

	if (!parse_integer(s, len, &n))
		return cqrs_input_convert(shape, pnstrdup(s, len), result, fault);

	switch (shape->scalar)
	{
		case SCALAR_INT2:
			*result = Int16GetDatum((int16) n);
			if (n >= PG_INT16_MIN && n <= PG_INT16_MAX)
				return true;
			break;
		case SCALAR_INT4:
			*result = Int32GetDatum((int32) n);
			if (n >= PG_INT32_MIN && n <= PG_INT32_MAX)
				return true;
			break;
		default:
			*result = Int64GetDatum(n);
			return true;
	}
	*fault = out_of_range(shape, pnstrdup(s, len));
	return false;
}

static bool
to_float(CqrsShape *shape, const JsonbValue *value, Datum *result, char **fault)
{
	char	   *s;
	int			len;
	double		d;

	if (value->type == jbvNumeric)
	{
		s = numeric_normalize(value->val.numeric);
		len = strlen(s);
	}
	else
	{
		s = pnstrdup(value->val.string.val, value->val.string.len);
		len = value->val.string.len;
	}

	/* of so many digits, a double neither overflows nor becomes zero */
	if (!is_decimal(s, len))
		return cqrs_input_convert(shape, s, result, fault);
	d = strtod(s, NULL);
	if (shape->base == FLOAT4OID)
	{
		/* left to the input function near the limits of its range */
		if (d != 0 && (fabs(d) > 1e37 || fabs(d) < 1e-37))
			return cqrs_input_convert(shape, s, result, fault);
		*result = Float4GetDatum(strtof(s, NULL));
	}
	else
		*result = Float8GetDatum(d);
	return true;
}

static bool
to_numeric(CqrsShape *shape, const JsonbValue *value, Datum *result, char **fault)
{
	if (value->type == jbvNumeric)
		*result = NumericGetDatum(value->val.numeric);
	else
	{
		char	   *s = pnstrdup(value->val.string.val, value->val.string.len);

		if (!is_decimal(s, value->val.string.len))
			return cqrs_input_convert(shape, s, result, fault);
		*result = DirectFunctionCall3(numeric_in, CStringGetDatum(s),
									  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	}

	if (shape->limit == NULL)
		return true;

	*result = DirectFunctionCall2(numeric_round, *result, Int32GetDatum(shape->scale));
	if (DatumGetBool(DirectFunctionCall2(numeric_lt,
										 DirectFunctionCall1(numeric_abs, *result),
										 NumericGetDatum(shape->limit))))
		return true;
	*fault = out_of_range(shape, DatumGetCString(DirectFunctionCall1(numeric_out, *result)));
	return false;
}

/*
 * Digits with a sign or without, few enough for an int64.
 */
static bool
parse_integer(const char *s, int len, int64 *result)
{
	bool		negative = (len > 0 && s[0] == '-');
	int			i = (negative || (len > 0 && s[0] == '+')) ? 1 : 0;
	int64		n = 0;

	if (i == len || len - i > MAX_INTEGER_DIGITS)
		return false;
	for (; i < len; i++)
	{
		if (s[i] < '0' || s[i] > '9')
			return false;
		n = n * 10 + (s[i] - '0');
	}
	*result = negative ? -n : n;
	return true;
}

/*
 * Digits, at most one point, at most a sign.
 */
static bool
is_decimal(const char *s, int len)
{
	int			digits = 0;
	int			points = 0;

	for (int i = 0; i < len; i++)
	{
		if (s[i] >= '0' && s[i] <= '9')
			digits++;
		else if (s[i] == '.')
			points++;
		else if (i > 0 || (s[i] != '-' && s[i] != '+'))
			return false;
	}
	return digits > 0 && digits <= MAX_NUMERIC_DIGITS && points <= 1;
}

static char *
out_of_range(const CqrsShape *shape, const char *s)
{
	return psprintf("value \"%s\" is out of range for type %s", s,
					format_type_with_typemod(shape->base, shape->typmod));
}
