/*-------------------------------------------------------------------------
 *
 * fold_flush.c
 *		Doing what has been deferred.
 *
 * NOTES
 *		At the flush the rows that the queue touches are looked up, the operations
 *		are done on them, and the rows that have changed are written.
 *
 *		What an operation does depends on its row, its event and nothing else.
 *		So rows may be looked up ahead of all operations, operations on different
 *		rows may be done in any order, and a statement that looks at one
 *		table makes us write the rows of that table only.
 *
 *		Rows are taken in groups of neighbours.  A group is read, worked on and
 *		written before the next one is read, while its pages and rows are in the
 *		processor's caches; within a group the order is that of the events.
 *
 *		A small event can make a large row, so nobody knows before what the rows
 *		will take.  They are written before their time when it is too much.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/fold_flush.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "projection/fold_table.h"

/* so many rows are looked up at once, when there is little memory */
#define MIN_OPS		64

/* rows of a group; it is a few more when they share a page with the next one */
#define GROUP_ROWS	32

/*
 * Rows of a table that are done together, and what is to be done on them.
 */
typedef struct RowGroup
{
	CqrsFoldTable *table;		/* NULL: operations without a row */
	int			first_row;
	int			end_row;
	int			first_op;
	int			end_op;
} RowGroup;

static void open_tables(CqrsEngine *engine, List *to_write);
static int	do_some(CqrsEngine *engine, int start, int end, List *to_write);
static RowGroup *make_groups(CqrsEngine *engine, int *n);
static int	group_rows(CqrsFoldTable *table, RowGroup *groups, int n);
static bool is_neighbour(const CqrsFoldRow *row, const CqrsFoldRow *previous);
static void sort_ops(CqrsFoldOp *ops, int start, int end, RowGroup *groups, int ngroups);
static int	apply_ops(CqrsEngine *engine, int next, int end);
static void close_tables(CqrsEngine *engine, List *to_write);
static void find_rows(CqrsEngine *engine, int next, int end);
static Size rows_memory(CqrsEngine *engine);
static void op_error_context(void *op);

/*
 * Does all that has been deferred.
 */
void
cqrs_folds_flush(CqrsEngine *engine)
{
	cqrs_fold_do_ops(engine, engine->tables);
}

/*
 * Before a statement is executed: does what has been deferred, if the
 * statement may touch one of the tables.
 */
void
cqrs_folds_flush_for(CqrsStatement *statement)
{
	CqrsEngine *engine = statement->rule->engine;
	List	   *touched = NIL;
	ListCell   *lc;

	foreach(lc, engine->tables)
	{
		CqrsFoldTable *table = lfirst(lc);

		if (table->nrows > 0 &&
			(statement->touches_all ||
			 list_member_oid(statement->source->relationOids, table->relid)))
			touched = lappend(touched, table);
	}
	if (touched)
		cqrs_fold_do_ops(engine, touched);
	list_free(touched);
}

/*
 * Does the operations that are queued, and writes the rows of some tables.  When
 * the rows take more memory than a batch may, all are written and forgotten in
 * between, and looked up again for as many of the other operations as may fit.
 */
void
cqrs_fold_do_ops(CqrsEngine *engine, List *to_write)
{
	int			next = 0;
	int			end = engine->fold_nops;

	for (;;)
	{
		int			start = next;

		open_tables(engine, to_write);
		next = do_some(engine, start, end, to_write);
		if (next == engine->fold_nops)
			break;
		close_tables(engine, rows_memory(engine) > cqrs_fold_memory_limit() ?
					 engine->tables : NIL);
		end = Min(engine->fold_nops, next + Max(MIN_OPS, 2 * (next - start)));
		find_rows(engine, next, end);
	}
	engine->fold_nops = 0;
	close_tables(engine, to_write);
}

/*
 * Opens the tables that operations use or that are to be written, and looks
 * their rows up.
 */
static void
open_tables(CqrsEngine *engine, List *to_write)
{
	ListCell   *lc;

	foreach(lc, engine->tables)
	{
		CqrsFoldTable *table = lfirst(lc);

		if (table->used || (table->nrows > 0 && list_member_ptr(to_write, table)))
		{
			cqrs_fold_open(table);
			cqrs_fold_find(table);
		}
	}
}

/*
 * Does operations up to the end, but at least one of them, as long as there is
 * memory for it.  They are put in the order in which they are done.  Gives the
 * next one.
 */
static int
do_some(CqrsEngine *engine, int start, int end, List *to_write)
{
	int			next = start;
	int			ngroups;
	RowGroup	   *groups = make_groups(engine, &ngroups);

	sort_ops(engine->fold_ops, start, end, groups, ngroups);
	for (int i = 0; i < ngroups; i++)
	{
		RowGroup	   *group = &groups[i];

		if (group->first_op == group->end_op)
			continue;
		if (next > start && rows_memory(engine) > cqrs_fold_memory_limit())
			break;
		if (group->table)
			cqrs_fold_read(group->table, group->first_row, group->end_row);
		next = apply_ops(engine, next, group->end_op);
		if (next < group->end_op)
			break;
		if (group->table && list_member_ptr(to_write, group->table))
			cqrs_fold_write_stored(group->table, group->first_row, group->end_row);
	}
	pfree(groups);
	return next;
}

/*
 * Divides the rows of all open tables into groups.  A last one has none.
 */
static RowGroup *
make_groups(CqrsEngine *engine, int *n)
{
	int			most = 1;
	RowGroup	   *groups;
	ListCell   *lc;

	foreach(lc, engine->tables)
		most += ((CqrsFoldTable *) lfirst(lc))->nrows / GROUP_ROWS + 1;
	groups = palloc0(most * sizeof(RowGroup));

	*n = 0;
	foreach(lc, engine->tables)
		if (((CqrsFoldTable *) lfirst(lc))->open)
			*n += group_rows(lfirst(lc), groups, *n);
	(*n)++;
	return groups;
}

/*
 * The same for one table.  The groups get the numbers from n on.
 */
static int
group_rows(CqrsFoldTable *table, RowGroup *groups, int n)
{
	RowGroup	   *group = NULL;
	int			made = 0;

	for (int i = 0; i < table->nrows; i++)
	{
		if (group == NULL || (i - group->first_row >= GROUP_ROWS &&
							  !is_neighbour(table->rows[i], table->rows[i - 1])))
		{
			group = &groups[n + made++];
			group->table = table;
			group->first_row = i;
		}
		table->rows[i]->group = n + made - 1;
		group->end_row = i + 1;
	}
	return made;
}

/*
 * Are the rows on one page?
 */
static bool
is_neighbour(const CqrsFoldRow *row, const CqrsFoldRow *previous)
{
	return ItemPointerIsValid(&row->tid) && ItemPointerIsValid(&previous->tid) &&
		ItemPointerGetBlockNumber(&row->tid) == ItemPointerGetBlockNumber(&previous->tid);
}

/*
 * Puts operations in the order of their groups, and within a group leaves them in
 * the order they are in.
 */
static void
sort_ops(CqrsFoldOp *ops, int start, int end, RowGroup *groups, int ngroups)
{
	Size		size = (end - start) * sizeof(CqrsFoldOp);
	CqrsFoldOp *before;
	int			sum = start;

	for (int i = start; i < end; i++)
		groups[ops[i].row ? ops[i].row->group : ngroups - 1].end_op++;
	for (int i = 0; i < ngroups; i++)
	{
		groups[i].first_op = sum;
		sum += groups[i].end_op;
		groups[i].end_op = groups[i].first_op;
	}

	before = MemoryContextAllocHuge(CurrentMemoryContext, size);
	memcpy(before, &ops[start], size);
	for (int i = 0; i < end - start; i++)
	{
		CqrsFoldRow *row = before[i].row;

		ops[groups[row ? row->group : ngroups - 1].end_op++] = before[i];
	}
	pfree(before);
}

/*
 * Does the operations of a group, as far as there is memory for it, but at least one.
 */
static int
apply_ops(CqrsEngine *engine, int next, int end)
{
	Size		limit = cqrs_fold_memory_limit();
	Size		full = Max(limit, rows_memory(engine) + limit / 4);
	ErrorContextCallback callback;

	callback.callback = op_error_context;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	while (next < end)
	{
		CqrsFoldOp *op = &engine->fold_ops[next++];

		callback.arg = op;
		CHECK_FOR_INTERRUPTS();
		if (op->row && op->row->unread)
			cqrs_fold_read_one(op->fold->table, op->row);
		cqrs_fold_apply_op(op->fold->table, op);
		if (rows_memory(engine) > full)
			break;
	}
	error_context_stack = callback.previous;
	return next;
}

/*
 * Writes the rows of some tables, and forgets them.
 */
static void
close_tables(CqrsEngine *engine, List *to_write)
{
	ListCell   *lc;

	foreach(lc, engine->tables)
	{
		CqrsFoldTable *table = lfirst(lc);
		bool		written = table->nrows > 0 && list_member_ptr(to_write, table);

		if (written && table->open == NULL)
			cqrs_fold_open(table);
		if (written)
			cqrs_fold_write(table);
		if (table->open)
			cqrs_fold_close(table);
		if (written)
			cqrs_fold_rows_begin(table);
		table->used = false;
	}
}

/*
 * Looks up the rows of operations once more.
 */
static void
find_rows(CqrsEngine *engine, int next, int end)
{
	Datum		key[INDEX_MAX_KEYS];

	for (; next < end; next++)
	{
		CqrsFoldOp *op = &engine->fold_ops[next];
		CqrsFoldTable *table = op->fold->table;

		table->used = true;
		if (op->row == NULL)
			continue;
		cqrs_fold_show_event(op->fold, op->event);
		if (!cqrs_fold_compute_key(op->fold, op->event, key))
			elog(ERROR, "an event has lost its key in table \"%s\"", table->name);
		op->row = cqrs_fold_row_get(table, key);
	}
}

static Size
rows_memory(CqrsEngine *engine)
{
	Size		result = 0;
	ListCell   *lc;

	foreach(lc, engine->tables)
		result += cqrs_fold_table_memory(lfirst(lc));
	return result;
}

static void
op_error_context(void *arg)
{
	CqrsFoldOp *op = (CqrsFoldOp *) arg;

	errcontext("event " INT64_FORMAT, op->event->position);
	cqrs_rule_error_context(op->fold->statement->rule);
}
