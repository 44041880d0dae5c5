/*-------------------------------------------------------------------------
 *
 * run.c
 *		Running a query, with writing forbidden.
 *
 * NOTES
 *		The handler is called by a statement that is prepared once a session:
 *		the planner can then see through functions in SQL, and their rows come
 *		one by one, as the caller asks for them.  What a function collects
 *		before it returns, as in PL/pgSQL, nobody else can stream.
 *
 *		While the server works for the query, the transaction is read-only:
 *		that covers whatever the handler calls, and it cannot be switched off
 *		from inside: setting it to off is refused, as the transaction has a
 *		snapshot, and resetting it is refused, too, or leaves it on.  It is
 *		PostgreSQL's idea of read-only, so temporary tables can be written to.  Between two
 *		rows, and afterwards, the transaction is what it was; a
 *		subtransaction that ends restores it by itself.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/query/run.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/regproc.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "event/payload.h"
#include "query/registry.h"
#include "query/run.h"
#include "stats/counters.h"

/* rows that are fetched at once, at most */
#define BATCH 64

/* name of a row in statements; a column of that name would take its place */
#define ROW "\"row of the query\""

/* statements of a query */
enum
{
	PLAN_ROWS,
	PLAN_PAGE
};

/*
 * The portal of a run, as long as both are there.  Either can go first: user
 * code may close the portal, and another may then get its name; an error ends
 * the run without us.  So it lives in the transaction's memory, until the portal
 * has gone and the run has ended.
 */
typedef struct OpenPortal
{
	Portal		portal;			/* NULL when it has gone */
	MemoryContextCallback gone;
} OpenPortal;

struct CqrsQueryRun
{
	text	   *name;
	int64		time;			/* spent on it so far, in microseconds */
	MemoryContext batch;		/* of the rows */
	OpenPortal *open;
	int			n_wanted;		/* how many rows the next fetch asks for */
	int			n_rows;
	int			next_row;
	bool		at_end;
	NullableDatum rows[BATCH];
};

/*
 * A stretch of work for a query.
 */
typedef struct Work
{
	bool		read_only_before;
	bool		reset_before;	/* what resetting that would make of it */
	instr_time	start;
} Work;

static void begin_work(Work *work);
static int64 end_work(const Work *work);
pg_noreturn static void fail_work(const Work *work, const text *name);
static Datum get_argument(CqrsRegistered *query, text *name, Jsonb *params);
static SPIPlanPtr get_plan(CqrsRegistered *query, int which);
static char *plan_text(CqrsRegistered *query, int which);
static void open_portal(CqrsQueryRun *run, CqrsRegistered *query, Datum argument);
static OpenPortal *watch(Portal portal);
static void portal_gone(void *open);
static void fetch(CqrsQueryRun *run);
static void fetch_from(CqrsQueryRun *run, Portal portal);
static Datum execute_page(CqrsRegistered *query, Datum argument, int64 offset, int64 count,
						  int64 *total);

/*
 * Starts a query.  With "fresh", it sees what was committed until now, where
 * the isolation level allows, and else what the caller sees.
 */
CqrsQueryRun *
cqrs_query_open(text *name, Jsonb *params, bool fresh)
{
	CqrsQueryRun *run = palloc0(sizeof(CqrsQueryRun));
	CqrsRegistered *query = cqrs_query_pin(name);
	Work		work;

	run->name = DatumGetTextPCopy(PointerGetDatum(name));
	run->n_wanted = 1;
	run->batch = AllocSetContextCreate(CurrentMemoryContext, "cqrs query rows",
									   ALLOCSET_DEFAULT_SIZES);
	begin_work(&work);
	PG_TRY();
	{
		/* domains of the argument, too, may look at tables */
		if (fresh)
			PushActiveSnapshot(GetTransactionSnapshot());
		open_portal(run, query, get_argument(query, name, params));
		if (fresh)
			PopActiveSnapshot();
	}
	PG_CATCH();
	{
		cqrs_registry_unpin(query);
		fail_work(&work, name);
	}
	PG_END_TRY();
	run->time += end_work(&work);
	cqrs_registry_unpin(query);
	return run;
}

/*
 * The next row, as jsonb, good until the next call.  False when there are no
 * more.
 */
bool
cqrs_query_next(CqrsQueryRun *run, Datum *row)
{
	if (run->next_row == run->n_rows && !run->at_end)
		fetch(run);
	if (run->next_row == run->n_rows)
		return false;
	*row = run->rows[run->next_row++].value;
	return true;
}

/*
 * Ends a query that has not been read to its end, or has.
 */
void
cqrs_query_close(CqrsQueryRun *run)
{
	if (run->open->portal)
		PortalDrop(run->open->portal, false);
	pfree(run->open);
	MemoryContextDelete(run->batch);
	cqrs_count(CQRS_COUNT_QUERY, run->name, CQRS_COUNT_ACCEPTED, run->time);
}

/*
 * Some rows of a query, as a JSON array, and how many there are in all.
 */
Datum
cqrs_query_read_page(text *name, Jsonb *params, int64 offset, int64 count, int64 *total)
{
	CqrsRegistered *query = cqrs_query_pin(name);
	volatile Datum items = (Datum) 0;
	Work		work;

	begin_work(&work);
	PG_TRY();
	{
		items = execute_page(query, get_argument(query, name, params), offset, count, total);
	}
	PG_CATCH();
	{
		cqrs_registry_unpin(query);
		fail_work(&work, name);
	}
	PG_END_TRY();
	cqrs_count(CQRS_COUNT_QUERY, name, CQRS_COUNT_ACCEPTED, end_work(&work));
	cqrs_registry_unpin(query);
	return items;
}

/*
 * From here to its end, the server works for a query: nothing may be written.
 */
static void
begin_work(Work *work)
{
	work->read_only_before = XactReadOnly;
	work->reset_before = cqrs_exchange_read_only_reset(true);
	XactReadOnly = true;
	INSTR_TIME_SET_CURRENT(work->start);
}

/*
 * Gives the microseconds that it took.
 */
static int64
end_work(const Work *work)
{
	instr_time	now;

	(void) cqrs_exchange_read_only_reset(work->reset_before);
	XactReadOnly = work->read_only_before;
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, work->start);
	return INSTR_TIME_GET_MICROSEC(now);
}

/*
 * After an error, which goes on.
 */
static void
fail_work(const Work *work, const text *name)
{
	cqrs_count(CQRS_COUNT_QUERY, name, CQRS_COUNT_REJECTED, end_work(work));
	PG_RE_THROW();
}

/*
 * Authorises, and checks the parameters.  A function that was altered to be
 * VOLATILE would see what is committed while it runs, each statement of it
 * something else, and could not be a query if it were registered today.
 */
static Datum
get_argument(CqrsRegistered *query, text *name, Jsonb *params)
{
	cqrs_handler_require_execute(query->function_oid);
	if (func_volatile(query->function_oid) == PROVOLATILE_VOLATILE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("handler of query \"%s\" is not STABLE or IMMUTABLE any more",
						text_to_cstring(name)),
				 errdetail("%s is VOLATILE.", format_procedure(query->function_oid)),
				 errhint("If the function only reads, use ALTER FUNCTION %s STABLE.",
						 format_procedure_qualified(query->function_oid))));
	if (query->argument == JSONBOID)
		return JsonbPGetDatum(params);
	if (OidIsValid(query->argument))
		return cqrs_payload_convert(query->argument, params, "query", text_to_cstring(name));
	cqrs_payload_check_empty(params, "query", text_to_cstring(name));
	return (Datum) 0;
}

/*
 * Who may execute the handler need not have USAGE on its schema, as little as with
 * commands.
 */
static SPIPlanPtr
get_plan(CqrsRegistered *query, int which)
{
	bool		may_look_up = cqrs_may_use_schema(get_func_namespace(query->function_oid));
	CqrsIdentity before;

	if (!may_look_up)
		cqrs_plan_names_begin(&before);
	if (query->plans[which] == NULL)
	{
		Oid			types[3];
		int			nargs = 0;

		if (OidIsValid(query->argument))
			types[nargs++] = query->argument;
		if (which == PLAN_PAGE)
		{
			types[nargs++] = INT8OID;
			types[nargs++] = INT8OID;
		}
		query->plans[which] = cqrs_plan_generated(plan_text(query, which), nargs, types);
	}
	if (!may_look_up)
	{
		cqrs_plan_look_up(query->plans[which]);
		cqrs_plan_names_end(&before);
	}
	return query->plans[which];
}

/*
 * A row becomes an object with its column names, a scalar a JSON value.  A
 * function that returns at most one row returns a null row for none.
 */
static char *
plan_text(CqrsRegistered *query, int which)
{
	Oid			function = query->function_oid;
	bool		has_argument = OidIsValid(query->argument);
	char	   *call;
	const char *filter = "";

	call = psprintf("%s(%s)",
					quote_qualified_identifier(get_namespace_name(get_func_namespace(function)),
											   get_func_name(function)),
					has_argument ? "$1" : "");
	if (type_is_rowtype(query->result) && !get_func_retset(function))
		filter = " WHERE NOT (" ROW " IS NULL)";

	if (which == PLAN_ROWS)
		return psprintf("SELECT COALESCE(pg_catalog.to_jsonb(" ROW "), 'null'::pg_catalog.jsonb) FROM %s AS " ROW "%s",
						call, filter);
	return psprintf("WITH q AS MATERIALIZED (SELECT " ROW " AS r FROM %s AS " ROW "%s) "
					"SELECT (SELECT pg_catalog.count(*) FROM q), "
					"(SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(p.r)), '[]'::pg_catalog.jsonb) "
					"FROM (SELECT q.r FROM q LIMIT $%d OFFSET $%d) AS p)",
					call, filter, has_argument ? 2 : 1, has_argument ? 3 : 2);
}

static void
open_portal(CqrsQueryRun *run, CqrsRegistered *query, Datum argument)
{
	SPI_connect();
	run->open = watch(SPI_cursor_open(NULL, get_plan(query, PLAN_ROWS), &argument, NULL, true));
	SPI_finish();
}

static OpenPortal *
watch(Portal portal)
{
	OpenPortal *open = MemoryContextAlloc(TopTransactionContext, sizeof(OpenPortal));

	open->portal = portal;
	open->gone.func = portal_gone;
	open->gone.arg = open;
	MemoryContextRegisterResetCallback(portal->portalContext, &open->gone);
	return open;
}

static void
portal_gone(void *open)
{
	((OpenPortal *) open)->portal = NULL;
}

/*
 * Fetches some rows: few at first, so that the first one comes soon.
 */
static void
fetch(CqrsQueryRun *run)
{
	Work		work;

	MemoryContextReset(run->batch);
	run->next_row = run->n_rows = 0;

	begin_work(&work);
	PG_TRY();
	{
		SPI_connect();
		if (run->open->portal == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_CURSOR_STATE),
					 errmsg("query was closed before its end"),
					 errhint("Read a cursor WITH HOLD over cqrs_query() to its end, or close it, before COMMIT.")));
		fetch_from(run, run->open->portal);
		SPI_finish();
	}
	PG_CATCH();
	{
		fail_work(&work, run->name);
	}
	PG_END_TRY();
	run->time += end_work(&work);
	run->n_wanted = Min(run->n_wanted * 2, BATCH);
}

static void
fetch_from(CqrsQueryRun *run, Portal portal)
{
	MemoryContext before;

	SPI_cursor_fetch(portal, true, run->n_wanted);
	if (SPI_tuptable->tupdesc->natts != 1 ||
		TupleDescAttr(SPI_tuptable->tupdesc, 0)->atttypid != JSONBOID)
		elog(ERROR, "unexpected result of a query");
	run->at_end = (SPI_processed < run->n_wanted);

	before = MemoryContextSwitchTo(run->batch);
	for (int i = 0; i < SPI_processed; i++)
	{
		NullableDatum *row = &run->rows[i];
		Datum		value = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1,
										  &row->isnull);

		if (row->isnull)
			elog(ERROR, "unexpected null row of a query");
		row->value = datumCopy(value, false, -1);
	}
	run->n_rows = SPI_processed;
	MemoryContextSwitchTo(before);
	SPI_freetuptable(SPI_tuptable);
}

static Datum
execute_page(CqrsRegistered *query, Datum argument, int64 offset, int64 count, int64 *total)
{
	MemoryContext before = CurrentMemoryContext;
	Datum		values[3];
	int			nargs = 0;
	Datum		items;
	bool		isnull;

	if (OidIsValid(query->argument))
		values[nargs++] = argument;
	values[nargs++] = Int64GetDatum(count);
	values[nargs++] = Int64GetDatum(offset);

	SPI_connect();
	if (SPI_execute_plan(get_plan(query, PLAN_PAGE), values, NULL, true, 0) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "unexpected result of reading a page");
	*total = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	items = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull);
	before = MemoryContextSwitchTo(before);
	items = datumCopy(items, false, -1);
	MemoryContextSwitchTo(before);
	SPI_finish();
	return items;
}
