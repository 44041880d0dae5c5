/*-------------------------------------------------------------------------
 *
 * inline_list.c
 *		Which projections run inline.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/inline_list.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/table.h"
#include "projection/inline.h"

/* columns of cqrs.projection that are looked at here */
enum
{
	COL_NAME = 1,
	COL_MODE = 5,
	COL_STATE = 7
};

/* the projections (CqrsProjection) that run inline, in the order of their names */
static List *projections = NIL;
static bool projections_valid = false;
static MemoryContext projections_context = NULL;
static Oid	projection_table = InvalidOid;

static void load_projections(void);
static List *read_names(void);
static int	compare_names(const ListCell *a, const ListCell *b);
static bool is_inline(TupleTableSlot *slot);
static void projection_changed(Datum arg, Oid relid);

void
cqrs_inline_list_init(void)
{
	CacheRegisterRelcacheCallback(projection_changed, (Datum) 0);
}

/*
 * They stay in memory until somebody asks again.
 */
List *
cqrs_inline_projections(void)
{
	if (!projections_valid)
		load_projections();
	return projections;
}

/*
 * Valid from the moment at which we begin to look, as far as no invalidation
 * arrives from then on; in any case what we have found serves once.
 */
static void
load_projections(void)
{
	List	   *names;
	ListCell   *lc;
	MemoryContext before;

	if (projections_context == NULL)
		projections_context = AllocSetContextCreate(CacheMemoryContext,
													"cqrs inline projections",
													ALLOCSET_SMALL_SIZES);
	MemoryContextReset(projections_context);
	projections = NIL;
	projection_table = cqrs_table_oid("projection");
	before = MemoryContextSwitchTo(projections_context);

	projections_valid = true;
	PG_TRY();
	{
		names = read_names();
		foreach(lc, names)
			projections = lappend(projections, cqrs_projection_get(lfirst(lc)));
	}
	PG_CATCH();
	{
		projections_valid = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(before);
}

/*
 * By the latest snapshot: what has been decided is decided, whatever the
 * snapshot of our transaction.  But with an old snapshot we cannot build upon
 * the read tables, which may have been made after it.
 */
static List *
read_names(void)
{
	Relation	rel = cqrs_table_open("projection", AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	List	   *names = NIL;
	bool		isnull;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		if (is_inline(slot))
		{
			cqrs_row_require_visible(rel, slot);
			names = lappend(names, TextDatumGetCString(slot_getattr(slot, COL_NAME, &isnull)));
		}
	list_sort(names, compare_names);

	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	return names;
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

static bool
is_inline(TupleTableSlot *slot)
{
	bool		isnull;
	char	   *mode = TextDatumGetCString(slot_getattr(slot, COL_MODE, &isnull));
	char	   *state = TextDatumGetCString(slot_getattr(slot, COL_STATE, &isnull));

	return strcmp(mode, "inline") == 0 && strcmp(state, "running") == 0;
}

/*
 * Relation cache callback; InvalidOid is everything.
 */
static void
projection_changed(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == projection_table)
		projections_valid = false;
}
