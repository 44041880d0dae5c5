/*-------------------------------------------------------------------------
 *
 * explain.c
 *		Which plan a rule has got, and why.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/explain.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "base/compat.h"
#include "projection/rule.h"

static void explain_statements(CqrsRule *rule, CqrsExplainRow *row);
static void append_sentence(StringInfo buf, int number, int count, const char *sentence);
static char *join_types(List *types);

/*
 * One row for the rule, in the current memory context.
 */
CqrsExplainRow *
cqrs_rule_explain(CqrsRule *rule)
{
	CqrsExplainRow *row = palloc0(sizeof(CqrsExplainRow));

	switch (rule->kind)
	{
		case CQRS_RULE_SQL:
			row->event_type = pstrdup(rule->event_type);
			explain_statements(rule, row);
			break;
		case CQRS_RULE_FUNCTION:
			row->event_type = pstrdup(rule->event_type);
			row->plan = "function";
			row->reason = "The function is called once for each event.";
			break;
		case CQRS_RULE_BATCH:
			row->event_type = join_types(rule->event_types);
			row->plan = "batch";
			row->reason = "The statement is executed once for each batch.";
			break;
	}
	return row;
}

/*
 * A rule is a fold when all of its statements are.
 */
static void
explain_statements(CqrsRule *rule, CqrsExplainRow *row)
{
	int			count = list_length(rule->statements);
	StringInfoData buf;

	initStringInfo(&buf);
	row->plan = "fold";
	for (int i = 0; i < count; i++)
	{
		CqrsStatement *statement = list_nth(rule->statements, i);

		if (statement->fold == NULL)
		{
			row->plan = "statement";
			append_sentence(&buf, i + 1, count, statement->reason);
		}
		if (statement->advice)
			append_sentence(&buf, i + 1, count, statement->advice);
	}
	row->reason = buf.len > 0 ? buf.data : NULL;
}

static void
append_sentence(StringInfo buf, int number, int count, const char *sentence)
{
	if (buf->len > 0)
		appendStringInfoChar(buf, ' ');
	if (count > 1)
		appendStringInfo(buf, "Statement %d: %s", number, sentence);
	else
		appendStringInfoString(buf, sentence);
}

static char *
join_types(List *types)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, types)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "", (char *) lfirst(lc));
	return buf.data;
}
