/*-------------------------------------------------------------------------
 *
 * fold_state.c
 *		A fold's expressions, ready to be evaluated.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/fold_state.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "projection/fold_table.h"

static TupleTableSlot *make_event_slot(CqrsScope *scope);
static TupleTableSlot *make_set_slot(CqrsFold *fold);
static int	plain_field(Expr *expr);

/*
 * Makes the expressions ready.
 */
void
cqrs_fold_prepare(CqrsFold *fold)
{
	CqrsFoldTable *table = fold->table;
	MemoryContext before;

	cqrs_fold_unprepare(fold);
	fold->context = AllocSetContextCreate(table->engine->context, "cqrs fold",
										  ALLOCSET_DEFAULT_SIZES);
	before = MemoryContextSwitchTo(fold->context);
	fold->econtext = CreateStandaloneExprContext();
	fold->event_slot = make_event_slot(&fold->statement->rule->scope);
	fold->econtext->ecxt_outertuple = fold->event_slot;

	fold->gate_state = fold->gate ? ExecInitQual(list_make1(fold->gate), NULL) : NULL;
	fold->where_state = fold->where ? ExecInitQual(fold->where, NULL) : NULL;
	fold->key_states = palloc0(table->nkeys * sizeof(ExprState *));
	fold->key_fields = palloc0(table->nkeys * sizeof(int));
	for (int i = 0; i < table->nkeys; i++)
	{
		fold->key_fields[i] = plain_field(fold->keys[i]);
		if (fold->key_fields[i] < 0)
			fold->key_states[i] = ExecInitExpr(fold->keys[i], NULL);
	}
	if (fold->insert)
	{
		fold->insert_slot = MakeSingleTupleTableSlot(table->desc, &TTSOpsVirtual);
		fold->insert_projection = ExecBuildProjectionInfo(fold->insert, fold->econtext,
														  fold->insert_slot, NULL, NULL);
	}
	if (fold->set)
	{
		fold->set_slot = make_set_slot(fold);
		fold->set_projection = ExecBuildProjectionInfo(fold->set, fold->econtext,
													   fold->set_slot, NULL, NULL);
	}
	MemoryContextSwitchTo(before);
	fold->ready = true;
}

/*
 * Drops them.
 */
void
cqrs_fold_unprepare(CqrsFold *fold)
{
	if (fold->context == NULL)
		return;
	/* shut down callbacks could call what has been left in a bad state */
	FreeExprContext(fold->econtext, false);
	MemoryContextDelete(fold->context);
	fold->context = NULL;
	fold->ready = false;
}

/*
 * A slot whose values will be those of one event after another.
 */
static TupleTableSlot *
make_event_slot(CqrsScope *scope)
{
	TupleDesc	desc = CreateTemplateTupleDesc(scope->count);
	TupleTableSlot *slot;

	for (int i = 0; i < scope->count; i++)
	{
		CqrsField  *field = scope->fields[i];

		TupleDescInitEntry(desc, i + 1, field->name, field->type, field->typmod, 0);
		TupleDescInitEntryCollation(desc, i + 1, field->collation);
	}
	slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	ExecStoreAllNullTuple(slot);
	return slot;
}

static TupleTableSlot *
make_set_slot(CqrsFold *fold)
{
	TupleDesc	desc = CreateTemplateTupleDesc(fold->nset);

	for (int i = 0; i < fold->nset; i++)
		TupleDescCopyEntry(desc, i + 1, fold->table->desc, fold->set_columns[i]);
	return MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
}

/*
 * Number, from 0, of the field that the expression is; -1 when it is not one.
 */
static int
plain_field(Expr *expr)
{
	while (IsA(expr, RelabelType))
		expr = ((RelabelType *) expr)->arg;
	if (IsA(expr, Var) && ((Var *) expr)->varno == OUTER_VAR)
		return ((Var *) expr)->varattno - 1;
	return -1;
}
