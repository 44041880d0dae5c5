/*-------------------------------------------------------------------------
 *
 * draft.c
 *		Describing a projection: cqrs_create_projection(), cqrs_on() and the like.
 *
 * NOTES
 *		What is described here is a build in state "draft".  Nothing of it
 *		exists but rows of our tables until cqrs_start(), which checks it all.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/draft.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/errcodes.h"
#include "base/names.h"
#include "base/plans.h"
#include "base/table.h"
#include "projection/build_row.h"
#include "projection/draft.h"
#include "projection/rule_row.h"
#include "projection/tables.h"

PG_FUNCTION_INFO_V1(cqrs_create_projection);
PG_FUNCTION_INFO_V1(cqrs_on);
PG_FUNCTION_INFO_V1(cqrs_on_function);
PG_FUNCTION_INFO_V1(cqrs_on_batch);
PG_FUNCTION_INFO_V1(cqrs_off);

static void check_projection_name(const char *name);
static void check_choice(bool valid, const char *argument, const char *value, const char *choices);
static void check_read_schema(const char *name);
static void check_event_type(const char *name);
static void check_handler(Oid function);
static void insert_projection(Datum *values, const bool *nulls, const char *name);
static void set_rule(const char *projection, List *event_types, const char *kind,
					 const char *rule, const char *handler_owner);
static int32 lock_draft(const char *name);
static ArrayType *sorted_array(List *strings);
static int compare_strings(const ListCell *a, const ListCell *b);

/*
 * cqrs_create_projection(name, read_schema, tables, on_error, mode, description,
 * keep_previous)
 */
Datum
cqrs_create_projection(PG_FUNCTION_ARGS)
{
	char	   *name = cqrs_arg_string(fcinfo, 0, "name");
	char	   *read_schema = cqrs_arg_string(fcinfo, 1, "read_schema");
	char	   *on_error = cqrs_arg_string(fcinfo, 3, "on_error");
	char	   *mode = cqrs_arg_string(fcinfo, 4, "mode");
	CqrsOnError ignored;
	Datum		values[7];
	bool		nulls[7] = {false, false, false, false, false, PG_ARGISNULL(5), false};

	cqrs_arg_require(fcinfo, 2, "tables");
	cqrs_arg_require(fcinfo, 6, "keep_previous");
	cqrs_require_not_negative(PG_GETARG_INTERVAL_P(6), "keep_previous");
	check_projection_name(name);
	check_choice(cqrs_projection_parse_on_error(on_error, &ignored),
				 "on_error", on_error, "\"park\", \"skip\" and \"stop\"");
	check_choice(strcmp(mode, "async") == 0 || strcmp(mode, "inline") == 0,
				 "mode", mode, "\"async\" and \"inline\"");
	check_read_schema(read_schema);

	values[0] = CStringGetTextDatum(name);
	values[1] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	values[2] = CStringGetTextDatum(read_schema);
	values[3] = CStringGetTextDatum(on_error);
	values[4] = CStringGetTextDatum(mode);
	values[5] = nulls[5] ? (Datum) 0 : PG_GETARG_DATUM(5);
	values[6] = PG_GETARG_DATUM(6);
	insert_projection(values, nulls, name);

	values[1] = Int32GetDatum(cqrs_free_build_number(name));
	values[2] = PG_GETARG_DATUM(2);
	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_INSERT_BUILD, values, NULL);
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * cqrs_on(projection, event_type, rule text)
 */
Datum
cqrs_on(PG_FUNCTION_ARGS)
{
	char	   *projection = cqrs_arg_string(fcinfo, 0, "projection");
	char	   *event_type = cqrs_arg_string(fcinfo, 1, "event_type");
	char	   *rule = cqrs_arg_string(fcinfo, 2, "rule");

	check_event_type(event_type);
	set_rule(projection, list_make1(event_type), "sql", rule, NULL);
	PG_RETURN_VOID();
}

/*
 * cqrs_on(projection, event_type, handler regprocedure)
 */
Datum
cqrs_on_function(PG_FUNCTION_ARGS)
{
	char	   *projection = cqrs_arg_string(fcinfo, 0, "projection");
	char	   *event_type = cqrs_arg_string(fcinfo, 1, "event_type");
	Oid			function;

	cqrs_arg_require(fcinfo, 2, "handler");
	function = PG_GETARG_OID(2);
	check_event_type(event_type);
	check_handler(function);
	set_rule(projection, list_make1(event_type), "function",
			 format_procedure_qualified(function),
			 GetUserNameFromId(cqrs_function_owner(function), false));
	PG_RETURN_VOID();
}

/*
 * cqrs_on_batch(projection, event_types, rule)
 */
Datum
cqrs_on_batch(PG_FUNCTION_ARGS)
{
	char	   *projection = cqrs_arg_string(fcinfo, 0, "projection");
	List	   *event_types = cqrs_arg_strings(fcinfo, 1, "event_types");
	char	   *rule = cqrs_arg_string(fcinfo, 2, "rule");
	ListCell   *lc;

	if (event_types == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a batch rule must name at least one event type"),
				 errhint("Use '{*}' for all of them.")));
	foreach(lc, event_types)
		check_event_type(lfirst(lc));
	set_rule(projection, event_types, "batch", rule, NULL);
	PG_RETURN_VOID();
}

/*
 * cqrs_off(projection, event_type): its own rules go, and batch rules for
 * several types are for the others only.
 */
Datum
cqrs_off(PG_FUNCTION_ARGS)
{
	char	   *name = cqrs_arg_string(fcinfo, 0, "projection");
	char	   *event_type = cqrs_arg_string(fcinfo, 1, "event_type");
	Datum		values[3] = {CStringGetTextDatum(name), Int32GetDatum(lock_draft(name)),
	CStringGetTextDatum(event_type)};
	uint64		removed;

	SPI_connect();
	removed = cqrs_plan_execute(CQRS_PLAN_DELETE_RULES_OF_TYPE, values, NULL);
	removed += cqrs_plan_execute(CQRS_PLAN_NARROW_RULES, values, NULL);
	SPI_finish();

	if (removed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("projection \"%s\" has no rule for event type \"%s\"", name, event_type)));
	PG_RETURN_VOID();
}

/*
 * The number of the next build.  A schema may be there that we know nothing of,
 * as after a restore without data; it is left alone.
 */
int32
cqrs_free_build_number(const char *projection)
{
	int32		number = 0;
	ListCell   *lc;

	foreach(lc, cqrs_build_rows(projection))
		number = Max(number, ((CqrsBuildRow *) lfirst(lc))->number);
	do
	{
		number++;
	} while (OidIsValid(get_namespace_oid(cqrs_build_name(projection, number), true)));
	return number;
}

void
cqrs_require_not_negative(Interval *interval, const char *argument)
{
	Interval	zero = {0};

	if (DatumGetBool(DirectFunctionCall2(interval_lt, IntervalPGetDatum(interval),
										 IntervalPGetDatum(&zero))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be negative", argument)));
	/* one that ends beyond the end of time is an error now, not when it begins */
	(void) DirectFunctionCall2(timestamptz_pl_interval,
							   TimestampTzGetDatum(GetCurrentTimestamp()),
							   IntervalPGetDatum(interval));
}

/*
 * Schemas "<name>$1" and so on will carry the name.
 */
static void
check_projection_name(const char *name)
{
	cqrs_check_name(cstring_to_text(name), "projection", CQRS_MAX_PROJECTION_NAME);
	if (IsReservedName(name))
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("projection name \"%s\" is reserved", name),
				 errdetail("The prefix \"pg_\" is reserved for system schemas.")));
}

static void
check_choice(bool valid, const char *argument, const char *value, const char *choices)
{
	if (!valid)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for argument \"%s\": \"%s\"", argument, value),
				 errhint("Valid values are %s.", choices)));
}

/*
 * The owner-to-be must be allowed to create views there.
 */
static void
check_read_schema(const char *name)
{
	cqrs_require_schema_create(get_namespace_oid(name, false), name);
}

static void
check_event_type(const char *name)
{
	cqrs_check_name(cstring_to_text(name), "event type", CQRS_MAX_NAME);
}

/*
 * Checks what is worth to be known at once; cqrs_start() checks it all as the
 * projection's owner.
 */
static void
check_handler(Oid function)
{
	Oid		   *types;
	int			count;
	Oid			expected = get_rel_type_id(cqrs_table_oid("event"));

	if (!SearchSysCacheExists1(PROCOID, ObjectIdGetDatum(function)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function with OID %u does not exist", function)));
	(void) get_func_signature(function, &types, &count);
	if (count != 1 || types[0] != expected)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("function %s cannot be a rule", format_procedure(function)),
				 errdetail("A rule takes one argument of type cqrs.event.")));
	if (isAnyTempNamespace(get_func_namespace(function)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a temporary function cannot be a rule")));
	cqrs_require_function_execute(function);
}

static void
insert_projection(Datum *values, const bool *nulls, const char *name)
{
	uint64		inserted;

	SPI_connect();
	inserted = cqrs_plan_execute(CQRS_PLAN_INSERT_PROJECTION, values, nulls);
	SPI_finish();

	if (inserted == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("projection \"%s\" already exists", name),
				 errhint("Use cqrs_revise(%s) to change it, or cqrs_drop_projection(%s).",
						 quote_literal_cstr(name), quote_literal_cstr(name))));
}

/*
 * Adds a rule to the draft, or puts it in the place of one for the same event
 * types.
 */
static void
set_rule(const char *projection, List *event_types, const char *kind,
		 const char *rule, const char *handler_owner)
{
	Datum		values[6];
	bool		nulls[6] = {false, false, false, false, false, handler_owner == NULL};

	values[0] = CStringGetTextDatum(projection);
	values[1] = Int32GetDatum(lock_draft(projection));
	values[2] = PointerGetDatum(sorted_array(event_types));
	values[3] = CStringGetTextDatum(kind);
	values[4] = CStringGetTextDatum(rule);
	values[5] = handler_owner ? CStringGetTextDatum(handler_owner) : (Datum) 0;

	SPI_connect();
	if (cqrs_plan_execute(CQRS_PLAN_CHANGE_RULE, values, nulls) == 0)
		cqrs_plan_execute(CQRS_PLAN_INSERT_RULE, values, nulls);
	SPI_finish();
}

/*
 * Gives the number of the build.
 */
static int32
lock_draft(const char *name)
{
	CqrsProjection *projection = cqrs_projection_lock_own(name);
	int32		draft = cqrs_build_draft(name);

	if (draft == 0)
		ereport(ERROR,
				(errcode(ERRCODE_CQRS_PROJECTION_NOT_DRAFT),
				 errmsg("projection \"%s\" is not a draft", name),
				 projection->next_build != 0 ?
				 errdetail("The rules of its new build are in use.") :
				 errdetail("Its rules are in use."),
				 projection->next_build != 0 ?
				 errhint("Use cqrs_cancel_build(%s) to throw the new build away, and cqrs_revise(%s) to open a draft.",
						 quote_literal_cstr(name), quote_literal_cstr(name)) :
				 errhint("Use cqrs_revise(%s) to open a draft of it.", quote_literal_cstr(name))));
	return draft;
}

/*
 * The same set of event types is the same array.
 */
static ArrayType *
sorted_array(List *strings)
{
	Datum	   *elements = palloc(list_length(strings) * sizeof(Datum));
	int			count = 0;

	list_sort(strings, compare_strings);
	for (int i = 0; i < list_length(strings); i++)
		if (i == 0 || strcmp(list_nth(strings, i - 1), list_nth(strings, i)) != 0)
			elements[count++] = CStringGetTextDatum(list_nth(strings, i));
	return construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT);
}

static int
compare_strings(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}
