/*-------------------------------------------------------------------------
 *
 * fold.c
 *		Deferring folds.
 *
 * NOTES
 *		When an event arrives, the fields that its rule mentions are copied,
 *		the key of each row that it touches is computed, and an operation is
 *		put into a queue.  fold_flush.c does them.
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

static Datum keep_value(CqrsArena *arena, Datum value, CqrsField *field);
static bool convert_integer(Datum *value, Oid from, Oid to);
static void add_op(CqrsEngine *engine, CqrsFold *fold, CqrsFoldEvent *event, CqrsFoldRow *row);

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
	cqrs_fold_show_event(fold, event);

	if (fold->gate_state && !ExecQual(fold->gate_state, fold->econtext))
		return;
	if (cqrs_fold_compute_key(fold, event, key))
		add_op(engine, fold, event, cqrs_fold_row_get(table, key));
	else if (fold->command == CMD_INSERT)
		add_op(engine, fold, event, NULL);

	if (engine->fold_nops >= MAX_OPS)
		cqrs_fold_do_ops(engine, NIL);
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
bool
cqrs_fold_compute_key(CqrsFold *fold, CqrsFoldEvent *event, Datum *key)
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
void
cqrs_fold_show_event(CqrsFold *fold, CqrsFoldEvent *event)
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

