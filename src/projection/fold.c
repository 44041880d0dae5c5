/*-------------------------------------------------------------------------
 *
 * fold.c
 *		Deferring folds, and doing what has been deferred.
 *
 * NOTES
 *		When an event arrives, the fields that its rule mentions are copied,
 *		the key of each row that it touches is computed, and an operation is
 *		put into a queue.  At the flush the rows that the queue
 *		touches are fetched, the operations are done on them in the order of
 *		the events, and the rows that have changed are written.
 *
 *		What an operation does depends on its row, its event and nothing else.
 *		So rows may be fetched ahead of all operations, and a statement that
 *		looks at one table makes us write the rows of that table only.
 *
 *		A small event can make a large row, so nobody knows before what the rows
 *		will take.  They are written before their time when it is too much.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/fold.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/guc.h"
#include "projection/fold_table.h"

/*
 * So many operations are done at once.  More would not be faster: by then the
 * queue has left the processor's caches.
 */
#define MAX_OPS		16384

/* so many rows are looked up at once, when there is little memory */
#define MIN_OPS		64

static Datum keep_value(CqrsArena *arena, Datum value, CqrsField *field);
static bool compute_key(CqrsFold *fold, CqrsFoldEvent *event, Datum *key);
static bool convert_integer(Datum *value, Oid from, Oid to);
static void add_op(CqrsEngine *engine, CqrsFold *fold, CqrsFoldEvent *event, CqrsFoldRow *row);
static void show_event(CqrsFold *fold, CqrsFoldEvent *event);
static void do_ops(CqrsEngine *engine, List *to_write);
static void open_tables(CqrsEngine *engine, List *to_write);
static int	apply_ops(CqrsEngine *engine, int next, int end);
static void close_tables(CqrsEngine *engine, List *to_write);
static void find_rows(CqrsEngine *engine, int next, int end);
static Size rows_memory(CqrsEngine *engine);
static void op_error_context(void *op);

/*
 * Copies the fields that the rule mentions.
 */
CqrsFoldEvent *
cqrs_fold_event(CqrsRule *rule)
{
	CqrsEngine *engine = rule->engine;
	CqrsArena  *arena = &engine->fold_events;
	int			count = rule->scope.count;
	CqrsFoldEvent *event = cqrs_arena_alloc(arena, sizeof(CqrsFoldEvent) +
											count * (sizeof(Datum) + sizeof(bool)));

	event->position = engine->event.position;
	event->values = (Datum *) (event + 1);
	event->isnull = (bool *) (event->values + count);
	for (int i = 0; i < count; i++)
	{
		CqrsField  *field = rule->scope.fields[i];
		Datum		value = cqrs_event_value(&engine->event, field, &event->isnull[i]);

		if (!event->isnull[i] && !field->typbyval)
			value = keep_value(arena, value, field);
		event->values[i] = value;
	}
	return event;
}

/*
 * Defers the fold for this event.
 */
void
cqrs_fold_defer(CqrsFold *fold, CqrsFoldEvent *event)
{
	CqrsFoldTable *table = fold->table;
	CqrsEngine *engine = table->engine;
	Datum		key[INDEX_MAX_KEYS];

	if (!fold->ready)
		cqrs_fold_prepare(fold);
	show_event(fold, event);

	if (fold->gate_state && !ExecQual(fold->gate_state, fold->econtext))
		return;
	if (compute_key(fold, event, key))
		add_op(engine, fold, event, cqrs_fold_row_get(table, key));
	else if (fold->command == CMD_INSERT)
		add_op(engine, fold, event, NULL);

	if (engine->fold_nops >= MAX_OPS)
		do_ops(engine, NIL);
}

/*
 * Does all that has been deferred.
 */
void
cqrs_folds_flush(CqrsEngine *engine)
{
	do_ops(engine, engine->tables);
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
		do_ops(engine, touched);
	list_free(touched);
}

/*
 * Forgets all that has been deferred.  After an error, what functions keep in
 * the compiled expressions may be in any state.
 */
void
cqrs_folds_forget(CqrsEngine *engine)
{
	ListCell   *lc;
	ListCell   *ls;

	foreach(lc, engine->tables)
	{
		CqrsFoldTable *table = lfirst(lc);

		table->open = NULL;
		cqrs_fold_rows_begin(table);
	}
	cqrs_fold_events_forget(engine);
	foreach(lc, engine->rules)
		foreach(ls, ((CqrsRule *) lfirst(lc))->statements)
			if (((CqrsStatement *) lfirst(ls))->fold)
				cqrs_fold_unprepare(((CqrsStatement *) lfirst(ls))->fold);
}

/*
 * Forgets the events, once nothing is deferred for them.
 */
void
cqrs_fold_events_forget(CqrsEngine *engine)
{
	cqrs_arena_reset(&engine->fold_events);
	engine->fold_ops = NULL;
	engine->fold_nops = engine->fold_ops_allocated = 0;
}

/*
 * What the rows may take while operations are done.
 */
Size
cqrs_fold_memory_limit(void)
{
	return (Size) cqrs_batch_max_bytes * 1024;
}

Size
cqrs_fold_table_memory(CqrsFoldTable *table)
{
	return table->nrows == 0 ? 0 : cqrs_arena_memory(&table->arena);
}

static Datum
keep_value(CqrsArena *arena, Datum value, CqrsField *field)
{
	Pointer		pointer = DatumGetPointer(value);
	Size		size;
	char	   *copy;

	if (field->typlen == -1 &&
		(VARATT_IS_EXTERNAL(pointer) || VARATT_IS_COMPRESSED(pointer)))
		pointer = (Pointer) PG_DETOAST_DATUM(value);
	size = datumGetSize(PointerGetDatum(pointer), false, field->typlen);
	copy = cqrs_arena_alloc(arena, size);
	memcpy(copy, pointer, size);
	return PointerGetDatum(copy);
}

/*
 * False when the key is null, or no row can have it.
 */
static bool
compute_key(CqrsFold *fold, CqrsFoldEvent *event, Datum *key)
{
	CqrsFoldTable *table = fold->table;

	for (int i = 0; i < table->nkeys; i++)
	{
		bool		isnull;

		if (fold->key_fields[i] >= 0)
		{
			key[i] = event->values[fold->key_fields[i]];
			isnull = event->isnull[fold->key_fields[i]];
		}
		else
			key[i] = ExecEvalExprSwitchContext(fold->key_states[i], fold->econtext, &isnull);

		if (isnull)
			return false;
		if (fold->key_is_integer[i] &&
			!convert_integer(&key[i], fold->key_types[i], table->keys[i].type))
			return false;
	}
	return true;
}

/*
 * False when the value is none of the other type.
 */
static bool
convert_integer(Datum *value, Oid from, Oid to)
{
	int64		number;

	if (from == INT2OID)
		number = DatumGetInt16(*value);
	else if (from == INT4OID)
		number = DatumGetInt32(*value);
	else
		number = DatumGetInt64(*value);

	if (to == INT2OID)
	{
		*value = Int16GetDatum((int16) number);
		return number >= PG_INT16_MIN && number <= PG_INT16_MAX;
	}
	if (to == INT4OID)
	{
		*value = Int32GetDatum((int32) number);
		return number >= PG_INT32_MIN && number <= PG_INT32_MAX;
	}
	*value = Int64GetDatum(number);
	return true;
}

/*
 * Makes the event that of the fold's expressions.
 */
static void
show_event(CqrsFold *fold, CqrsFoldEvent *event)
{
	fold->event_slot->tts_values = event->values;
	fold->event_slot->tts_isnull = event->isnull;
	ResetExprContext(fold->econtext);
}

static void
add_op(CqrsEngine *engine, CqrsFold *fold, CqrsFoldEvent *event, CqrsFoldRow *row)
{
	CqrsFoldOp *op;

	if (engine->fold_nops == engine->fold_ops_allocated)
	{
		engine->fold_ops_allocated = Max(256, engine->fold_ops_allocated * 2);
		if (engine->fold_ops == NULL)
			engine->fold_ops = MemoryContextAlloc(engine->fold_events.context,
												  engine->fold_ops_allocated * sizeof(CqrsFoldOp));
		else
			engine->fold_ops = repalloc(engine->fold_ops,
										engine->fold_ops_allocated * sizeof(CqrsFoldOp));
	}
	op = &engine->fold_ops[engine->fold_nops++];
	op->fold = fold;
	op->event = event;
	op->row = row;
	fold->table->used = true;
}

/*
 * Does the operations that are queued, and writes the rows of some tables.  When
 * the rows take more memory than a batch may, all are written and forgotten in
 * between, and looked up again for as many of the other operations as may fit.
 */
static void
do_ops(CqrsEngine *engine, List *to_write)
{
	int			next = 0;
	int			end = engine->fold_nops;

	for (;;)
	{
		int			start = next;

		open_tables(engine, to_write);
		next = apply_ops(engine, start, end);
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
 * Opens the tables that operations use or that are to be written, and fetches
 * their rows.
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
			cqrs_fold_fetch(table);
		}
	}
}

/*
 * Does operations up to the end, but at least one of them, as long as there is
 * memory for it.  Gives the next one.
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
			cqrs_fold_read(op->fold->table, op->row);
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
		show_event(op->fold, op->event);
		if (!compute_key(op->fold, op->event, key))
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
