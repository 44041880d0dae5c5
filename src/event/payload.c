/*-------------------------------------------------------------------------
 *
 * payload.c
 *		Payloads: is this JSON a value of that composite type?
 *
 * NOTES
 *		One walk over the payload, along the type, makes the value and notes
 *		every fault with its path; the faults are raised when all is seen.
 *
 *		An error that is raised inside the constraint of a domain, as opposed
 *		to the constraint being broken, is no fault of the payload and goes
 *		to the caller as it is.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/payload.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/errcodes.h"
#include "event/foreign_code.h"
#include "event/payload.h"
#include "event/payload_internal.h"
#include "event/times.h"

/*
 * A walk over one payload.
 */
typedef struct Walk
{
	CqrsFaults	faults;
	CqrsForeignCode foreign;
	bool		is_event;		/* to be read by rules: settings of the session do not count */
	int			guc_level;		/* that settings have been fixed at; 0: none have */
	ExprContext *econtext;		/* for constraints of domains; made when needed */
} Walk;

/*
 * An array while it is read: all elements in a row, and what is known of the
 * dimensions.
 */
typedef struct ArrayParts
{
	Datum	   *values;
	bool	   *nulls;
	int			count;
	int			allocated;
	int			ndims;			/* 0 until the first array without arrays in it */
	int			dims[MAXDIM];	/* -1 where not known yet */
} ArrayParts;

static Datum walk_payload(Oid type, Walk *walk, Jsonb *payload);
static bool convert_value(Walk *walk, CqrsShape *shape, const JsonbValue *value,
						  const CqrsPath *path, Datum *result);
static bool convert_object(Walk *walk, Oid type, JsonbContainer *object,
						   const CqrsPath *path, Datum *result);
static bool convert_field(Walk *walk, CqrsField *field, const JsonbValue *value,
						  const CqrsPath *path, NullableDatum *result);
static void find_unknown_keys(Walk *walk, const CqrsComposite *composite,
							  JsonbContainer *object, const CqrsPath *path);
static bool convert_array(Walk *walk, CqrsShape *shape, JsonbContainer *array,
						  const CqrsPath *path, Datum *result);
static bool read_dimension(Walk *walk, CqrsShape *element, JsonbContainer *array,
						   const CqrsPath *path, ArrayParts *parts, int depth);
static bool read_element(Walk *walk, CqrsShape *element, const JsonbValue *value,
						 const CqrsPath *path, ArrayParts *parts, int depth);
static bool convert_scalar(Walk *walk, CqrsShape *shape, const JsonbValue *value,
						   Datum *result, char **fault);
static bool constraint_holds(Walk *walk, DomainConstraintState *constraint);
static bool check_constraints(Walk *walk, CqrsShape *shape, Datum value, bool isnull,
							  const CqrsPath *path, const char *if_null);

void
cqrs_payload_check(Oid type, Oid owner, Jsonb *payload, const char *what, const char *name)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "cqrs payload",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(scratch);

	walk_payload(type, &(Walk) {.foreign = {owner, what, name}, .is_event = true}, payload);
	MemoryContextSwitchTo(before);
	MemoryContextDelete(scratch);
}

Datum
cqrs_payload_convert(Oid type, Jsonb *payload, const char *what, const char *name)
{
	return walk_payload(type, &(Walk) {.foreign = {GetUserId(), what, name}}, payload);
}

void
cqrs_payload_check_empty(Jsonb *payload, const char *what, const char *name)
{
	Walk		walk = {0};

	if (cqrs_fault_unless_object(&walk.faults, payload))
		find_unknown_keys(&walk, NULL, &payload->root, NULL);
	if (walk.faults.count > 0)
		cqrs_fault_raise(&walk.faults, InvalidOid, what, name);
}

static Datum
walk_payload(Oid type, Walk *walk, Jsonb *payload)
{
	Datum		result = (Datum) 0;

	cqrs_composite_pin();
	PG_TRY();
	{
		if (cqrs_fault_unless_object(&walk->faults, payload))
			convert_object(walk, type, &payload->root, NULL, &result);
	}
	PG_FINALLY();
	{
		cqrs_composite_unpin();
	}
	PG_END_TRY();

	if (walk->guc_level > 0)
		AtEOXact_GUC(true, walk->guc_level);
	if (walk->econtext)
		FreeExprContext(walk->econtext, true);
	if (walk->faults.count > 0)
		cqrs_fault_raise(&walk->faults, type, walk->foreign.what, walk->foreign.name);
	return result;
}

/*
 * Converts a value that is not null.  False when there was a fault.
 */
static bool
convert_value(Walk *walk, CqrsShape *shape, const JsonbValue *value,
			  const CqrsPath *path, Datum *result)
{
	bool		is_container = (value->type == jbvBinary);
	bool		is_array = is_container && JsonContainerIsArray(value->val.binary.data);
	char	   *fault;

	switch (shape->kind)
	{
		case SHAPE_SCALAR:
			if (!convert_scalar(walk, shape, value, result, &fault))
			{
				cqrs_fault_add(&walk->faults, path, "%s", fault);
				return false;
			}
			break;

		case SHAPE_ARRAY:
			if (!is_array)
			{
				cqrs_fault_add(&walk->faults, path, "expected array, found %s",
							   cqrs_json_kind(value));
				return false;
			}
			if (!convert_array(walk, shape, value->val.binary.data, path, result))
				return false;
			break;

		case SHAPE_COMPOSITE:
			if (!is_container || is_array)
			{
				cqrs_fault_add(&walk->faults, path, "expected object, found %s",
							   cqrs_json_kind(value));
				return false;
			}
			if (!convert_object(walk, shape->base, value->val.binary.data, path, result))
				return false;
			break;
	}
	return check_constraints(walk, shape, *result, false, path, NULL);
}

static bool
convert_scalar(Walk *walk, CqrsShape *shape, const JsonbValue *value,
			   Datum *result, char **fault)
{
	bool		is_foreign = cqrs_foreign_type(&walk->foreign, shape);
	const char *word = NULL;
	bool		ok;

	if (walk->is_event && shape->has_times)
	{
		if (value->type == jbvString)
			word = cqrs_moving_word(value->val.string.val, value->val.string.len);
		if (word)
		{
			*fault = psprintf("\"%s\" is another time whenever it is read", word);
			return false;
		}
		if (walk->guc_level == 0)
			walk->guc_level = cqrs_times_fix_settings();
	}
	if (is_foreign)
		cqrs_foreign_begin(&walk->foreign);
	ok = cqrs_scalar_convert(shape, value, result, fault);
	if (is_foreign)
		cqrs_foreign_end(&walk->foreign);
	return ok;
}

/*
 * An object and a composite type.
 */
static bool
convert_object(Walk *walk, Oid type, JsonbContainer *object,
			   const CqrsPath *path, Datum *result)
{
	const CqrsComposite *composite;
	int			natts;
	Datum	   *values;
	bool	   *nulls;
	int			known = 0;
	bool		ok = true;

	check_stack_depth();
	composite = cqrs_composite_get(type, &walk->foreign);
	natts = composite->desc->natts;
	values = palloc0(Max(natts, 1) * sizeof(Datum));
	nulls = palloc(Max(natts, 1) * sizeof(bool));

	for (int i = 0; i < natts; i++)
	{
		CqrsField  *field = &composite->fields[i];
		CqrsPath	here = {path, field->name, field->name_len};
		JsonbValue	value;
		NullableDatum converted = {0, true};

		if (!field->dropped)
		{
			bool		given;

			given = getKeyJsonValueFromContainer(object, field->name, field->name_len,
												 &value) != NULL;
			known += given;
			ok = convert_field(walk, field, given ? &value : NULL, &here, &converted) && ok;
		}
		values[i] = converted.value;
		nulls[i] = converted.isnull;
	}

	if (known < JsonContainerSize(object))
	{
		find_unknown_keys(walk, composite, object, path);
		ok = false;
	}
	if (ok)
		*result = HeapTupleGetDatum(heap_form_tuple(composite->desc, values, nulls));
	return ok;
}

/*
 * One field; "value" is NULL when the object does not have it.
 */
static bool
convert_field(Walk *walk, CqrsField *field, const JsonbValue *value,
			  const CqrsPath *path, NullableDatum *result)
{
	const char *if_null = value ? "must not be null" : "required field is missing";

	result->isnull = (value == NULL || value->type == jbvNull);
	if (!result->isnull)
		return convert_value(walk, &field->shape, value, path, &result->value);
	if (field->required)
	{
		cqrs_fault_add(&walk->faults, path, "%s", if_null);
		return false;
	}
	return check_constraints(walk, &field->shape, (Datum) 0, true, path, if_null);
}

/*
 * Without a type all keys are unknown.
 */
static void
find_unknown_keys(Walk *walk, const CqrsComposite *composite,
				  JsonbContainer *object, const CqrsPath *path)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		CqrsPath	here;
		bool		known = false;

		if (token != WJB_KEY)
			continue;
		here = (CqrsPath) {path, value.val.string.val, value.val.string.len};
		for (int i = 0; composite && i < composite->desc->natts && !known; i++)
		{
			const CqrsField *field = &composite->fields[i];

			known = !field->dropped && field->name_len == here.name_len &&
				memcmp(field->name, here.name, here.name_len) == 0;
		}
		if (!known)
			cqrs_fault_add(&walk->faults, &here, "unknown field");
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * A JSON array and an array type, of as many dimensions as the JSON has.
 */
static bool
convert_array(Walk *walk, CqrsShape *shape, JsonbContainer *array,
			  const CqrsPath *path, Datum *result)
{
	CqrsShape  *element = shape->element;
	ArrayParts	parts = {0};
	int			lower[MAXDIM];

	for (int i = 0; i < MAXDIM; i++)
	{
		parts.dims[i] = -1;
		lower[i] = 1;
	}
	if (!read_dimension(walk, element, array, path, &parts, 0))
		return false;

	if (parts.count != ArrayGetNItems(parts.ndims, parts.dims))
		elog(ERROR, "array of %d elements does not fill its dimensions", parts.count);
	if (parts.count == 0)
		*result = PointerGetDatum(construct_empty_array(element->type));
	else
		*result = PointerGetDatum(construct_md_array(parts.values, parts.nulls, parts.ndims,
													 parts.dims, lower, element->type,
													 element->typlen, element->typbyval,
													 element->typalign));
	return true;
}

static bool
read_dimension(Walk *walk, CqrsShape *element, JsonbContainer *array,
			   const CqrsPath *path, ArrayParts *parts, int depth)
{
	JsonbIterator *it = JsonbIteratorInit(array);
	JsonbIteratorToken token;
	JsonbValue	value;
	int			length = JsonContainerSize(array);
	int			index = 0;
	bool		ok = true;

	check_stack_depth();
	if (depth >= MAXDIM)
	{
		cqrs_fault_add(&walk->faults, path, "array has more than %d dimensions", MAXDIM);
		return false;
	}
	if (parts->dims[depth] < 0)
		parts->dims[depth] = length;
	else if (parts->dims[depth] != length)
	{
		cqrs_fault_add(&walk->faults, path, "array has %d elements, not %d as the one before",
					   length, parts->dims[depth]);
		return false;
	}
	if (length == 0 && parts->ndims == 0)
		parts->ndims = depth + 1;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		CqrsPath	here = {path, NULL, 0, index};

		if (token != WJB_ELEM)
			continue;
		ok = read_element(walk, element, &value, &here, parts, depth) && ok;
		index++;
		CHECK_FOR_INTERRUPTS();
	}
	return ok;
}

static bool
read_element(Walk *walk, CqrsShape *element, const JsonbValue *value,
			 const CqrsPath *path, ArrayParts *parts, int depth)
{
	bool		is_array = value->type == jbvBinary &&
		JsonContainerIsArray(value->val.binary.data);
	bool		may_nest = element->kind != SHAPE_ARRAY &&
		!(element->kind == SHAPE_SCALAR &&
		  (element->scalar == SCALAR_JSONB || element->scalar == SCALAR_JSON));
	bool		isnull = (value->type == jbvNull);
	Datum		datum = (Datum) 0;

	if (is_array && may_nest && (parts->ndims == 0 || depth + 1 < parts->ndims))
		return read_dimension(walk, element, value->val.binary.data, path, parts, depth + 1);

	if (parts->ndims == 0)
		parts->ndims = depth + 1;
	else if (depth + 1 < parts->ndims)
	{
		cqrs_fault_add(&walk->faults, path, "expected array, found %s", cqrs_json_kind(value));
		return false;
	}

	if (isnull ? !check_constraints(walk, element, datum, true, path, "must not be null")
		: !convert_value(walk, element, value, path, &datum))
		return false;

	if (parts->count == parts->allocated)
	{
		parts->allocated = Max(16, parts->allocated * 2);
		parts->values = parts->values == NULL ? palloc(parts->allocated * sizeof(Datum))
			: repalloc(parts->values, parts->allocated * sizeof(Datum));
		parts->nulls = parts->nulls == NULL ? palloc(parts->allocated * sizeof(bool))
			: repalloc(parts->nulls, parts->allocated * sizeof(bool));
	}
	parts->values[parts->count] = datum;
	parts->nulls[parts->count++] = isnull;
	return true;
}

/*
 * The constraints of the domains that the shape was declared with.
 */
static bool
check_constraints(Walk *walk, CqrsShape *shape, Datum value, bool isnull,
				  const CqrsPath *path, const char *if_null)
{
	bool		ok = true;
	ListCell   *lc;

	if (shape->constraints == NULL)
		return true;

	foreach(lc, shape->constraints->constraints)
	{
		DomainConstraintState *constraint = lfirst(lc);

		if (constraint->constrainttype == DOM_CONSTRAINT_NOTNULL)
		{
			if (!isnull)
				continue;
			cqrs_fault_add(&walk->faults, path, "%s", if_null);
			return false;
		}

		if (walk->econtext == NULL)
			walk->econtext = CreateStandaloneExprContext();
		walk->econtext->domainValue_datum =
			MakeExpandedObjectReadOnly(value, isnull, shape->typlen);
		walk->econtext->domainValue_isNull = isnull;
		if (!constraint_holds(walk, constraint))
		{
			cqrs_fault_add(&walk->faults, path,
						   "value for domain %s violates check constraint \"%s\"",
						   format_type_be(shape->type), constraint->name);
			ok = false;
		}
		ReScanExprContext(walk->econtext);
	}
	return ok;
}

static bool
constraint_holds(Walk *walk, DomainConstraintState *constraint)
{
	bool		is_foreign = cqrs_foreign_expression(&walk->foreign, constraint->check_expr);
	bool		ok;

	if (is_foreign)
		cqrs_foreign_begin(&walk->foreign);
	ok = ExecCheck(constraint->check_exprstate, walk->econtext);
	if (is_foreign)
		cqrs_foreign_end(&walk->foreign);
	return ok;
}
