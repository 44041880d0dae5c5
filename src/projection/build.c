/*-------------------------------------------------------------------------
 *
 * build.c
 *		Builds that are in use, as this session knows them, with their engines.
 *
 * NOTES
 *		An engine is what a session has compiled of a build's rules.  It is kept
 *		until the rules change (the registries' triggers tell), until DDL
 *		changes what it was compiled for (the engine itself knows), or until
 *		the schema or its owner is another one.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/build.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/plans.h"
#include "base/table.h"
#include "event/cursor.h"
#include "projection/build.h"
#include "projection/rule_row.h"
#include "projection/run_as.h"
#include "projection/tables.h"

static HTAB *builds = NULL;

/* has one of them become stale since we looked? */
static bool any_stale = false;

/* the registries whose change makes engines stale */
static Oid	rule_table = InvalidOid;

static void check_constraints_at_once(CqrsBuild *build);
static CqrsBuild *find_entry(const char *name);
static Oid	find_schema(const CqrsProjection *projection, const char *name, Oid role);
static void make_engine(CqrsBuild *build, const CqrsProjection *projection);
static void drop_engine(CqrsBuild *build);
static void drop_stale_engines(void);
static void find_constraints(CqrsBuild *build);
static void registry_changed(Datum arg, Oid relid);
static void constraint_changed(Datum arg, int cacheid, uint32 hashvalue);

void
cqrs_build_init(void)
{
	CacheRegisterRelcacheCallback(registry_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(CONSTROID, constraint_changed, (Datum) 0);
}

/*
 * Locks the cursor of a build until the end of the transaction.  Whoever
 * applies events, retries parked ones or changes the build does this first,
 * before he locks anything else of the projection.  False when it is gone.
 */
bool
cqrs_build_lock(const char *projection, int32 number)
{
	char	   *name = cqrs_build_name(projection, number);
	CqrsBuild  *build = find_entry(name);
	Relation	rel;
	TupleTableSlot *slot;
	CqrsCursor	cursor;
	bool		found;

	PreventCommandIfReadOnly("applying events");
	PreventCommandIfParallelMode("applying events");
	rel = cqrs_table_open("cursor", RowExclusiveLock);
	slot = table_slot_create(rel, NULL);
	found = cqrs_cursor_lock(rel, name, &build->cursor_place, slot, &cursor);
	if (found)
		build->cursor_place = slot->tts_tid;
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	return found;
}

/*
 * Locks the live build, and then reads what there is of the projection; NULL when
 * there is nothing to apply events to.  "number" is the live build that there
 * was a while ago, or 0: it saves reading the projection twice.
 */
CqrsProjection *
cqrs_build_lock_live(const char *name, int32 number)
{
	for (;;)
	{
		bool		locked = (number != 0 && cqrs_build_lock(name, number));
		CqrsBuild  *build = locked ? find_entry(cqrs_build_name(name, number)) : NULL;
		CqrsProjection *projection =
			cqrs_projection_find_near(name, build ? &build->projection_place : NULL);

		if (projection == NULL || projection->live_build == 0)
			return NULL;
		if (projection->live_build == number)
			return locked ? projection : NULL;
		number = projection->live_build;
	}
}

/*
 * The build with an engine that is up to date.  Errors tell what is wrong with
 * the rules, or with what has become of the tables.
 */
CqrsBuild *
cqrs_build_get(const CqrsProjection *projection, int32 number)
{
	char	   *name = cqrs_build_name(projection->name, number);
	Oid			role = cqrs_projection_role(projection);
	Oid			schema = find_schema(projection, name, role);
	CqrsBuild  *build = find_entry(name);

	cqrs_build_require_idle(projection->name);
	drop_stale_engines();
	cqrs_build_clean(build);
	strlcpy(build->projection, projection->name, NAMEDATALEN);
	build->number = number;
	if (build->engine &&
		(build->stale || build->schema != schema || build->role != role ||
		 !cqrs_engine_valid(build->engine)))
		drop_engine(build);
	build->schema = schema;
	build->role = role;
	if (build->engine == NULL)
		make_engine(build, projection);
	if (build->constraints_stale)
		find_constraints(build);
	return build;
}

/*
 * Lets "feed" apply events as the build's owner, then does all that has been
 * put off.  After an error the (sub)transaction has to be rolled back.
 */
void
cqrs_build_apply(CqrsBuild *build, CqrsFeed feed, void *arg)
{
	CqrsRunAs	before;

	Assert(!build->busy && !build->dirty);
	build->busy = true;
	PG_TRY();
	{
		cqrs_run_as_begin(build->role, build->name, &before);
		check_constraints_at_once(build);
		feed(build, arg);
		cqrs_engine_flush(build->engine);
		cqrs_run_as_end(&before);
	}
	PG_CATCH();
	{
		build->busy = false;
		build->dirty = true;
		PG_RE_THROW();
	}
	PG_END_TRY();
	build->busy = false;
}

/*
 * To be called after an error, when the rollback is done.
 */
void
cqrs_build_clean(CqrsBuild *build)
{
	if (build->dirty && build->engine)
		cqrs_engine_reset(build->engine);
	build->dirty = false;
}

/*
 * Refuses when a build of the projection is being applied further up in this
 * session: a rule has got back to where it came from.
 */
void
cqrs_build_require_idle(const char *projection)
{
	HASH_SEQ_STATUS status;
	CqrsBuild  *build;

	if (builds == NULL)
		return;
	hash_seq_init(&status, builds);
	while ((build = hash_seq_search(&status)) != NULL)
		if (build->busy && strcmp(build->projection, projection) == 0)
		{
			hash_seq_term(&status);
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("projection \"%s\" is being applied in this session", projection),
					 errdetail("A rule of it has got back to the projection.")));
		}
}

/*
 * Deferred triggers cannot be left for later, when somebody else is the
 * current user, so deferrable constraints of the build are checked at once.
 */
static void
check_constraints_at_once(CqrsBuild *build)
{
	ConstraintsSetStmt *statement;
	ListCell   *lc;

	if (build->constraints == NIL)
		return;
	statement = makeNode(ConstraintsSetStmt);
	foreach(lc, build->constraints)
		statement->constraints = lappend(statement->constraints,
										 makeRangeVar(build->name, lfirst(lc), -1));
	AfterTriggerSetState(statement);
}

static CqrsBuild *
find_entry(const char *name)
{
	CqrsBuild  *build;
	bool		found;

	if (builds == NULL)
	{
		HASHCTL		ctl = {
			.keysize = NAMEDATALEN,
			.entrysize = sizeof(CqrsBuild),
			.hcxt = CacheMemoryContext
		};

		builds = hash_create("cqrs builds", 16, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	}

	build = hash_search(builds, name, HASH_ENTER, &found);
	if (!found)
	{
		memset((char *) build + NAMEDATALEN, 0, sizeof(CqrsBuild) - NAMEDATALEN);
		ItemPointerSetInvalid(&build->cursor_place);
		ItemPointerSetInvalid(&build->projection_place);
		build->constraints_stale = true;
	}
	return build;
}

/*
 * The schema says, too, who owns the projection: whoever could give it away, or
 * drop it, could give away or drop the tables.
 */
static Oid
find_schema(const CqrsProjection *projection, const char *name, Oid role)
{
	Oid			schema = get_namespace_oid(name, true);

	if (!OidIsValid(schema))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("schema \"%s\" of projection \"%s\" does not exist any more",
						name, projection->name),
				 errhint("Drop the projection and create it again.")));

	if (cqrs_schema_owner(schema) != role)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("schema \"%s\" of projection \"%s\" does not belong to \"%s\" any more",
						name, projection->name, projection->owner),
				 errhint("Give the schema back to the owner of the projection, or drop the projection and create it again.")));
	return schema;
}

static void
make_engine(CqrsBuild *build, const CqrsProjection *projection)
{
	MemoryContext before;
	MemoryContext scratch;
	CqrsRunAs	caller;
	List	   *rules;

	rule_table = cqrs_table_oid("rule");
	build->stale = false;
	build->constraints_stale = true;

	scratch = AllocSetContextCreate(CurrentMemoryContext, "cqrs rules", ALLOCSET_DEFAULT_SIZES);
	before = MemoryContextSwitchTo(scratch);
	cqrs_tables_require_lasting(build->schema);
	cqrs_run_as_begin(build->role, build->name, &caller);
	/* looks for functions where the caller may not look */
	rules = cqrs_projection_rules(projection->name, build->number);
	build->engine = cqrs_engine_create(projection->name, build->name, rules);
	cqrs_run_as_end(&caller);
	MemoryContextSwitchTo(before);
	MemoryContextDelete(scratch);
}

static void
drop_engine(CqrsBuild *build)
{
	CqrsEngine *engine = build->engine;

	build->engine = NULL;
	cqrs_engine_destroy(engine);
}

/*
 * When the registries have changed, no engine is used again as it is.  Those of
 * builds that are gone would never be looked at again: so all go now.
 */
static void
drop_stale_engines(void)
{
	HASH_SEQ_STATUS status;
	CqrsBuild  *build;

	if (!any_stale)
		return;
	any_stale = false;
	hash_seq_init(&status, builds);
	while ((build = hash_seq_search(&status)) != NULL)
	{
		if (!build->stale || build->engine == NULL)
			continue;
		if (build->busy)
			any_stale = true;
		else
		{
			drop_engine(build);
			build->dirty = false;
		}
	}
}

static void
find_constraints(CqrsBuild *build)
{
	Datum		value = ObjectIdGetDatum(build->schema);
	MemoryContext before;

	if (build->context)
		MemoryContextDelete(build->context);
	build->context = NULL;
	build->constraints = NIL;
	build->constraints_stale = false;

	SPI_connect();
	if (cqrs_plan_execute(CQRS_PLAN_DEFERRABLE_CONSTRAINTS, &value, NULL) > 0)
	{
		build->context = AllocSetContextCreate(CacheMemoryContext, "cqrs constraints",
											   ALLOCSET_SMALL_SIZES);
		before = MemoryContextSwitchTo(build->context);
		for (uint64 row = 0; row < SPI_processed; row++)
			build->constraints = lappend(build->constraints,
										 SPI_getvalue(SPI_tuptable->vals[row],
													  SPI_tuptable->tupdesc, 1));
		MemoryContextSwitchTo(before);
	}
	SPI_finish();
}

/*
 * Relation cache callback; InvalidOid is everything.
 */
static void
registry_changed(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	CqrsBuild  *build;

	if (builds == NULL ||
		(OidIsValid(relid) && relid != rule_table))
		return;
	hash_seq_init(&status, builds);
	while ((build = hash_seq_search(&status)) != NULL)
		build->stale = true;
	any_stale = true;
}

static void
constraint_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	HASH_SEQ_STATUS status;
	CqrsBuild  *build;

	if (builds == NULL)
		return;
	hash_seq_init(&status, builds);
	while ((build = hash_seq_search(&status)) != NULL)
		build->constraints_stale = true;
}
