/*-------------------------------------------------------------------------
 *
 * engine.c
 *		The rules of one build, ready to be applied to events.
 *
 * NOTES
 *		The rules of an event are applied in the order in which they were
 *		given, and the statements of a rule in the order of its text.  A fold
 *		is put off until the next flush; before anything else runs that might
 *		see its table, that table is flushed.  Batch rules come last.
 *
 *		Memory: "context" holds what has been compiled and lives as long as the
 *		engine; what has been put off lies in arenas, which are reset when it has
 *		been done; "event_context" is reset at each event.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/engine.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "nodes/plannodes.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/table.h"
#include "event/log.h"
#include "projection/dispatch.h"
#include "projection/fold.h"
#include "projection/rule.h"

static dlist_head engines = DLIST_STATIC_INIT(engines);
static bool callbacks_registered = false;

static CqrsEngine *begin_engine(const char *projection, const char *schema);
static void remember_engine(CqrsEngine *engine);
static void forget_engine(void *engine);
static void save_plans(CqrsEngine *engine);
static void relation_changed(Datum arg, Oid relid);
static void object_changed(Datum arg, int cacheid, uint32 hashvalue);
static void roles_changed(Datum arg, int cacheid, uint32 hashvalue);
static void apply_rule(CqrsEngine *engine, CqrsRule *rule);
static void apply_sql_rule(CqrsEngine *engine, CqrsRule *rule);

CqrsEngine *
cqrs_engine_create(const char *projection, const char *schema, List *rules)
{
	CqrsEngine *engine = begin_engine(projection, schema);
	MemoryContext before = MemoryContextSwitchTo(engine->context);
	ListCell   *lc;

	/* a registered event type may get another payload type */
	engine->relations = list_make1_oid(cqrs_table_oid("event_type"));
	foreach(lc, rules)
		engine->rules = lappend(engine->rules, cqrs_rule_create(engine, lfirst(lc)));
	engine->dispatch = cqrs_dispatch_create(engine->rules);

	save_plans(engine);
	MemoryContextSetParent(engine->context, CacheMemoryContext);
	MemoryContextSwitchTo(before);
	return engine;
}

void
cqrs_engine_destroy(CqrsEngine *engine)
{
	ListCell   *lc;
	ListCell   *ls;

	foreach(lc, engine->rules)
		foreach(ls, ((CqrsRule *) lfirst(lc))->statements)
			DropCachedPlan(((CqrsStatement *) lfirst(ls))->source);
	MemoryContextDelete(engine->context);
}

bool
cqrs_engine_valid(CqrsEngine *engine)
{
	ListCell   *lc;
	ListCell   *ls;

	foreach(lc, engine->rules)
		foreach(ls, ((CqrsRule *) lfirst(lc))->statements)
			if (!cqrs_statement_valid(lfirst(ls)))
				return false;
	return engine->valid;
}

bool
cqrs_engine_wants(CqrsEngine *engine, const char *type, int len)
{
	return cqrs_dispatch_find(engine->dispatch, type, len)->count > 0;
}

bool
cqrs_engine_wants_any(CqrsEngine *engine, const List *types)
{
	ListCell   *lc;

	foreach(lc, types)
	{
		text	   *type = lfirst(lc);

		if (cqrs_engine_wants(engine, VARDATA_ANY(type), VARSIZE_ANY_EXHDR(type)))
			return true;
	}
	return false;
}

bool
cqrs_engine_apply(CqrsEngine *engine, TupleTableSlot *slot)
{
	ErrorContextCallback callback;
	MemoryContext before;
	bool		isnull;
	text	   *type = DatumGetTextPP(slot_getattr(slot, EVENT_TYPE, &isnull));
	CqrsRuleSet *set = cqrs_dispatch_find(engine->dispatch, VARDATA_ANY(type),
										  VARSIZE_ANY_EXHDR(type));

	if (set->count == 0)
		return false;

	callback.callback = cqrs_rule_error_context;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	before = MemoryContextSwitchTo(engine->event_context);

	cqrs_event_begin(&engine->event, slot);
	for (int i = 0; i < set->count; i++)
	{
		callback.arg = set->rules[i];
		apply_rule(engine, set->rules[i]);
	}

	MemoryContextSwitchTo(before);
	MemoryContextReset(engine->event_context);
	error_context_stack = callback.previous;
	return true;
}

void
cqrs_engine_flush(CqrsEngine *engine)
{
	ErrorContextCallback callback;
	MemoryContext before = MemoryContextSwitchTo(engine->event_context);
	ListCell   *lc;

	cqrs_folds_flush(engine);

	callback.callback = cqrs_rule_error_context;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	foreach(lc, engine->rules)
	{
		CqrsRule   *rule = lfirst(lc);

		callback.arg = rule;
		if (rule->kind == CQRS_RULE_BATCH)
			cqrs_batch_rule_run(rule);
	}
	error_context_stack = callback.previous;

	MemoryContextSwitchTo(before);
	cqrs_fold_events_forget(engine);
	MemoryContextReset(engine->event_context);
}

void
cqrs_engine_reset(CqrsEngine *engine)
{
	ListCell   *lc;

	cqrs_folds_forget(engine);
	foreach(lc, engine->rules)
	{
		CqrsRule   *rule = lfirst(lc);

		if (rule->kind == CQRS_RULE_BATCH)
			cqrs_batch_rule_forget(rule);
		if (rule->kind == CQRS_RULE_FUNCTION)
			cqrs_function_rule_reset(rule);
	}
	engine->failed = NULL;
	engine->lost_race = false;
	MemoryContextReset(engine->event_context);
}

char *
cqrs_engine_failed_rule(CqrsEngine *engine)
{
	StringInfoData types;
	ListCell   *lc;

	if (engine->failed == NULL)
		return NULL;
	if (engine->failed->kind != CQRS_RULE_BATCH)
		return pstrdup(engine->failed->event_type);

	initStringInfo(&types);
	foreach(lc, engine->failed->event_types)
		appendStringInfo(&types, "%s%s", types.len > 0 ? ", " : "", (char *) lfirst(lc));
	return types.data;
}

bool
cqrs_engine_lost_race(CqrsEngine *engine)
{
	return engine->lost_race;
}

void
cqrs_engine_leave_out(CqrsEngine *engine, List *statements)
{
	ListCell   *lc;

	if (engine->leaves_out == (statements != NIL))
		return;
	foreach(lc, engine->tables)
		cqrs_fold_table_leave_out(lfirst(lc), statements);
	engine->leaves_out = (statements != NIL);
}

bool
cqrs_engine_needs_indexes(CqrsEngine *engine)
{
	return engine->needs_indexes;
}

/*
 * What the values of events that wait for their folds take counts twice, as it
 * is copied into rows when the folds are done.
 */
Size
cqrs_engine_memory(CqrsEngine *engine)
{
	Size		result = 2 * cqrs_arena_memory(&engine->fold_events);
	ListCell   *lc;

	foreach(lc, engine->tables)
		result += cqrs_fold_table_memory(lfirst(lc));
	foreach(lc, engine->rules)
		if (((CqrsRule *) lfirst(lc))->kind == CQRS_RULE_BATCH)
			result += cqrs_batch_rule_memory(lfirst(lc));
	return result;
}

/*
 * Values of the type are made by what has been compiled.  Domains, and types that
 * can be made of them, bring functions in their constraints, which are kept as
 * they were when they were first called: with their owner, if they are SECURITY
 * DEFINER.
 */
void
cqrs_engine_uses_type(CqrsEngine *engine, Oid type)
{
	char		kind;

	if (type < FirstNormalObjectId)
		return;
	kind = get_typtype(type);
	if (kind != TYPTYPE_ENUM && (kind != TYPTYPE_BASE || OidIsValid(get_element_type(type))))
		engine->checks_types = true;
}

List *
cqrs_engine_explain(CqrsEngine *engine)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, engine->rules)
		result = lappend(result, cqrs_rule_explain(lfirst(lc)));
	return result;
}

static CqrsEngine *
begin_engine(const char *projection, const char *schema)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "cqrs rule engine",
												  ALLOCSET_DEFAULT_SIZES);
	CqrsEngine *engine = MemoryContextAllocZero(context, sizeof(CqrsEngine));

	engine->context = context;
	engine->projection = MemoryContextStrdup(context, projection);
	engine->schema = MemoryContextStrdup(context, schema);
	engine->event_context = AllocSetContextCreate(context, "cqrs rule engine: event",
												  ALLOCSET_DEFAULT_SIZES);
	cqrs_arena_init(&engine->fold_events, context, "events");
	engine->valid = true;
	remember_engine(engine);
	return engine;
}

/*
 * From now on the engine hears of changes, until its memory context goes.
 */
static void
remember_engine(CqrsEngine *engine)
{
	MemoryContextCallback *callback = MemoryContextAlloc(engine->context,
														 sizeof(MemoryContextCallback));

	if (!callbacks_registered)
	{
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(PROCOID, object_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(TYPEOID, object_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHOID, roles_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, roles_changed, (Datum) 0);
		callbacks_registered = true;
	}

	dlist_push_tail(&engines, &engine->node);
	callback->func = forget_engine;
	callback->arg = engine;
	MemoryContextRegisterResetCallback(engine->context, callback);
}

static void
forget_engine(void *engine)
{
	dlist_delete(&((CqrsEngine *) engine)->node);
}

/*
 * Hands the plan sources over to the plan cache, which cannot fail.
 */
static void
save_plans(CqrsEngine *engine)
{
	ListCell   *lc;
	ListCell   *ls;

	foreach(lc, engine->rules)
		foreach(ls, ((CqrsRule *) lfirst(lc))->statements)
			SaveCachedPlan(((CqrsStatement *) lfirst(ls))->source);
}

/*
 * Relation cache callback.  InvalidOid means everything.
 */
static void
relation_changed(Datum arg, Oid relid)
{
	dlist_iter	iter;

	dlist_foreach(iter, &engines)
	{
		CqrsEngine *engine = dlist_container(CqrsEngine, node, iter.cur);

		if (!OidIsValid(relid) || list_member_oid(engine->relations, relid))
			engine->valid = false;
	}
}

/*
 * System cache callback: a function or a type has changed.  Functions in
 * constraints of types are not among the items.
 */
static void
object_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	dlist_iter	iter;

	dlist_foreach(iter, &engines)
	{
		CqrsEngine *engine = dlist_container(CqrsEngine, node, iter.cur);
		ListCell   *lc;

		if (cacheid == PROCOID && engine->checks_types)
			engine->valid = false;
		foreach(lc, engine->items)
		{
			PlanInvalItem *item = lfirst_node(PlanInvalItem, lc);

			if (item->cacheId == cacheid &&
				(hashvalue == 0 || hashvalue == item->hashValue))
				engine->valid = false;
		}
	}
}

/*
 * System cache callback: rights that were checked when an engine was made may
 * be gone.  Those on functions and tables change with the function or table;
 * what a role has as a member of another, or as a superuser, does not.
 */
static void
roles_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	dlist_iter	iter;

	dlist_foreach(iter, &engines)
		dlist_container(CqrsEngine, node, iter.cur)->valid = false;
}

static void
apply_rule(CqrsEngine *engine, CqrsRule *rule)
{
	switch (rule->kind)
	{
		case CQRS_RULE_SQL:
			apply_sql_rule(engine, rule);
			break;

		case CQRS_RULE_FUNCTION:
			cqrs_folds_flush(engine);
			cqrs_function_rule_apply(rule, &engine->event);
			break;

		case CQRS_RULE_BATCH:
			cqrs_batch_rule_add(rule, &engine->event);
			break;
	}
}

static void
apply_sql_rule(CqrsEngine *engine, CqrsRule *rule)
{
	CqrsFoldEvent *folded = NULL;
	ListCell   *lc;

	if (rule->fields_look)
	{
		cqrs_folds_flush(engine);
		PushActiveSnapshot(GetTransactionSnapshot());
	}
	if (rule->has_plans)
		for (int i = 0; i < rule->scope.count; i++)
		{
			ParamExternData *param = &rule->params->params[i];

			param->value = cqrs_event_value(&engine->event, rule->scope.fields[i],
											&param->isnull);
		}
	if (rule->fields_look)
	{
		folded = cqrs_fold_event(rule);
		PopActiveSnapshot();
	}

	foreach(lc, rule->statements)
	{
		CqrsStatement *statement = lfirst(lc);

		if (statement->fold)
		{
			if (folded == NULL)
				folded = cqrs_fold_event(rule);
			cqrs_fold_defer(statement->fold, folded);
			continue;
		}
		cqrs_folds_flush_for(statement);
		cqrs_statement_run(statement, rule->params, NULL);
	}
}
