/*-------------------------------------------------------------------------
 *
 * diagram.c
 *		cqrs_diagram(): a picture of what leads to what, as text.
 *
 * NOTES
 *		Commands lead to event types, those to projections, these to views, and
 *		views to queries.  All but the first is in the catalogue.  Which
 *		command appends which events is known to its handler alone, so it is
 *		learnt from what has happened: from the newest events, and from some
 *		of all times, by way of the ledger; and what leaves the ledger is
 *		remembered then.  Appending costs nothing for that, and looking costs
 *		the same however long the log is; but a command that is sent rarely
 *		may be drawn without its events for a while.
 *
 *		Names come from users.  Whatever could end a label or be taken for
 *		markup is written as a code.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/query/diagram.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "base/plans.h"

PG_FUNCTION_INFO_V1(cqrs_diagram);

/*
 * What a node is.  The statement in base/plan_texts.c uses these numbers.
 */
typedef struct NodeKind
{
	char		letter;			/* begins the ids of such nodes */
	const char *name;
	const char *open;			/* shape in mermaid */
	const char *close;
	const char *shape;			/* shape in dot */
	const char *color;
} NodeKind;

static const NodeKind kinds[] = {
	{'c', "command", "[", "]", "box", "#cfe2f3"},
	{'e', "event", "([", "])", "ellipse", "#fce5cd"},
	{'p', "projection", "[[", "]]", "component", "#d9ead3"},
	{'v', "view", "[(", ")]", "cylinder", "#fff2cc"},
	{'q', "query", "{{", "}}", "hexagon", "#d9d2e9"},
};

/*
 * A row of the statement: a node, or an arrow from one to another.
 */
typedef struct Row
{
	const NodeKind *kind;
	int32		number;
	const NodeKind *to_kind;	/* NULL: a node */
	int32		to_number;
	char	   *name;
	char	   *note;			/* may be NULL */
} Row;

typedef struct Format
{
	const char *name;
	const char *begin_kind;		/* around the nodes of one kind */
	const char *end_kind;
	void		(*begin) (StringInfo out);
	void		(*put_node) (StringInfo out, const Row *row);
	void		(*put_arrow) (StringInfo out, const Row *row);
	void		(*end) (StringInfo out);
} Format;

static void mermaid_begin(StringInfo out);
static void mermaid_node(StringInfo out, const Row *row);
static void mermaid_arrow(StringInfo out, const Row *row);
static void mermaid_end(StringInfo out);
static void dot_begin(StringInfo out);
static void dot_node(StringInfo out, const Row *row);
static void dot_arrow(StringInfo out, const Row *row);
static void dot_end(StringInfo out);

static const Format formats[] = {
	{"mermaid", "", "", mermaid_begin, mermaid_node, mermaid_arrow, mermaid_end},
	{"dot", "\t{\n\t\trank=same;\n", "\t}\n", dot_begin, dot_node, dot_arrow, dot_end},
};

static const Format *find_format(const char *name);
static void draw(const Format *format, StringInfo out);
static void read_row(uint64 n, Row *row);
static const NodeKind *get_kind(uint64 n, int column);
static int32 get_number(uint64 n, int column);
static void put_label(StringInfo out, const Row *row, const char *newline,
					  void (*put_char) (StringInfo out, unsigned char c));
static void mermaid_char(StringInfo out, unsigned char c);
static void dot_char(StringInfo out, unsigned char c);

/*
 * cqrs_diagram(format) -> text
 */
Datum
cqrs_diagram(PG_FUNCTION_ARGS)
{
	const Format *format = find_format(cqrs_arg_string(fcinfo, 0, "format"));
	StringInfoData out;

	initStringInfo(&out);
	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_DIAGRAM, NULL, NULL);
	draw(format, &out);
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

static const Format *
find_format(const char *name)
{
	for (int i = 0; i < lengthof(formats); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized format of a diagram: \"%s\"", name),
			 errhint("Formats are \"mermaid\" and \"dot\".")));
	return NULL;				/* keep compiler quiet */
}

/*
 * The rows are in SPI_tuptable: nodes by kind and number, then arrows.
 */
static void
draw(const Format *format, StringInfo out)
{
	uint64		count = SPI_processed;
	const NodeKind *kind = NULL;	/* that is being drawn */

	format->begin(out);
	for (uint64 n = 0; n < count; n++)
	{
		Row			row;

		CHECK_FOR_INTERRUPTS();
		read_row(n, &row);
		if (kind && (row.to_kind || row.kind != kind))
		{
			appendStringInfoString(out, format->end_kind);
			kind = NULL;
		}
		if (kind == NULL && row.to_kind == NULL)
		{
			appendStringInfoString(out, format->begin_kind);
			kind = row.kind;
		}
		if (row.to_kind)
			format->put_arrow(out, &row);
		else
			format->put_node(out, &row);
	}
	if (kind)
		appendStringInfoString(out, format->end_kind);
	format->end(out);
}

static void
read_row(uint64 n, Row *row)
{
	row->kind = get_kind(n, 1);
	row->number = get_number(n, 2);
	row->to_kind = get_kind(n, 3);
	row->to_number = get_number(n, 4);
	row->name = SPI_getvalue(SPI_tuptable->vals[n], SPI_tuptable->tupdesc, 5);
	row->note = SPI_getvalue(SPI_tuptable->vals[n], SPI_tuptable->tupdesc, 6);
}

/*
 * NULL for null.
 */
static const NodeKind *
get_kind(uint64 n, int column)
{
	int32		number = get_number(n, column);

	return number ? &kinds[number - 1] : NULL;
}

/*
 * 0 for null.
 */
static int32
get_number(uint64 n, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[n], SPI_tuptable->tupdesc,
									  column, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

static void
mermaid_begin(StringInfo out)
{
	appendStringInfoString(out, "flowchart LR\n");
}

static void
mermaid_node(StringInfo out, const Row *row)
{
	appendStringInfo(out, "    %c%d%s\"", row->kind->letter, row->number, row->kind->open);
	put_label(out, row, "<br/>", mermaid_char);
	appendStringInfo(out, "\"%s:::%s\n", row->kind->close, row->kind->name);
}

static void
mermaid_arrow(StringInfo out, const Row *row)
{
	appendStringInfo(out, "    %c%d --> %c%d\n", row->kind->letter, row->number,
					 row->to_kind->letter, row->to_number);
}

static void
mermaid_end(StringInfo out)
{
	for (int i = 0; i < lengthof(kinds); i++)
		appendStringInfo(out, "    classDef %s fill:%s,stroke:#666,color:#000\n",
						 kinds[i].name, kinds[i].color);
}

static void
dot_begin(StringInfo out)
{
	appendStringInfoString(out,
						   "digraph cqrs {\n"
						   "\trankdir=LR;\n"
						   "\tranksep=0.9;\n"
						   "\tnode [fontname=\"sans-serif\", fontsize=11, style=filled, color=\"#666666\"];\n"
						   "\tedge [color=\"#666666\", arrowsize=0.7, tailport=e, headport=w];\n");
}

static void
dot_node(StringInfo out, const Row *row)
{
	appendStringInfo(out, "\t\t%c%d [label=\"", row->kind->letter, row->number);
	put_label(out, row, "\\n", dot_char);
	appendStringInfo(out, "\", shape=%s, fillcolor=\"%s\"];\n",
					 row->kind->shape, row->kind->color);
}

static void
dot_arrow(StringInfo out, const Row *row)
{
	appendStringInfo(out, "\t%c%d -> %c%d;\n", row->kind->letter, row->number,
					 row->to_kind->letter, row->to_number);
}

static void
dot_end(StringInfo out)
{
	appendStringInfoString(out, "}\n");
}

static void
put_label(StringInfo out, const Row *row, const char *newline,
		  void (*put_char) (StringInfo out, unsigned char c))
{
	const char *name = row->name;

	if (row->kind->letter == 'e' && strcmp(name, "*") == 0)
		name = "any event";
	for (const char *c = name; *c; c++)
		put_char(out, *c);
	if (row->note)
		appendStringInfo(out, "%s(%s)", newline, row->note);
}

/*
 * Inside quotes mermaid takes "#35;" for the character of that number, and
 * otherwise HTML and markdown.  Bytes of characters that are not ASCII mean
 * themselves.
 */
static void
mermaid_char(StringInfo out, unsigned char c)
{
	if (IS_HIGHBIT_SET(c) || isalnum(c) || strchr(" ._-$", c))
		appendStringInfoChar(out, c);
	else
		appendStringInfo(out, "#%d;", c);
}

/*
 * Graphviz takes backslashes for escapes and "&" for the beginning of an
 * entity.
 */
static void
dot_char(StringInfo out, unsigned char c)
{
	if (c == '\\')
		appendStringInfoString(out, "\\\\");
	else if (c == '"' || c == '&' || c < ' ' || c == 0x7f)
		appendStringInfo(out, "&#%d;", c);
	else
		appendStringInfoChar(out, c);
}
