/*-------------------------------------------------------------------------
 *
 * payload_fault.c
 *		The faults of a payload: collected, one line each, and raised together.
 *
 * NOTES
 *		A line is "path: what is wrong".  Whatever a client has put into keys
 *		and values, it stays one line of a bounded length.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/payload_fault.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "base/compat.h"
#include "base/errcodes.h"
#include "event/payload_internal.h"

/* how many faults are listed, and how long the parts of a line may be */
#define MAX_FAULTS	100
#define MAX_KEY		64
#define MAX_MESSAGE 240
#define MAX_END		80			/* of a message of which the middle is left out */

static void append_path(StringInfo buf, const CqrsPath *path);
static void append_key(StringInfo buf, const char *key, int len);
static void append_message(StringInfo buf, const char *s, int len);
static void append_line(StringInfo buf, const char *s, int len);
static bool is_plain(const char *key, int len);

/*
 * Adds a fault.  Without a path it is one of the payload as a whole.
 */
void
cqrs_fault_add(CqrsFaults *faults, const CqrsPath *path, const char *fmt,...)
{
	StringInfoData message;

	if (faults->count++ >= MAX_FAULTS)
		return;
	if (faults->lines.data == NULL)
		initStringInfo(&faults->lines);
	else
		appendStringInfoChar(&faults->lines, '\n');

	if (path)
		append_path(&faults->lines, path);
	else
		appendStringInfoString(&faults->lines, "payload");
	appendStringInfoString(&faults->lines, ": ");

	initStringInfo(&message);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, fmt);
		needed = appendStringInfoVA(&message, fmt, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&message, needed);
	}
	append_message(&faults->lines, message.data, message.len);
	pfree(message.data);
}

/*
 * A payload is an object: true when it is.
 */
bool
cqrs_fault_unless_object(CqrsFaults *faults, Jsonb *payload)
{
	JsonbValue	root = {
		.type = jbvBinary,
		.val.binary.data = &payload->root,
		.val.binary.len = VARSIZE_ANY_EXHDR(payload)
	};

	if (JB_ROOT_IS_OBJECT(payload))
		return true;
	if (JB_ROOT_IS_SCALAR(payload))
		(void) JsonbExtractScalar(&payload->root, &root);
	cqrs_fault_add(faults, NULL, "expected object, found %s", cqrs_json_kind(&root));
	return false;
}

/*
 * Raises all of them as one error.  Without a type, nothing was to be given.
 */
void
cqrs_fault_raise(const CqrsFaults *faults, Oid type, const char *what, const char *name)
{
	int			more = faults->count - MAX_FAULTS;

	Assert(faults->count > 0);
	ereport(ERROR,
			(errcode(ERRCODE_CQRS_INVALID_PAYLOAD),
			 !OidIsValid(type)
			 ? errmsg("%s \"%s\" takes no parameters", what, name)
			 : errmsg("payload of %s \"%s\" does not fit type %s",
					what, name,
					/* user code in a constraint may have dropped it */
					format_type_extended(type, -1, FORMAT_TYPE_ALLOW_INVALID)),
			 more > 0
			 ? errdetail_internal("%s\n... and %d more", faults->lines.data, more)
			 : errdetail_internal("%s", faults->lines.data)));
}

/*
 * What a JSON value is, for messages.
 */
const char *
cqrs_json_kind(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return "null";
		case jbvString:
			return "string";
		case jbvNumeric:
			return "number";
		case jbvBool:
			return "boolean";
		case jbvBinary:
			return JsonContainerIsArray(value->val.binary.data) ? "array" : "object";
		default:
			return "something else";
	}
}

static void
append_path(StringInfo buf, const CqrsPath *path)
{
	if (path->parent)
		append_path(buf, path->parent);
	if (path->name == NULL)
		appendStringInfo(buf, "[%d]", path->index);
	else
	{
		if (path->parent)
			appendStringInfoChar(buf, '.');
		append_key(buf, path->name, path->name_len);
	}
}

/*
 * A key as it is when that is clear enough, else as a JSON string.
 */
static void
append_key(StringInfo buf, const char *key, int len)
{
	if (is_plain(key, len) && len <= MAX_KEY)
		appendBinaryStringInfo(buf, key, len);
	else
	{
		int			clipped = len > MAX_KEY ? pg_mbcliplen(key, len, MAX_KEY) : len;
		char	   *copy = pnstrdup(key, clipped);

		escape_json(buf, copy);
		if (clipped < len)
			appendStringInfoString(buf, "...");
		pfree(copy);
	}
}

/*
 * Messages quote values, before they say what is wrong with them or after it: of a
 * long one the middle is left out.
 */
static void
append_message(StringInfo buf, const char *s, int len)
{
	int			end = 0;

	if (len > MAX_MESSAGE)
	{
		append_line(buf, s, pg_mbcliplen(s, len, MAX_MESSAGE - MAX_END));
		appendStringInfoString(buf, "...");
		end = pg_mbcliplen(s, len, len - MAX_END);
	}
	append_line(buf, s + end, len - end);
}

/*
 * Text that stays on its line.
 */
static void
append_line(StringInfo buf, const char *s, int len)
{
	for (int i = 0; i < len; i++)
	{
		unsigned char c = s[i];

		if (c < 0x20 || c == 0x7f)
			appendStringInfo(buf, "\\u%04x", c);
		else
			appendStringInfoChar(buf, c);
	}
}

static bool
is_plain(const char *key, int len)
{
	for (int i = 0; i < len; i++)
	{
		unsigned char c = key[i];

		if (!(IS_HIGHBIT_SET(c) || c == '_' || c == '$' ||
			  (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
			return false;
	}
	return len > 0;
}
