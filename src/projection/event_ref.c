/*-------------------------------------------------------------------------
 *
 * event_ref.c
 *		What event.<field> means in a rule.
 *
 * NOTES
 *		"event" is like a table in a scope around the whole statement: a table
 *		or alias of this name within the statement hides it, as an inner scope
 *		hides an outer one in SQL.  Its columns are those of cqrs.event that
 *		mean something to a rule, stream_id, and the fields of the payload type
 *		of the rule's event type.  A payload field with the name of one of the
 *		others is reached by event.data only.
 *
 *		A reference becomes a parameter.  Analysing a text again gives the same
 *		numbers, as the plan cache demands.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/event_ref.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "parser/parse_relation.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "base/compat.h"
#include "event/log.h"
#include "projection/rule.h"

typedef struct CommonField
{
	const char *name;
	CqrsFieldKind kind;
	AttrNumber	column;
	Oid			type;
} CommonField;

static const CommonField common_fields[] = {
	{"position", FIELD_COLUMN, EVENT_POSITION, INT8OID},
	{"stream", FIELD_COLUMN, EVENT_STREAM, TEXTOID},
	{"stream_id", FIELD_STREAM_ID, 0, TEXTOID},
	{"category", FIELD_COLUMN, EVENT_CATEGORY, TEXTOID},
	{"version", FIELD_COLUMN, EVENT_VERSION, INT8OID},
	{"type", FIELD_COLUMN, EVENT_TYPE, TEXTOID},
	{"data", FIELD_COLUMN, EVENT_DATA, JSONBOID},
	{"metadata", FIELD_COLUMN, EVENT_METADATA, JSONBOID},
	{"command_id", FIELD_COLUMN, EVENT_COMMAND_ID, UUIDOID},
	{"recorded_at", FIELD_COLUMN, EVENT_RECORDED_AT, TIMESTAMPTZOID},
};

static Node *resolve_reference(ParseState *pstate, ColumnRef *ref, Node *var);
static int	find_field(CqrsScope *scope, const char *name);
static CqrsField *make_common_field(const char *name);
static CqrsField *make_payload_field(Oid payload, const char *name);
static void add_field(CqrsScope *scope, CqrsField *field);
pg_noreturn static void no_such_field(ParseState *pstate, CqrsScope *scope, ColumnRef *ref,
						  const char *name);
pg_noreturn static void no_such_part(ParseState *pstate, CqrsField *field, ColumnRef *ref);

/*
 * An empty scope, which lives in the current memory context.
 */
void
cqrs_scope_begin(CqrsScope *scope, const char *event_type, Oid payload)
{
	scope->event_type = event_type;
	scope->payload = payload;
	scope->count = 0;
	scope->allocated = 8;
	scope->fields = palloc(scope->allocated * sizeof(CqrsField *));
	scope->context = CurrentMemoryContext;
}

/*
 * A ParserSetupHook.
 */
void
cqrs_scope_setup_parser(ParseState *pstate, void *scope)
{
	pstate->p_post_columnref_hook = resolve_reference;
	pstate->p_ref_hook_state = scope;
}

static Node *
resolve_reference(ParseState *pstate, ColumnRef *ref, Node *var)
{
	CqrsScope  *scope = (CqrsScope *) pstate->p_ref_hook_state;
	Node	   *qualifier = linitial(ref->fields);
	Node	   *field_name;
	CqrsField  *field;
	Param	   *param;
	int			number;

	if (var != NULL || scope->event_type == NULL ||
		!IsA(qualifier, String) || strcmp(strVal(qualifier), "event") != 0)
		return NULL;
	if (refnameNamespaceItem(pstate, NULL, "event", ref->location, NULL) != NULL)
		return NULL;

	field_name = list_length(ref->fields) > 1 ? lsecond(ref->fields) : NULL;
	if (field_name == NULL || !IsA(field_name, String))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" cannot be used in a rule", field_name ? "event.*" : "event"),
				 errhint("Name the fields."),
				 parser_errposition(pstate, ref->location)));

	number = find_field(scope, strVal(field_name));
	if (list_length(ref->fields) > 2)
	{
		if (number != 0 && IsA(lthird(ref->fields), String))
			no_such_part(pstate, scope->fields[number - 1], ref);
		return NULL;
	}
	if (number == 0)
		no_such_field(pstate, scope, ref, strVal(field_name));
	field = scope->fields[number - 1];

	param = makeNode(Param);
	param->paramkind = PARAM_EXTERN;
	param->paramid = number;
	param->paramtype = field->type;
	param->paramtypmod = field->typmod;
	param->paramcollid = field->collation;
	param->location = ref->location;
	return (Node *) param;
}

/*
 * Number of a field, which is added to the scope when it is new there; 0 when
 * the event has no such field.
 */
static int
find_field(CqrsScope *scope, const char *name)
{
	MemoryContext before;
	CqrsField  *field;

	for (int i = 0; i < scope->count; i++)
		if (strcmp(scope->fields[i]->name, name) == 0)
			return i + 1;

	before = MemoryContextSwitchTo(scope->context);
	field = make_common_field(name);
	if (field == NULL && OidIsValid(scope->payload))
		field = make_payload_field(scope->payload, name);
	if (field)
		add_field(scope, field);
	MemoryContextSwitchTo(before);
	return field ? scope->count : 0;
}

static CqrsField *
make_common_field(const char *name)
{
	for (int i = 0; i < lengthof(common_fields); i++)
	{
		const CommonField *common = &common_fields[i];
		CqrsField  *field;

		if (strcmp(common->name, name) != 0)
			continue;
		field = palloc0(sizeof(CqrsField));
		field->kind = common->kind;
		field->name = pstrdup(name);
		field->column = common->column;
		field->type = common->type;
		field->typmod = -1;
		field->collation = get_typcollation(common->type);
		return field;
	}
	return NULL;
}

static CqrsField *
make_payload_field(Oid payload, const char *name)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(payload, -1);
	CqrsField  *field = NULL;

	for (int i = 0; i < desc->natts && field == NULL; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || strcmp(NameStr(att->attname), name) != 0)
			continue;
		field = palloc0(sizeof(CqrsField));
		field->kind = FIELD_INPUT;	/* refined by cqrs_field_init() */
		field->name = pstrdup(name);
		field->type = att->atttypid;
		field->typmod = att->atttypmod;
		field->collation = att->attcollation;
	}
	ReleaseTupleDesc(desc);
	return field;
}

static void
add_field(CqrsScope *scope, CqrsField *field)
{
	field->name_length = strlen(field->name);
	get_typlenbyval(field->type, &field->typlen, &field->typbyval);
	cqrs_field_init(field);

	if (scope->count == scope->allocated)
	{
		scope->allocated *= 2;
		scope->fields = repalloc(scope->fields, scope->allocated * sizeof(CqrsField *));
	}
	scope->fields[scope->count++] = field;
}

static void
no_such_field(ParseState *pstate, CqrsScope *scope, ColumnRef *ref, const char *name)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < lengthof(common_fields); i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", common_fields[i].name);
	if (OidIsValid(scope->payload))
	{
		TupleDesc	desc = lookup_rowtype_tupdesc(scope->payload, -1);

		for (int i = 0; i < desc->natts; i++)
			if (!TupleDescAttr(desc, i)->attisdropped)
				appendStringInfo(&list, ", %s",
								 quote_identifier(NameStr(TupleDescAttr(desc, i)->attname)));
		ReleaseTupleDesc(desc);
	}

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column event.%s does not exist", name),
			 errdetail("An event of this rule has: %s.", list.data),
			 OidIsValid(scope->payload) ?
			 errhint("Add the field to payload type %s, or use event.data->>%s.",
					 format_type_be(scope->payload), quote_literal_cstr(name)) :
			 errhint("Use event.data->>%s, or register the event type with a payload type that has this field.",
					 quote_literal_cstr(name)),
			 parser_errposition(pstate, ref->location)));
}

/*
 * Two dots, as in other languages.
 */
static void
no_such_part(ParseState *pstate, CqrsField *field, ColumnRef *ref)
{
	const char *name = strVal(lthird(ref->fields));

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column %s does not exist", NameListToString(ref->fields)),
			 field->type == JSONBOID ?
			 errhint("Use event.%s->>%s.", quote_identifier(field->name),
					 quote_literal_cstr(name)) :
			 errhint("Use (event.%s).%s.", quote_identifier(field->name),
					 quote_identifier(name)),
			 parser_errposition(pstate, ref->location)));
}
