/*-------------------------------------------------------------------------
 *
 * bulk.c
 *		What is left out while a build is being filled, and done afterwards.
 *
 * NOTES
 *		To create an index on a full table is faster than to keep it up to date
 *		while the table is being filled.  But a rule that looks for rows by it
 *		needs it from the start, and only folds are known not to.  A unique index,
 *		which decides about rows, too, has to be there when the row comes.
 *
 *		Nor is anything left out that a fold's table cannot have: an index that
 *		evaluates something, or of a kind that may refuse values.  The others
 *		refuse a value only when it is too long.  When one comes up that is long, or
 *		when an index cannot be created afterwards, the build starts again without
 *		leaving anything out, so that the event that brings the value fails.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/bulk.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "base/compat.h"
#include "base/identity.h"
#include "base/plans.h"
#include "projection/bulk.h"
#include "projection/tables.h"

static List *drop_indexes(Oid schema);
static bool all_rules_are_folds(CqrsBuild *build);

/*
 * Drops the indexes that can wait, of a build that has just been created.  Gives
 * the statements that create them.
 */
List *
cqrs_bulk_leave_out(const CqrsProjection *projection, int32 number)
{
	CqrsBuild  *build = cqrs_build_get(projection, number);

	return all_rules_are_folds(build) ? drop_indexes(build->schema) : NIL;
}

void
cqrs_bulk_create(const CqrsBuild *build, const char *statement)
{
	cqrs_run_as_owner(statement, build->role, build->name,
					  psprintf("indexes of projection \"%s\"", build->projection));
}

/*
 * Materialized views were made of empty tables.
 */
void
cqrs_bulk_refresh(const CqrsBuild *build)
{
	Datum		value = ObjectIdGetDatum(build->schema);
	ListCell   *lc;

	foreach(lc, cqrs_plan_strings(CQRS_PLAN_BUILD_MATERIALIZED, &value))
		cqrs_run_as_owner(psprintf("REFRESH MATERIALIZED VIEW %s",
								   quote_qualified_identifier(build->name, lfirst(lc))),
						  build->role, build->name,
						  psprintf("materialized views of projection \"%s\"", build->projection));
}

/*
 * Gathers statistics of all tables, so that the first readers get good plans.
 */
void
cqrs_bulk_analyze(const CqrsBuild *build)
{
	Datum		value = ObjectIdGetDatum(build->schema);
	StringInfoData statement;
	ListCell   *lc;

	initStringInfo(&statement);
	foreach(lc, list_concat(cqrs_plan_strings(CQRS_PLAN_BUILD_TABLES, &value),
							cqrs_plan_strings(CQRS_PLAN_BUILD_MATERIALIZED, &value)))
		appendStringInfo(&statement, "%s%s", statement.len == 0 ? "ANALYZE " : ", ",
						 quote_qualified_identifier(build->name, lfirst(lc)));
	if (statement.len > 0)
		cqrs_run_as_owner(statement.data, build->role, build->name,
						  psprintf("statistics of projection \"%s\"", build->projection));
}

/*
 * A definition mentions the schemas of things that are not found without: those
 * outside of pg_catalog, whatever the caller's search_path may be.
 */
static List *
drop_indexes(Oid schema)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		value = ObjectIdGetDatum(schema);
	ObjectAddresses *targets = new_object_addresses();
	int			guc_level = NewGUCNestLevel();
	List	   *result = NIL;

	cqrs_set_local("search_path", "pg_catalog, pg_temp");
	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_BUILD_INDEXES, &value, NULL);
	MemoryContextSwitchTo(caller);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		ObjectAddress address;
		bool		isnull;
		HeapTuple	tuple = SPI_tuptable->vals[row];

		ObjectAddressSet(address, RelationRelationId,
						 DatumGetObjectId(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &isnull)));
		add_exact_object_address(&address, targets);
		result = lappend(result, SPI_getvalue(tuple, SPI_tuptable->tupdesc, 2));
	}
	SPI_finish();
	AtEOXact_GUC(true, guc_level);

	performMultipleDeletions(targets, DROP_RESTRICT, 0);
	free_object_addresses(targets);
	CommandCounterIncrement();
	return result;
}

static bool
all_rules_are_folds(CqrsBuild *build)
{
	ListCell   *lc;

	foreach(lc, cqrs_engine_explain(build->engine))
	{
		CqrsExplainRow *row = lfirst(lc);

		if (row->plan && strcmp(row->plan, "fold") != 0)
			return false;
	}
	return true;
}
