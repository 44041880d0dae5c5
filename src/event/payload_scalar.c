/*-------------------------------------------------------------------------
 *
 * payload_scalar.c
 *		Scalars of a payload: from JSON to a datum, or a fault.
 *
 * NOTES
 *		The input function of a type accepts what it accepts, but on older
 *		servers it raises an error otherwise, and then catching it takes a
 *		subtransaction.  So for common types we recognise common spellings
 *		ourselves, and call the input function when we know that it will
 *		succeed.  Whatever we do not recognise goes to payload_input.c, which
 *		copes with errors: what is accepted does not depend on us.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/payload_scalar.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "event/payload_internal.h"
#include "event/times.h"

static CqrsScalarKind kind_of(Oid base);
static bool convert_bool(CqrsShape *shape, const JsonbValue *value, Datum *result, char **fault);
static bool convert_text(CqrsShape *shape, const JsonbValue *value, Datum *result, char **fault);
static bool convert_json(CqrsShape *shape, const JsonbValue *value, Datum *result);
static bool convert_enum(CqrsShape *shape, const JsonbValue *value, Datum *result, char **fault);
static bool convert_string(CqrsShape *shape, const JsonbValue *value, Datum *result, char **fault);
static bool convert_other(CqrsShape *shape, const JsonbValue *value, Datum *result, char **fault);
static bool is_certain(CqrsScalarKind kind, const char *s, int len);
static bool is_uuid(const char *s, int len);
static bool is_date(const char *s, int len);
static bool is_timestamp(const char *s, int len);
static bool is_two_digits(const char *s, int max);
static char *wrong_kind(const CqrsShape *shape, const JsonbValue *value);

/*
 * Fills in what converting to the shape's base type takes.
 */
void
cqrs_scalar_init(CqrsShape *shape, MemoryContext context)
{
	Oid			function;

	shape->scalar = kind_of(shape->base);
	getTypeInputInfo(shape->base, &function, &shape->ioparam);
	fmgr_info_cxt(function, &shape->input, context);
	shape->has_times = cqrs_type_has_times(shape->base);

	if (shape->scalar == SCALAR_TEXT && shape->typmod >= (int32) VARHDRSZ)
		shape->max_length = shape->typmod - VARHDRSZ;

	if (shape->scalar == SCALAR_NUMERIC && shape->typmod >= (int32) VARHDRSZ)
	{
		int32		typmod = shape->typmod - VARHDRSZ;
		int			precision = (typmod >> 16) & 0xffff;
		char		limit[32];

		shape->scale = ((typmod & 0x7ff) ^ 1024) - 1024;
		snprintf(limit, sizeof(limit), "1e%d", precision - shape->scale);
		shape->limit = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(limit),
														   ObjectIdGetDatum(InvalidOid),
														   Int32GetDatum(-1)));
	}
}

/*
 * Converts a JSON value that is not null.  False when it does not fit;
 * "fault" then says why.
 */
bool
cqrs_scalar_convert(CqrsShape *shape, const JsonbValue *value, Datum *result, char **fault)
{
	switch (shape->scalar)
	{
		case SCALAR_JSONB:
		case SCALAR_JSON:
			return convert_json(shape, value, result);
		case SCALAR_BOOL:
			return convert_bool(shape, value, result, fault);
		case SCALAR_INT2:
		case SCALAR_INT4:
		case SCALAR_INT8:
		case SCALAR_FLOAT:
		case SCALAR_NUMERIC:
			if (value->type == jbvNumeric || value->type == jbvString)
				return cqrs_number_convert(shape, value, result, fault);
			break;
		case SCALAR_TEXT:
			return convert_text(shape, value, result, fault);
		case SCALAR_ENUM:
			return convert_enum(shape, value, result, fault);
		case SCALAR_UUID:
		case SCALAR_DATE:
		case SCALAR_TIMESTAMP:
			return convert_string(shape, value, result, fault);
		case SCALAR_OTHER:
			return convert_other(shape, value, result, fault);
	}
	*fault = wrong_kind(shape, value);
	return false;
}

static CqrsScalarKind
kind_of(Oid base)
{
	switch (base)
	{
		case BOOLOID:
			return SCALAR_BOOL;
		case INT2OID:
			return SCALAR_INT2;
		case INT4OID:
			return SCALAR_INT4;
		case INT8OID:
			return SCALAR_INT8;
		case FLOAT4OID:
		case FLOAT8OID:
			return SCALAR_FLOAT;
		case NUMERICOID:
			return SCALAR_NUMERIC;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return SCALAR_TEXT;
		case UUIDOID:
			return SCALAR_UUID;
		case DATEOID:
			return SCALAR_DATE;
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return SCALAR_TIMESTAMP;
		case JSONBOID:
			return SCALAR_JSONB;
		case JSONOID:
			return SCALAR_JSON;
		default:
			return type_is_enum(base) ? SCALAR_ENUM : SCALAR_OTHER;
	}
}

static bool
convert_bool(CqrsShape *shape, const JsonbValue *value, Datum *result, char **fault)
{
	bool		parsed;

	if (value->type == jbvBool)
	{
		*result = BoolGetDatum(value->val.boolean);
		return true;
	}
	if (value->type == jbvString &&
		parse_bool_with_len(value->val.string.val, value->val.string.len, &parsed))
	{
		*result = BoolGetDatum(parsed);
		return true;
	}
	return convert_string(shape, value, result, fault);
}

/*
 * text, varchar and char.  As in an assignment, blanks beyond the length do
 * not count.
 */
static bool
convert_text(CqrsShape *shape, const JsonbValue *value, Datum *result, char **fault)
{
	const char *s;
	int			len;

	if (value->type != jbvString)
	{
		*fault = wrong_kind(shape, value);
		return false;
	}
	s = value->val.string.val;
	len = value->val.string.len;

	if (shape->max_length > 0 && len > shape->max_length)
	{
		int			keep = pg_mbcharcliplen(s, len, shape->max_length);

		for (int i = keep; i < len; i++)
			if (s[i] != ' ')
			{
				*fault = psprintf("value too long for type %s",
								  format_type_with_typemod(shape->base, shape->typmod));
				return false;
			}
	}

	if (shape->max_length == 0)
		*result = PointerGetDatum(cstring_to_text_with_len(s, len));
	else
		*result = InputFunctionCall(&shape->input, pnstrdup(s, len), shape->ioparam,
									shape->typmod);
	return true;
}

/*
 * Anything fits.
 */
static bool
convert_json(CqrsShape *shape, const JsonbValue *value, Datum *result)
{
	Jsonb	   *jsonb = JsonbValueToJsonb(unconstify(JsonbValue *, value));

	if (shape->scalar == SCALAR_JSONB)
		*result = JsonbPGetDatum(jsonb);
	else
		*result = CStringGetTextDatum(JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb)));
	return true;
}

static bool
convert_enum(CqrsShape *shape, const JsonbValue *value, Datum *result, char **fault)
{
	char	   *label;

	if (value->type != jbvString)
	{
		*fault = wrong_kind(shape, value);
		return false;
	}
	label = pnstrdup(value->val.string.val, value->val.string.len);
	if (value->val.string.len >= NAMEDATALEN ||
		!SearchSysCacheExists2(ENUMTYPOIDNAME, ObjectIdGetDatum(shape->base),
							   CStringGetDatum(label)))
	{
		*fault = psprintf("invalid input value for enum %s: \"%s\"",
						  format_type_be(shape->base), label);
		return false;
	}
	/* still refuses a label that was added in this transaction */
	return cqrs_input_convert(shape, label, result, fault);
}

/*
 * Types that are written as strings in JSON.
 */
static bool
convert_string(CqrsShape *shape, const JsonbValue *value, Datum *result, char **fault)
{
	const char *s;
	int			len;

	if (value->type != jbvString)
	{
		*fault = wrong_kind(shape, value);
		return false;
	}
	s = value->val.string.val;
	len = value->val.string.len;
	if (!is_certain(shape->scalar, s, len))
		return cqrs_input_convert(shape, pnstrdup(s, len), result, fault);

	*result = InputFunctionCall(&shape->input, pnstrdup(s, len), shape->ioparam,
								shape->typmod);
	return true;
}

/*
 * All other types: strings, and for types of numbers and those of extensions
 * also what else could be meant as a literal.
 */
static bool
convert_other(CqrsShape *shape, const JsonbValue *value, Datum *result, char **fault)
{
	bool		own = (shape->category == TYPCATEGORY_USER &&
					   shape->base >= FirstNormalObjectId);
	char	   *string = NULL;

	if (value->type == jbvString)
		string = pnstrdup(value->val.string.val, value->val.string.len);
	else if (value->type == jbvNumeric && (own || shape->category == TYPCATEGORY_NUMERIC))
		string = numeric_normalize(value->val.numeric);
	else if (value->type == jbvBool && own)
		string = pstrdup(value->val.boolean ? "true" : "false");

	if (string == NULL)
	{
		*fault = wrong_kind(shape, value);
		return false;
	}
	return cqrs_input_convert(shape, string, result, fault);
}

/*
 * Is this a spelling that the input function is certain to accept?
 */
static bool
is_certain(CqrsScalarKind kind, const char *s, int len)
{
	switch (kind)
	{
		case SCALAR_UUID:
			return is_uuid(s, len);
		case SCALAR_DATE:
			return is_date(s, len);
		case SCALAR_TIMESTAMP:
			return is_timestamp(s, len);
		default:
			return false;
	}
}

static bool
is_uuid(const char *s, int len)
{
	if (len != 36)
		return false;
	for (int i = 0; i < len; i++)
	{
		if (i == 8 || i == 13 || i == 18 || i == 23)
		{
			if (s[i] != '-')
				return false;
		}
		else if (!isxdigit((unsigned char) s[i]))
			return false;
	}
	return true;
}

/*
 * 2024-02-28; the last days of months are left to the input function.
 */
static bool
is_date(const char *s, int len)
{
	if (len != 10 || s[4] != '-' || s[7] != '-')
		return false;
	if (!is_two_digits(s, 99) || !is_two_digits(s + 2, 99) || (s[0] == '0' && s[1] == '0'))
		return false;
	if (!is_two_digits(s + 5, 12) || (s[5] == '0' && s[6] == '0'))
		return false;
	return is_two_digits(s + 8, 28) && !(s[8] == '0' && s[9] == '0');
}

/*
 * 2024-02-28T12:00:00, with fractions or without, with Z or an offset.
 */
static bool
is_timestamp(const char *s, int len)
{
	int			i;

	if (len < 19 || !is_date(s, 10) || (s[10] != 'T' && s[10] != ' ') ||
		!is_two_digits(s + 11, 23) || s[13] != ':' ||
		!is_two_digits(s + 14, 59) || s[16] != ':' || !is_two_digits(s + 17, 59))
		return false;

	i = 19;
	if (i < len && s[i] == '.')
	{
		int			first = ++i;

		while (i < len && i - first < 6 && s[i] >= '0' && s[i] <= '9')
			i++;
		if (i == first)
			return false;
	}
	if (i == len)
		return true;
	if (s[i] == 'Z')
		return i + 1 == len;
	if (s[i] != '+' && s[i] != '-')
		return false;
	if (len - i == 3)
		return is_two_digits(s + i + 1, 14);
	return len - i == 6 && is_two_digits(s + i + 1, 14) && s[i + 3] == ':' &&
		is_two_digits(s + i + 4, 59);
}

static bool
is_two_digits(const char *s, int max)
{
	return s[0] >= '0' && s[0] <= '9' && s[1] >= '0' && s[1] <= '9' &&
		(s[0] - '0') * 10 + (s[1] - '0') <= max;
}

static char *
wrong_kind(const CqrsShape *shape, const JsonbValue *value)
{
	return psprintf("expected %s, found %s",
					format_type_with_typemod(shape->base, shape->typmod),
					cqrs_json_kind(value));
}
