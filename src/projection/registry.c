/*-------------------------------------------------------------------------
 *
 * registry.c
 *		Which projections there are: rows of cqrs.projection.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/registry.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/plans.h"
#include "base/table.h"
#include "projection/registry.h"

/* columns of cqrs.projection */
enum
{
	COL_NAME = 1,
	COL_OWNER,
	COL_READ_SCHEMA,
	COL_ON_ERROR,
	COL_MODE,
	COL_DESCRIPTION,
	COL_STATE,
	COL_LIVE_BUILD,
	COL_NEXT_BUILD,
	COL_FOLLOWER,
	COL_KEEP_PREVIOUS,
	COL_LAST_ERROR
};

static const char *const state_names[] = {
	[CQRS_PROJECTION_DRAFT] = "draft",
	[CQRS_PROJECTION_RUNNING] = "running",
	[CQRS_PROJECTION_PAUSED] = "paused",
	[CQRS_PROJECTION_STOPPED] = "stopped",
};

static const char *const on_error_names[] = {
	[CQRS_ON_ERROR_PARK] = "park",
	[CQRS_ON_ERROR_SKIP] = "skip",
	[CQRS_ON_ERROR_STOP] = "stop",
};

static CqrsProjection *row_to_projection(TupleTableSlot *slot);
static int	compare_names(const ListCell *a, const ListCell *b);
static bool is_string(TupleTableSlot *slot, int column, const char *value);
static char *get_string(TupleTableSlot *slot, int column);
static int32 get_number(TupleTableSlot *slot, int column);
static void require_existence(const CqrsProjection *projection, const char *name);
static void require_membership(const CqrsProjection *projection);

/*
 * NULL when there is no such projection.  Whoever applies a batch, or waits for one,
 * comes here: the row is read without the executor, which would cost more than all
 * else that there is to do for a single event.
 */
CqrsProjection *
cqrs_projection_find(const char *name)
{
	return cqrs_projection_find_near(name, NULL);
}

/*
 * The same for one who keeps a hint where the row is, zeroed at first.
 */
CqrsProjection *
cqrs_projection_find_near(const char *name, ItemPointer hint)
{
	Relation	rel = cqrs_table_open("projection", AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	CqrsProjection *result = NULL;

	if (cqrs_row_read(rel, cstring_to_text(name), hint, snapshot, slot))
		result = row_to_projection(slot);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	return result;
}

CqrsProjection *
cqrs_projection_get(const char *name)
{
	CqrsProjection *projection = cqrs_projection_find(name);

	require_existence(projection, name);
	return projection;
}

/*
 * Until the end of the transaction nobody else changes the projection.
 */
CqrsProjection *
cqrs_projection_lock(const char *name)
{
	Datum		value = CStringGetTextDatum(name);
	bool		locked;

	SPI_connect();
	locked = (cqrs_plan_execute(CQRS_PLAN_LOCK_PROJECTION, &value, NULL) > 0);
	SPI_finish();
	/* when it has been dropped while we waited, one that has its name is another one */
	if (!locked)
		require_existence(NULL, name);

	/* the statement that waited for the lock has not seen what we waited for */
	return cqrs_projection_get(name);
}

/*
 * The same for one who wants to change the projection, and has to be entitled
 * to.  That is asked first: nobody waits, or makes others wait, for a
 * projection that is none of his.
 */
CqrsProjection *
cqrs_projection_lock_own(const char *name)
{
	CqrsProjection *projection = cqrs_projection_get(name);

	require_membership(projection);
	projection = cqrs_projection_lock(name);
	/* it may be another one of that name by now */
	require_membership(projection);
	return projection;
}

CqrsProjection *
cqrs_projection_get_own(const char *name)
{
	CqrsProjection *projection = cqrs_projection_get(name);

	require_membership(projection);
	return projection;
}

/*
 * One that there is more of than its draft.
 */
void
cqrs_projection_require_started(const CqrsProjection *projection)
{
	if (projection->live_build == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("projection \"%s\" has not been started", projection->name),
				 errhint("Use cqrs_start(%s).", quote_literal_cstr(projection->name))));
}

/*
 * One that no other build is being filled for.
 */
void
cqrs_projection_require_no_rebuild(const CqrsProjection *projection)
{
	if (projection->next_build != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("projection \"%s\" is being rebuilt", projection->name),
				 errdetail("Build %d is being filled.", projection->next_build),
				 errhint("See cqrs.build_progress, or use cqrs_cancel_build(%s).",
						 quote_literal_cstr(projection->name))));
}

/*
 * The role that everything of the projection runs as.
 */
Oid
cqrs_projection_role(const CqrsProjection *projection)
{
	Oid			role = get_role_oid(projection->owner, true);

	if (!OidIsValid(role))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\", which owns projection \"%s\", does not exist",
						projection->owner, projection->name)));
	return role;
}

/*
 * May the current user do to the projection what its owner may?
 */
bool
cqrs_projection_is_mine(const CqrsProjection *projection)
{
	Oid			role = get_role_oid(projection->owner, true);

	return OidIsValid(role) ? has_privs_of_role(GetUserId(), role) : superuser();
}

/*
 * All projections, as CqrsProjection, that have been started.
 */
List *
cqrs_projection_list(void)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, cqrs_plan_strings(CQRS_PLAN_LIST_STARTED, NULL))
	{
		CqrsProjection *projection = cqrs_projection_find(lfirst(lc));

		if (projection)
			result = lappend(result, projection);
	}
	return result;
}

/*
 * Names of all projections that run, not inline, in order: who locks several does
 * so in this order.  Each wait for all that run asks for them.
 */
List *
cqrs_projection_running_async(void)
{
	Relation	rel = cqrs_table_open("projection", AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	List	   *result = NIL;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		if (is_string(slot, COL_STATE, "running") && is_string(slot, COL_MODE, "async"))
			result = lappend(result, get_string(slot, COL_NAME));
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	list_sort(result, compare_names);
	return result;
}

/*
 * The same of all that have a build to apply events to, be it not the live one.
 */
List *
cqrs_projection_to_catch_up(void)
{
	return cqrs_plan_strings(CQRS_PLAN_LIST_CATCH_UP, NULL);
}

/*
 * All transitions of state go through here.
 */
void
cqrs_projection_set_state(const CqrsProjection *projection, CqrsProjectionState state)
{
	Datum		values[2] = {CStringGetTextDatum(projection->name),
	CStringGetTextDatum(state_names[state])};

	Assert(state != CQRS_PROJECTION_DRAFT);
	Assert(state == CQRS_PROJECTION_RUNNING || projection->state != CQRS_PROJECTION_DRAFT);

	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_SET_STATE, values, NULL);
	SPI_finish();
}

/*
 * Writes state, builds and keep_previous.  The caller holds the row locked.
 */
void
cqrs_projection_write(const CqrsProjection *projection)
{
	Datum		values[6] = {CStringGetTextDatum(projection->name),
		CStringGetTextDatum(state_names[projection->state]),
		Int32GetDatum(projection->live_build),
		Int32GetDatum(projection->next_build),
		Int32GetDatum(projection->follower),
	IntervalPGetDatum(projection->keep_previous)};
	bool		nulls[6] = {false, false, projection->live_build == 0,
		projection->next_build == 0, projection->follower == 0, false};

	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_CHANGE_PROJECTION, values, nulls);
	SPI_finish();
}

/*
 * Remembers the last error of a projection.
 */
void
cqrs_projection_set_error(const char *name, const char *error)
{
	Datum		values[2] = {CStringGetTextDatum(name), CStringGetTextDatum(error)};

	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_SET_ERROR, values, NULL);
	SPI_finish();
}

bool
cqrs_projection_parse_on_error(const char *text, CqrsOnError *on_error)
{
	for (int i = 0; i < lengthof(on_error_names); i++)
		if (strcmp(text, on_error_names[i]) == 0)
		{
			*on_error = (CqrsOnError) i;
			return true;
		}
	return false;
}

/*
 * Tells whoever waits for a projection that does not run why nothing happens.
 * The last error can repeat what is in an event: that is for the owner.
 */
void
cqrs_projection_warn_at_rest(const CqrsProjection *projection)
{
	switch (projection->state)
	{
		case CQRS_PROJECTION_PAUSED:
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg("projection \"%s\" is paused", projection->name),
					 errhint("Use cqrs_resume(%s).", quote_literal_cstr(projection->name))));
			break;

		case CQRS_PROJECTION_STOPPED:
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg("projection \"%s\" has been stopped by an error", projection->name),
					 projection->last_error && cqrs_projection_is_mine(projection) ?
					 errdetail("%s", projection->last_error) : 0,
					 errhint("Remove the cause and use cqrs_resume(%s).",
							 quote_literal_cstr(projection->name))));
			break;

		case CQRS_PROJECTION_DRAFT:
		case CQRS_PROJECTION_RUNNING:
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg("projection \"%s\" has not been started", projection->name),
					 errhint("Use cqrs_start(%s).", quote_literal_cstr(projection->name))));
			break;
	}
}

static CqrsProjection *
row_to_projection(TupleTableSlot *slot)
{
	CqrsProjection *result = palloc0(sizeof(CqrsProjection));
	char	   *state = get_string(slot, COL_STATE);
	bool		isnull;

	result->name = get_string(slot, COL_NAME);
	result->owner = get_string(slot, COL_OWNER);
	result->read_schema = get_string(slot, COL_READ_SCHEMA);
	cqrs_projection_parse_on_error(get_string(slot, COL_ON_ERROR), &result->on_error);
	result->is_inline = strcmp(get_string(slot, COL_MODE), "inline") == 0;
	for (int i = 0; i < lengthof(state_names); i++)
		if (strcmp(state, state_names[i]) == 0)
			result->state = (CqrsProjectionState) i;
	result->live_build = get_number(slot, COL_LIVE_BUILD);
	result->next_build = get_number(slot, COL_NEXT_BUILD);
	result->follower = get_number(slot, COL_FOLLOWER);
	result->keep_previous = (Interval *)
		DatumGetPointer(datumCopy(slot_getattr(slot, COL_KEEP_PREVIOUS, &isnull),
								  false, sizeof(Interval)));
	result->last_error = get_string(slot, COL_LAST_ERROR);
	return result;
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

static bool
is_string(TupleTableSlot *slot, int column, const char *value)
{
	bool		isnull;
	text	   *now = DatumGetTextPP(slot_getattr(slot, column, &isnull));

	return VARSIZE_ANY_EXHDR(now) == strlen(value) &&
		memcmp(VARDATA_ANY(now), value, strlen(value)) == 0;
}

/*
 * In the current memory context; NULL for null.
 */
static char *
get_string(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/*
 * 0 for null.
 */
static int32
get_number(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

static void
require_existence(const CqrsProjection *projection, const char *name)
{
	if (projection == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("projection \"%s\" does not exist", name)));
}

static void
require_membership(const CqrsProjection *projection)
{
	if (!cqrs_projection_is_mine(projection))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of projection \"%s\"", projection->name)));
}
