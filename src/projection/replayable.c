/*-------------------------------------------------------------------------
 *
 * replayable.c
 *		Would a replay of the same events give the same rows?
 *
 * NOTES
 *		A rule may call only what depends on its arguments and on the tables it
 *		reads.  The declared volatility of a function decides, and that of the
 *		functions behind operators, casts, and column defaults that get used.
 *		Among the stable functions of PostgreSQL itself those are refused
 *		that tell the time, the session, or the state of the server.  What
 *		depends on session settings only (how a time is shown, say) is let
 *		pass: rules always run with the same settings.
 *
 *		A literal of a date or time is turned into its value when the rule is
 *		analysed, "now" as well.  So for constants of these types, and of those
 *		made of them, we look at what the text says.
 *
 *		On the same walk we notice functions that are not PostgreSQL's own:
 *		nobody knows which tables they look at.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/replayable.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/nodeFuncs.h"
#include "parser/scanner.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "base/errcodes.h"
#include "event/times.h"
#include "projection/rule.h"

#define HINT_TIME	"Use event.recorded_at, the time at which the event was appended."
#define HINT_NUMBER	"Use event.position, event.stream_id or event.version, or put the number into the event."
#define HINT_USER	"Use event.metadata, which tells who caused the event."

typedef struct CheckContext
{
	CqrsRule   *rule;
	Node	   *node;			/* the one we are in */
	bool		calls_user_code;
} CheckContext;

/* stable functions that tell the time or the session, in C order */
static const char *const refused_functions[] = {
	"current_database",
	"current_query",
	"current_schema",
	"current_schemas",
	"current_setting",
	"current_user",
	"getpgusername",
	"inet_client_addr",
	"inet_client_port",
	"inet_server_addr",
	"inet_server_port",
	"mxid_age",
	"now",
	"row_security_active",
	"session_user",
	"statement_timestamp",
	"system_user",
	"transaction_timestamp",
	"txid_current",
	"txid_current_if_assigned",
	"txid_current_snapshot",
	"version",
};

/* functions of ours that do what a replay must not do again, in C order */
static const char *const acting_functions[] = {
	"cqrs_append",
	"cqrs_emit",
	"cqrs_send",
	"cqrs_try_send",
};

/* names with pg_ that say something about their argument only */
static const char *const allowed_functions[] = {
	"pg_collation_for",
	"pg_column_size",
	"pg_typeof",
};

static bool check_node(Node *node, void *context);
static void check_constant(CheckContext *context, Const *constant);
static void check_conversion(CheckContext *context, CoerceViaIO *conversion);
static char *literal_at(const char *text, int location);
static char *text_of(Const *constant);
static void refuse_moving(CheckContext *context, const char *text);
static bool check_function(Oid function, void *context);
static bool is_refused_stable(Oid function);
static bool name_in(const char *name, const char *const *list, int n);
static const char *hint_for(Oid function, const char *name);
pg_noreturn static void refuse(CheckContext *context, const char *what, const char *why,
				   const char *hint);

/*
 * Fails with QC006 if the statement cannot be replayed.  Says whether it calls
 * functions that are not PostgreSQL's own.
 */
void
cqrs_query_check_replayable(CqrsRule *rule, Query *query, bool *calls_user_code)
{
	CheckContext context = {rule, NULL, false};

	query_tree_walker(query, check_node, &context, 0);
	*calls_user_code = context.calls_user_code;
}

static bool
check_node(Node *node, void *arg)
{
	CheckContext *context = (CheckContext *) arg;

	if (node == NULL)
		return false;

	context->node = node;
	if (IsA(node, SQLValueFunction))
	{
		SQLValueFunctionOp op = ((SQLValueFunction *) node)->op;

		if (op <= SVFOP_LOCALTIMESTAMP_N)
			refuse(context, "the current time", "It may differ when the events are replayed.",
				   HINT_TIME);
		refuse(context, "the current user, catalog or schema",
			   "It may differ when the events are replayed.", HINT_USER);
	}
	if (IsA(node, NextValueExpr))
		refuse(context, "an identity column",
			   "Its sequence goes on when the events are replayed.", HINT_NUMBER);
	if (IsA(node, TableSampleClause))
	{
		context->node = (Node *) ((TableSampleClause *) node)->args;
		refuse(context, "TABLESAMPLE", "It may find other rows when the events are replayed.",
			   "Select rows by their values.");
	}

	if (IsA(node, Const))
		check_constant(context, (Const *) node);
	if (IsA(node, CoerceViaIO))
		check_conversion(context, (CoerceViaIO *) node);

	check_functions_in_node(node, check_function, context);

	if (IsA(node, Query))
		return query_tree_walker((Query *) node, check_node, context, 0);
	return expression_tree_walker(node, check_node, context);
}

static void
check_constant(CheckContext *context, Const *constant)
{
	if (constant->location >= 0 && !constant->constisnull &&
		cqrs_type_has_times(constant->consttype))
		refuse_moving(context, literal_at(context->rule->text, constant->location));
}

/*
 * A text that is turned into a value when the rule is executed, '...'::text::date.
 */
static void
check_conversion(CheckContext *context, CoerceViaIO *conversion)
{
	Node	   *arg = (Node *) conversion->arg;
	Const	   *constant;

	while (IsA(arg, RelabelType))
		arg = (Node *) ((RelabelType *) arg)->arg;
	constant = (Const *) arg;
	if (IsA(arg, Const) && !constant->constisnull && cqrs_type_has_times(conversion->resulttype))
		refuse_moving(context, text_of(constant));
}

/*
 * The value of the string literal there, however it is quoted.
 */
static char *
literal_at(const char *text, int location)
{
	core_yy_extra_type extra;
	core_yyscan_t scanner = scanner_init(text + location, &extra, &ScanKeywords,
										 ScanKeywordTokens);
	core_YYSTYPE value = {.str = NULL};
	YYLTYPE		ignored;
	char		first = text[location];
	char	   *result = "";

	if (core_yylex(&value, &ignored, scanner) != 0 && strchr("'$eEuU", first) != NULL)
		result = pstrdup(value.str);
	scanner_finish(scanner);
	return result;
}

static char *
text_of(Const *constant)
{
	Oid			function;
	bool		is_varlena;

	getTypeOutputInfo(constant->consttype, &function, &is_varlena);
	return OidOutputFunctionCall(function, constant->constvalue);
}

static void
refuse_moving(CheckContext *context, const char *text)
{
	const char *word = cqrs_moving_word(text, strlen(text));

	if (word)
		refuse(context, psprintf("the literal '%s'", word),
			   "It may differ when the events are replayed.", HINT_TIME);
}

static bool
check_function(Oid function, void *arg)
{
	CheckContext *context = (CheckContext *) arg;
	char		volatility = func_volatile(function);
	char	   *name;

	if (function >= FirstNormalObjectId)
		context->calls_user_code = true;
	if (volatility == PROVOLATILE_IMMUTABLE ||
		(volatility == PROVOLATILE_STABLE && !is_refused_stable(function)))
		return false;

	name = get_func_name(function);
	refuse(context, psprintf("function %s()", name),
		   volatility == PROVOLATILE_VOLATILE ?
		   "The function is volatile.  Its result may differ when the events are replayed." :
		   "Its result may differ when the events are replayed.",
		   hint_for(function, name));
	return false;				/* keep compiler quiet */
}

static bool
is_refused_stable(Oid function)
{
	char	   *name;

	if (get_func_namespace(function) != PG_CATALOG_NAMESPACE)
		return false;

	/* which offset a time zone has depends on the day, and a time has none */
	if (function == F_TIMEZONE_TEXT_TIMETZ)
		return true;

	name = get_func_name(function);
	if (strncmp(name, "pg_", 3) == 0)
		return !name_in(name, allowed_functions, lengthof(allowed_functions));
	if (strncmp(name, "cqrs_", 5) == 0 || strncmp(name, "has_", 4) == 0)
		return true;
	if (strcmp(name, "age") == 0)
		return get_func_nargs(function) == 1;
	return name_in(name, refused_functions, lengthof(refused_functions));
}

static bool
name_in(const char *name, const char *const *list, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(name, list[i]) == 0)
			return true;
	return false;
}

static const char *
hint_for(Oid function, const char *name)
{
	if (get_func_namespace(function) != PG_CATALOG_NAMESPACE)
		return "Declare the function STABLE or IMMUTABLE if it is, or use a function as the rule.";
	if (strcmp(name, "now") == 0 || strcmp(name, "age") == 0 || strcmp(name, "timezone") == 0 ||
		strcmp(name, "timeofday") == 0 || strstr(name, "timestamp") != NULL)
		return HINT_TIME;
	if (strcmp(name, "nextval") == 0)
		return HINT_NUMBER;
	if (strcmp(name, "cqrs_command_id") == 0)
		return "Use event.command_id, the command that caused the event.";
	if (name_in(name, acting_functions, lengthof(acting_functions)))
		return "Do that where the event itself is appended, such as in a command.  A replay would do it again.";
	if (strstr(name, "user") != NULL || strcmp(name, "cqrs_actor") == 0)
		return HINT_USER;
	if (strncmp(name, "cqrs_", 5) == 0 && func_volatile(function) == PROVOLATILE_VOLATILE)
		return "Use a function as the rule.";
	return "Put the value into the event when it is appended.";
}

static void
refuse(CheckContext *context, const char *what, const char *why, const char *hint)
{
	int			location = exprLocation(context->node);

	ereport(ERROR,
			(errcode(ERRCODE_CQRS_NOT_REPLAYABLE),
			 errmsg("rule cannot be replayed because it uses %s", what),
			 location >= 0 ? errdetail_internal("%s", why) :
			 errdetail("%s  It comes from a column default or a view.", why),
			 errhint("%s", hint),
			 location >= 0 ?
			 errposition(pg_mbstrlen_with_len(context->rule->text, location) + 1) : 0));
}
