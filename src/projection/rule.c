/*-------------------------------------------------------------------------
 *
 * rule.c
 *		One rule: made ready, and named in errors.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/rule.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "base/names.h"
#include "event/event_type.h"
#include "projection/rule.h"
#include "projection/table_readers.h"

static void create_error_context(void *arg);
static bool is_signature(const char *text);
static Oid	payload_type(CqrsEngine *engine, const char *event_type);

/*
 * Makes a rule ready.  The current memory context is the engine's.
 */
CqrsRule *
cqrs_rule_create(CqrsEngine *engine, const CqrsRuleDef *def)
{
	CqrsRule   *rule = palloc0(sizeof(CqrsRule));
	ErrorContextCallback callback;
	ListCell   *lc;

	rule->engine = engine;
	rule->kind = def->kind;
	rule->id = def->id;
	rule->event_type = def->event_type ? pstrdup(def->event_type) : NULL;
	rule->text = pstrdup(def->text);
	foreach(lc, def->event_types)
		rule->event_types = lappend(rule->event_types, pstrdup(lfirst(lc)));

	callback.callback = create_error_context;
	callback.arg = rule;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	switch (rule->kind)
	{
		case CQRS_RULE_SQL:
			cqrs_scope_begin(&rule->scope, rule->event_type,
							 payload_type(engine, rule->event_type));
			cqrs_rule_analyze(rule);
			rule->params = makeParamList(rule->scope.count);
			for (int i = 0; i < rule->scope.count; i++)
			{
				rule->params->params[i].ptype = rule->scope.fields[i]->type;
				rule->params->params[i].pflags = 0;
				cqrs_engine_uses_type(engine, rule->scope.fields[i]->type);
				if (cqrs_type_may_read(rule->scope.fields[i]->type))
					rule->fields_look = true;
			}
			break;

		case CQRS_RULE_FUNCTION:
			cqrs_function_rule_prepare(rule);
			break;

		case CQRS_RULE_BATCH:
			cqrs_scope_begin(&rule->scope, NULL, InvalidOid);
			cqrs_batch_rule_begin(rule);
			cqrs_rule_analyze(rule);
			cqrs_batch_rule_check(rule);
			break;
	}

	error_context_stack = callback.previous;
	return rule;
}

/*
 * Error context callback while a rule is made ready: what those get wrong who
 * write their first rules.
 */
static void
create_error_context(void *arg)
{
	CqrsRule   *rule = (CqrsRule *) arg;

	if (geterrcode() == ERRCODE_UNDEFINED_TABLE && rule->kind == CQRS_RULE_BATCH)
		errhint("The events of a batch are relation \"events\"; tables outside of the projection need their schema.");
	else if (geterrcode() == ERRCODE_UNDEFINED_TABLE)
		errhint("Names in a rule are looked up in the projection's own schema, then in pg_catalog; write out the schema of anything else.");
	else if (geterrcode() == ERRCODE_SYNTAX_ERROR && is_signature(rule->text))
		errhint("To have a function called, use cqrs_on(..., '%s'::regprocedure).", rule->text);
	cqrs_rule_error_context(rule);
}

/* "f(cqrs.event)": one word with a parenthesis at its end */
static bool
is_signature(const char *text)
{
	size_t		length = strlen(text);

	return strchr(text, '(') != NULL && text[length - 1] == ')' &&
		strcspn(text, " \t\r\n") == length;
}

/*
 * Error context callback: which rule, and where in its text.
 */
void
cqrs_rule_error_context(void *arg)
{
	CqrsRule   *rule = (CqrsRule *) arg;
	int			position = geterrposition();

	rule->engine->failed = rule;
	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(rule->text);
	}
	if (rule->kind == CQRS_RULE_BATCH)
		errcontext("batch rule of projection \"%s\"", rule->engine->projection);
	else
		errcontext("rule for event type \"%s\" of projection \"%s\"",
				   rule->event_type, rule->engine->projection);
}

/*
 * Composite type of the events of a type.  A rule for all types knows of none.
 */
static Oid
payload_type(CqrsEngine *engine, const char *event_type)
{
	CqrsEventType type;

	if (strcmp(event_type, "*") == 0 || strlen(event_type) > CQRS_MAX_NAME)
		return InvalidOid;

	type = cqrs_event_type_get(cstring_to_text(event_type));
	if (OidIsValid(type.payload))
		engine->relations = list_append_unique_oid(engine->relations,
												   get_typ_typrelid(type.payload));
	return type.payload;
}
