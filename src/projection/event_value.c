/*-------------------------------------------------------------------------
 *
 * event_value.c
 *		The values of an event's fields.
 *
 * NOTES
 *		A payload field has the value that jsonb_populate_record() would give
 *		it.  The types that nearly all fields have are taken from the JSON
 *		without going through text; whatever is not plainly of such a type goes
 *		the long way and fails there, if it has to, with the usual message.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/event_value.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "base/compat.h"
#include "event/log.h"
#include "event/recent.h"
#include "projection/rule.h"

/*
 * The short format of a numeric.  PostgreSQL keeps it private, but it is the
 * on-disk format of a type that pg_upgrade carries over, so it cannot change.
 */
#define SHORT_NUMERIC(header)			(((header) & 0xC000) == 0x8000)
#define SHORT_NUMERIC_NEGATIVE(header)	(((header) & 0x2000) != 0)
#define SHORT_NUMERIC_SCALE(header)		(((header) & 0x1F80) >> 7)
#define SHORT_NUMERIC_WEIGHT(header)	((header) & 0x003F)
#define SHORT_NUMERIC_WEIGHT_NEGATIVE(header)	(((header) & 0x0040) != 0)

static Jsonb *event_data(CqrsEventRow *event);
static void init_input(CqrsField *field);
static void init_populate(CqrsField *field);
static Datum column_value(CqrsEventRow *event, CqrsField *field, bool *isnull);
static Datum payload_value(CqrsEventRow *event, CqrsField *field, bool *isnull);
static bool plain_value(CqrsField *field, JsonbValue *json, Datum *value);
static bool integer_value(Numeric numeric, Oid type, Datum *value);
static Datum input_value(CqrsField *field, JsonbValue *json);
static Datum populate_value(CqrsEventRow *event, CqrsField *field, bool *isnull);

/*
 * Decides how a payload field is converted.
 */
void
cqrs_field_init(CqrsField *field)
{
	field->kept_as = -1;
	if (field->kind == FIELD_COLUMN || field->kind == FIELD_STREAM_ID)
		return;

	switch (field->type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			field->kind = FIELD_INTEGER;
			break;
		case NUMERICOID:
			field->kind = FIELD_NUMERIC;
			break;
		case TEXTOID:
			field->kind = FIELD_TEXT;
			break;
		case VARCHAROID:
			field->kind = (field->typmod < 0) ? FIELD_TEXT : FIELD_INPUT;
			break;
		case BOOLOID:
			field->kind = FIELD_BOOLEAN;
			break;
		case JSONBOID:
			field->kind = FIELD_JSONB;
			break;
		default:
			if (get_typtype(field->type) == TYPTYPE_BASE &&
				!type_is_array(field->type) && field->type != JSONOID)
				field->kind = FIELD_INPUT;
			else
				field->kind = FIELD_POPULATE;
			break;
	}

	if (field->kind == FIELD_POPULATE)
		init_populate(field);
	else
		init_input(field);
	if (field->typmod < 0 &&
		(field->kind == FIELD_INTEGER || field->kind == FIELD_NUMERIC ||
		 field->kind == FIELD_TEXT || field->kind == FIELD_BOOLEAN))
		field->kept_as = cqrs_recent_value_id(field->name, field->name_length, field->type);
}

/*
 * Goes on to the next event.
 */
void
cqrs_event_begin(CqrsEventRow *event, TupleTableSlot *slot)
{
	bool		isnull;

	event->slot = slot;
	event->data = NULL;
	event->position = DatumGetInt64(slot_getattr(slot, EVENT_POSITION, &isnull));
}

/*
 * Value of a field.  It may point into the event, or be allocated in the
 * current memory context, which should be a short-lived one: copy it if it is
 * to outlast the event.
 */
Datum
cqrs_event_value(CqrsEventRow *event, CqrsField *field, bool *isnull)
{
	switch (field->kind)
	{
		case FIELD_COLUMN:
			return column_value(event, field, isnull);
		case FIELD_STREAM_ID:
			*isnull = false;
			return cqrs_event_stream_id(event->slot);
		case FIELD_POPULATE:
			return populate_value(event, field, isnull);
		default:
			return payload_value(event, field, isnull);
	}
}

/*
 * What follows the category and "-" in the name of the stream; the whole name
 * when it is all category.
 */
Datum
cqrs_event_stream_id(TupleTableSlot *slot)
{
	bool		isnull;
	text	   *stream = DatumGetTextPP(slot_getattr(slot, EVENT_STREAM, &isnull));
	text	   *category = DatumGetTextPP(slot_getattr(slot, EVENT_CATEGORY, &isnull));
	int			length = VARSIZE_ANY_EXHDR(stream);
	int			skip = VARSIZE_ANY_EXHDR(category) + 1;

	if (skip > length)
		skip = 0;
	return PointerGetDatum(cstring_to_text_with_len(VARDATA_ANY(stream) + skip,
													length - skip));
}

static void
init_input(CqrsField *field)
{
	Oid			function;

	getTypeInputInfo(field->type, &function, &field->ioparam);
	fmgr_info(function, &field->function);
}

/*
 * jsonb_populate_record() finds out what to make from its first argument: a
 * record with our field as its only column.
 */
static void
init_populate(CqrsField *field)
{
	Datum		value = (Datum) 0;
	bool		isnull = true;
	FuncExpr   *call;

	field->record = CreateTemplateTupleDesc(1);
	TupleDescInitEntry(field->record, 1, field->name, field->type, field->typmod, 0);
	TupleDescInitEntryCollation(field->record, 1, field->collation);
	BlessTupleDesc(field->record);
	field->empty = heap_copy_tuple_as_datum(heap_form_tuple(field->record, &value, &isnull),
											field->record);

	fmgr_info(F_JSONB_POPULATE_RECORD, &field->function);
	call = makeFuncExpr(F_JSONB_POPULATE_RECORD, RECORDOID,
						list_make2(makeNullConst(RECORDOID, -1, InvalidOid),
								   makeNullConst(JSONBOID, -1, InvalidOid)),
						InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	fmgr_info_set_expr((Node *) call, &field->function);
}

/*
 * The data of the event, detoasted and aligned, once.  Good until the next
 * event.
 */
static Jsonb *
event_data(CqrsEventRow *event)
{
	if (event->data == NULL)
	{
		bool		isnull;
		Pointer		datum = DatumGetPointer(slot_getattr(event->slot, EVENT_DATA, &isnull));

		/* a pointer to a value stored elsewhere has a short header, too */
		if (VARATT_IS_SHORT(datum) && !VARATT_IS_EXTERNAL(datum))
		{
			Size		length = VARSIZE_SHORT(datum) - VARHDRSZ_SHORT;

			event->data = (Jsonb *) event->buffer.bytes;
			SET_VARSIZE(event->data, length + VARHDRSZ);
			memcpy(VARDATA(event->data), VARDATA_SHORT(datum), length);
		}
		else
			event->data = DatumGetJsonbP(PointerGetDatum(datum));
	}
	return event->data;
}

static Datum
column_value(CqrsEventRow *event, CqrsField *field, bool *isnull)
{
	if (field->column == EVENT_DATA)
	{
		*isnull = false;
		return JsonbPGetDatum(event_data(event));
	}
	return slot_getattr(event->slot, field->column, isnull);
}

/*
 * Value of a payload field of a scalar type that is not a domain.  Another
 * projection may have wanted it before.
 */
static Datum
payload_value(CqrsEventRow *event, CqrsField *field, bool *isnull)
{
	CqrsRecentValue *kept = cqrs_recent_value(event->slot, field->kept_as);
	Jsonb	   *data;
	JsonbValue	json;
	Datum		value = (Datum) 0;

	if (kept && kept->state != CQRS_RECENT_UNKNOWN)
	{
		*isnull = (kept->state == CQRS_RECENT_NULL);
		return kept->value;
	}

	data = event_data(event);
	*isnull = !JB_ROOT_IS_OBJECT(data) ||
		getKeyJsonValueFromContainer(&data->root, field->name, field->name_length,
									 &json) == NULL ||
		json.type == jbvNull;
	if (!*isnull && !plain_value(field, &json, &value))
		return input_value(field, &json);
	if (kept)
	{
		kept->state = *isnull ? CQRS_RECENT_NULL : CQRS_RECENT_KNOWN;
		kept->value = *isnull || field->typbyval ? value : cqrs_recent_copy(value);
	}
	return value;
}

/*
 * The short way, if it is one for this JSON value.
 */
static bool
plain_value(CqrsField *field, JsonbValue *json, Datum *value)
{
	switch (field->kind)
	{
		case FIELD_INTEGER:
			return json->type == jbvNumeric &&
				integer_value(json->val.numeric, field->type, value);

		case FIELD_NUMERIC:
			if (json->type != jbvNumeric)
				return false;
			*value = NumericGetDatum(json->val.numeric);
			if (field->typmod >= 0)
				*value = DirectFunctionCall2(numeric, *value, Int32GetDatum(field->typmod));
			return true;

		case FIELD_TEXT:
			if (json->type != jbvString)
				return false;
			*value = PointerGetDatum(cstring_to_text_with_len(json->val.string.val,
															  json->val.string.len));
			return true;

		case FIELD_BOOLEAN:
			if (json->type != jbvBool)
				return false;
			*value = BoolGetDatum(json->val.boolean);
			return true;

		case FIELD_JSONB:
			*value = JsonbPGetDatum(JsonbValueToJsonb(json));
			return true;

		default:
			return false;
	}
}

/*
 * An integer, if the number is written as one and not too long for a quick
 * decision.
 */
static bool
integer_value(Numeric numeric, Oid type, Datum *value)
{
	uint16		header;
	int			ndigits;
	int			weight;
	const char *digits;
	int64		result = 0;

	if (VARSIZE(numeric) < VARHDRSZ + sizeof(uint16))
		return false;
	memcpy(&header, VARDATA(numeric), sizeof(uint16));
	ndigits = (VARSIZE(numeric) - VARHDRSZ - sizeof(uint16)) / sizeof(int16);
	weight = SHORT_NUMERIC_WEIGHT(header);
	digits = VARDATA(numeric) + sizeof(uint16);
	if (!SHORT_NUMERIC(header) || SHORT_NUMERIC_SCALE(header) != 0 ||
		SHORT_NUMERIC_WEIGHT_NEGATIVE(header) || weight > 3 || ndigits > weight + 1)
		return false;

	/* digits are to the base of 10,000; zeros at the end are left out */
	for (int i = 0; i <= weight; i++)
	{
		int16		digit = 0;

		if (i < ndigits)
			memcpy(&digit, digits + i * sizeof(int16), sizeof(int16));
		result = result * 10000 + digit;
	}
	if (ndigits == 0)
		result = 0;
	if (SHORT_NUMERIC_NEGATIVE(header))
		result = -result;

	switch (type)
	{
		case INT2OID:
			*value = Int16GetDatum((int16) result);
			return result >= PG_INT16_MIN && result <= PG_INT16_MAX;
		case INT4OID:
			*value = Int32GetDatum((int32) result);
			return result >= PG_INT32_MIN && result <= PG_INT32_MAX;
		default:
			*value = Int64GetDatum(result);
			return true;
	}
}

/*
 * The long way: the text that ->> gives, through the type's input function.
 */
static Datum
input_value(CqrsField *field, JsonbValue *json)
{
	char	   *string = NULL;

	switch (json->type)
	{
		case jbvString:
			string = pnstrdup(json->val.string.val, json->val.string.len);
			break;
		case jbvBool:
			string = json->val.boolean ? "true" : "false";
			break;
		case jbvNumeric:
			string = DatumGetCString(DirectFunctionCall1(numeric_out,
														 NumericGetDatum(json->val.numeric)));
			break;
		case jbvBinary:
			string = JsonbToCString(NULL, json->val.binary.data, json->val.binary.len);
			break;
		default:
			elog(ERROR, "unexpected type of JSON value: %d", (int) json->type);
	}
	return InputFunctionCall(&field->function, string, field->ioparam, field->typmod);
}

static Datum
populate_value(CqrsEventRow *event, CqrsField *field, bool *isnull)
{
	Datum		record;
	HeapTupleHeader header;
	HeapTupleData tuple;

	record = FunctionCall2(&field->function, field->empty,
						   JsonbPGetDatum(event_data(event)));
	header = DatumGetHeapTupleHeader(record);
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	return heap_getattr(&tuple, 1, field->record, isnull);
}
