/*-------------------------------------------------------------------------
 *
 * compare.c
 *		Rows in which two builds differ.
 *
 * NOTES
 *		Rows are compared as JSON, by the names of their columns, so that a
 *		column which somebody has added to the live table is a difference and
 *		not an error.  Rows with the same primary key belong together; where
 *		there is none, rows are counted.  Keys are compared as JSON, too: a
 *		type that is made together with the tables is another one in each build.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/compare.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/index.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/plans.h"
#include "projection/compare.h"
#include "projection/run_as.h"

/* name of a row in statements; a column of that name would take its place */
#define ROW_NAME "\"row of the build\""

/*
 * One table.
 */
typedef struct Comparison
{
	char	   *table;
	ReturnSetInfo *result;
} Comparison;

static List *list_tables(const CqrsBuild *build);
static char *by_key(const char *live, const char *rebuilt, List *key);
static char *by_counting(const char *live, const char *rebuilt);
static List *key_columns(Oid table);
static void receive(void *arg);

/*
 * The live one as the snapshot shows it, the other as our transaction has made
 * it.  Rows of the result: table, live row, rebuilt row.
 */
void
cqrs_builds_compare(const CqrsBuild *live, const CqrsBuild *rebuilt, Snapshot snapshot,
					ReturnSetInfo *result)
{
	List	   *tables = list_tables(rebuilt);
	CqrsRunAs	before;
	ListCell   *lc;

	cqrs_run_as_begin(live->role, NULL, &before);
	PushCopiedSnapshot(snapshot);
	UpdateActiveSnapshotCommandId();
	foreach(lc, tables)
	{
		Comparison	comparison = {lfirst(lc), result};
		const char *a = quote_qualified_identifier(live->name, comparison.table);
		const char *b = quote_qualified_identifier(rebuilt->name, comparison.table);
		List	   *key = key_columns(get_relname_relid(comparison.table, rebuilt->schema));

		CHECK_FOR_INTERRUPTS();
		cqrs_plan_read(key != NIL ? by_key(a, b, key) : by_counting(a, b),
					   receive, &comparison);
	}
	PopActiveSnapshot();
	cqrs_run_as_end(&before);
}

static List *
list_tables(const CqrsBuild *build)
{
	Datum		value = ObjectIdGetDatum(build->schema);

	return cqrs_plan_strings(CQRS_PLAN_BUILD_TABLES, &value);
}

static char *
by_key(const char *live, const char *rebuilt, List *key)
{
	StringInfoData columns;
	ListCell   *lc;

	initStringInfo(&columns);
	foreach(lc, key)
		appendStringInfo(&columns, "%s" ROW_NAME ".%s", lc == list_head(key) ? "" : ", ",
						 quote_identifier(lfirst(lc)));
	return psprintf("SELECT l.j, r.j FROM "
					"(SELECT pg_catalog.to_jsonb(" ROW_NAME ") AS j, pg_catalog.jsonb_build_array(%s) AS k FROM %s " ROW_NAME ") l FULL JOIN "
					"(SELECT pg_catalog.to_jsonb(" ROW_NAME ") AS j, pg_catalog.jsonb_build_array(%s) AS k FROM %s " ROW_NAME ") r "
					"ON l.k OPERATOR(pg_catalog.=) r.k "
					"WHERE (l.j OPERATOR(pg_catalog.=) r.j) IS NOT TRUE ORDER BY COALESCE(l.j, r.j)",
					columns.data, live, columns.data, rebuilt);
}

static char *
by_counting(const char *live, const char *rebuilt)
{
	return psprintf("SELECT CASE WHEN d.a OPERATOR(pg_catalog.>) d.b THEN d.j END, "
					"CASE WHEN d.b OPERATOR(pg_catalog.>) d.a THEN d.j END FROM "
					"(SELECT COALESCE(l.j, r.j) AS j, COALESCE(l.n, 0) AS a, COALESCE(r.n, 0) AS b FROM "
					"(SELECT pg_catalog.to_jsonb(" ROW_NAME ") AS j, pg_catalog.count(*) AS n FROM %s " ROW_NAME " GROUP BY 1) l "
					"FULL JOIN "
					"(SELECT pg_catalog.to_jsonb(" ROW_NAME ") AS j, pg_catalog.count(*) AS n FROM %s " ROW_NAME " GROUP BY 1) r "
					"ON l.j OPERATOR(pg_catalog.=) r.j) d, "
					"pg_catalog.generate_series(1, pg_catalog.abs(d.a OPERATOR(pg_catalog.-) d.b)) "
					"ORDER BY d.j", live, rebuilt);
}

/*
 * NIL: there is no primary key.
 */
static List *
key_columns(Oid table)
{
	Relation	rel = table_open(table, AccessShareLock);
	Oid			index = cqrs_primary_key(rel);
	List	   *result = NIL;

	if (OidIsValid(index))
	{
		Relation	index_rel = index_open(index, AccessShareLock);

		for (int i = 0; i < index_rel->rd_index->indnkeyatts; i++)
			result = lappend(result, get_attname(table, index_rel->rd_index->indkey.values[i], false));
		index_close(index_rel, NoLock);
	}
	table_close(rel, NoLock);
	return result;
}

static void
receive(void *arg)
{
	Comparison *comparison = (Comparison *) arg;

	for (uint64 row = 0; row < SPI_processed; row++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[row];
		Datum		values[3] = {CStringGetTextDatum(comparison->table)};
		bool		nulls[3] = {false};

		values[1] = SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &nulls[1]);
		values[2] = SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &nulls[2]);
		tuplestore_putvalues(comparison->result->setResult, comparison->result->setDesc,
							 values, nulls);
	}
}
