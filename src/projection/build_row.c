/*-------------------------------------------------------------------------
 *
 * build_row.c
 *		Rows of cqrs.build: which builds a projection has, and how far they are.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/build_row.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "base/compat.h"
#include "base/plans.h"
#include "projection/build_row.h"

/* columns, in the order of CQRS_PLAN_LIST_BUILDS */
enum
{
	COL_NUMBER = 1,
	COL_TABLES,
	COL_STATE,
	COL_VIEWS,
	COL_LATER,
	COL_WAITS_FOR,
	COL_COMPLETE_XID,
	COL_KEEP_UNTIL,
	COL_LAST_ERROR,
	COL_POLICIES
};

static const char *const state_names[] = {
	[CQRS_BUILD_DRAFT] = "draft",
	[CQRS_BUILD_FILLING] = "filling",
	[CQRS_BUILD_INDEXING] = "indexing",
	[CQRS_BUILD_CATCHING_UP] = "catching up",
	[CQRS_BUILD_FOLLOWING] = "following",
	[CQRS_BUILD_LIVE] = "live",
	[CQRS_BUILD_PREVIOUS] = "previous",
	[CQRS_BUILD_RETIRED] = "retired",
};

static CqrsBuildRow *read_row(uint64 row, const char *projection);
static Datum get_value(uint64 row, int column, bool *isnull);
static List *get_strings(uint64 row, int column, bool *isnull);
static Datum strings_to_array(List *strings);

/*
 * All builds of a projection, as CqrsBuildRow, in the order of their numbers.
 */
List *
cqrs_build_rows(const char *projection)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		value = CStringGetTextDatum(projection);
	List	   *result = NIL;

	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_LIST_BUILDS, &value, NULL);
	MemoryContextSwitchTo(caller);
	for (uint64 row = 0; row < SPI_processed; row++)
		result = lappend(result, read_row(row, projection));
	SPI_finish();
	return result;
}

/*
 * NULL when there is no such build.
 */
CqrsBuildRow *
cqrs_build_row_or_null(const char *projection, int32 number)
{
	ListCell   *lc;

	foreach(lc, cqrs_build_rows(projection))
		if (((CqrsBuildRow *) lfirst(lc))->number == number)
			return lfirst(lc);
	return NULL;
}

/*
 * One that has to exist.
 */
CqrsBuildRow *
cqrs_build_row(const char *projection, int32 number)
{
	CqrsBuildRow *row = cqrs_build_row_or_null(projection, number);

	if (row == NULL)
		elog(ERROR, "projection \"%s\" has no build %d", projection, number);
	return row;
}

/*
 * The number of the build that is a draft; 0 when there is none.
 */
int32
cqrs_build_draft(const char *projection)
{
	Datum		value = CStringGetTextDatum(projection);
	int32		number = 0;
	bool		isnull;

	SPI_connect();
	if (cqrs_plan_execute(CQRS_PLAN_FIND_DRAFT, &value, NULL) > 0)
		number = DatumGetInt32(get_value(0, 1, &isnull));
	SPI_finish();
	return number;
}

/*
 * Are there builds, beside the live one, to look after?
 */
bool
cqrs_build_has_others(const char *projection)
{
	Datum		value = CStringGetTextDatum(projection);
	bool		result;

	SPI_connect();
	result = (cqrs_plan_execute(CQRS_PLAN_HAS_OTHERS, &value, NULL) > 0);
	SPI_finish();
	return result;
}

/*
 * Names of all projections that have such builds.
 */
List *
cqrs_build_with_others(void)
{
	return cqrs_plan_strings(CQRS_PLAN_LIST_WITH_OTHERS, NULL);
}

/*
 * All transitions of state go through here.  The caller holds the row of the
 * projection, or the build's cursor, locked.
 */
void
cqrs_build_row_write(const CqrsBuildRow *row)
{
	Datum		values[10];
	bool		nulls[10] = {false};

	values[0] = CStringGetTextDatum(row->projection);
	values[1] = Int32GetDatum(row->number);
	values[2] = CStringGetTextDatum(state_names[row->state]);
	values[3] = strings_to_array(row->views);
	values[4] = strings_to_array(row->later);
	nulls[5] = !row->looked;
	values[5] = strings_to_array(row->waits_for);
	nulls[6] = !FullTransactionIdIsValid(row->complete_xid);
	values[6] = FullTransactionIdGetDatum(row->complete_xid);
	nulls[7] = (row->keep_until == 0);
	values[7] = TimestampTzGetDatum(row->keep_until);
	nulls[8] = (row->last_error == NULL);
	values[8] = row->last_error ? CStringGetTextDatum(row->last_error) : (Datum) 0;
	nulls[9] = (row->state == CQRS_BUILD_DRAFT);
	values[9] = TimestampTzGetDatum(GetCurrentTimestamp());

	SPI_connect();
	if (cqrs_plan_execute(CQRS_PLAN_CHANGE_BUILD, values, nulls) != 1)
		elog(ERROR, "projection \"%s\" has no build %d", row->projection, row->number);
	SPI_finish();
}

/*
 * Who a build waits for, that follows.  False when it does not any more: this is
 * written without a lock.
 */
bool
cqrs_build_row_set_waits(CqrsBuildRow *row, List *waits_for)
{
	Datum		values[4] = {CStringGetTextDatum(row->projection), Int32GetDatum(row->number),
	strings_to_array(waits_for), FullTransactionIdGetDatum(row->complete_xid)};
	uint64		changed;

	SPI_connect();
	changed = cqrs_plan_execute(CQRS_PLAN_SET_WAITS, values, NULL);
	SPI_finish();
	row->looked = true;
	row->waits_for = waits_for;
	return changed > 0;
}

/*
 * What its tables have been created with.
 */
void
cqrs_build_row_set_policies(const char *projection, int32 number, List *policies)
{
	Datum		values[3] = {CStringGetTextDatum(projection), Int32GetDatum(number),
	strings_to_array(policies)};

	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_SET_POLICIES, values, NULL);
	SPI_finish();
}

/*
 * With its rules and parked events.
 */
void
cqrs_build_row_delete(const char *projection, int32 number)
{
	Datum		values[3] = {CStringGetTextDatum(projection), Int32GetDatum(number)};
	bool		nulls[3] = {false, false, true};

	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_DELETE_PARKED, values, nulls);
	cqrs_plan_execute(CQRS_PLAN_DELETE_RULES, values, nulls);
	cqrs_plan_execute(CQRS_PLAN_DELETE_BUILDS, values, nulls);
	SPI_finish();
}

/*
 * Is it on its way to take the place of the live one?
 */
bool
cqrs_build_is_next(const CqrsBuildRow *row)
{
	return row->state >= CQRS_BUILD_FILLING && row->state <= CQRS_BUILD_FOLLOWING;
}

/*
 * The build is not brought up to date together with the live one any more.  False
 * when that was so already.
 */
bool
cqrs_build_unfollow(const char *projection_name, int32 number)
{
	CqrsProjection *projection = cqrs_projection_lock(projection_name);
	CqrsBuildRow *row;

	if (projection->next_build != number)
		return false;
	projection->follower = 0;
	cqrs_projection_write(projection);

	row = cqrs_build_row(projection_name, number);
	row->state = CQRS_BUILD_CATCHING_UP;
	row->complete_xid = InvalidFullTransactionId;
	row->looked = false;
	row->waits_for = NIL;
	cqrs_build_row_write(row);
	return true;
}

/*
 * A build that is not live gets no more events, until somebody resumes it.
 */
void
cqrs_build_stop(const char *projection, int32 number, const char *reason)
{
	CqrsBuildRow *row = cqrs_build_row(projection, number);

	row->last_error = pstrdup(reason);
	cqrs_build_row_write(row);
}

static CqrsBuildRow *
read_row(uint64 row, const char *projection)
{
	CqrsBuildRow *result = palloc0(sizeof(CqrsBuildRow));
	char	   *state;
	Datum		value;
	bool		isnull;

	result->projection = pstrdup(projection);
	result->number = DatumGetInt32(get_value(row, COL_NUMBER, &isnull));
	result->tables = TextDatumGetCString(get_value(row, COL_TABLES, &isnull));
	state = TextDatumGetCString(get_value(row, COL_STATE, &isnull));
	for (int i = 0; i < lengthof(state_names); i++)
		if (strcmp(state, state_names[i]) == 0)
			result->state = (CqrsBuildState) i;
	result->views = get_strings(row, COL_VIEWS, &isnull);
	result->later = get_strings(row, COL_LATER, &isnull);
	result->waits_for = get_strings(row, COL_WAITS_FOR, &isnull);
	result->looked = !isnull;
	value = get_value(row, COL_COMPLETE_XID, &isnull);
	result->complete_xid = isnull ? InvalidFullTransactionId : DatumGetFullTransactionId(value);
	value = get_value(row, COL_KEEP_UNTIL, &isnull);
	result->keep_until = isnull ? 0 : DatumGetTimestampTz(value);
	value = get_value(row, COL_LAST_ERROR, &isnull);
	result->last_error = isnull ? NULL : TextDatumGetCString(value);
	result->policies = get_strings(row, COL_POLICIES, &isnull);
	return result;
}

static Datum
get_value(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

static List *
get_strings(uint64 row, int column, bool *isnull)
{
	Datum		array = get_value(row, column, isnull);
	List	   *result = NIL;
	Datum	   *elements;
	int			count;

	if (*isnull)
		return NIL;
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, NULL, &count);
	for (int i = 0; i < count; i++)
		result = lappend(result, TextDatumGetCString(elements[i]));
	return result;
}

static Datum
strings_to_array(List *strings)
{
	Datum	   *elements = palloc(Max(list_length(strings), 1) * sizeof(Datum));
	int			count = 0;
	ListCell   *lc;

	foreach(lc, strings)
		elements[count++] = CStringGetTextDatum(lfirst(lc));
	return PointerGetDatum(construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT));
}
