/*-------------------------------------------------------------------------
 *
 * names.c
 *		Names that users give: commands, event types, projections, streams; names
 *		of types, found again.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/names.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "base/identity.h"
#include "base/names.h"

/*
 * Refuses a name that would be a nuisance in logs, dumps and terminals: empty,
 * too long, with control characters, or with blanks around it.  "what" is what
 * the name is of, for the message: "event type".
 */
void
cqrs_check_name(const text *name, const char *what, int max_bytes)
{
	const unsigned char *s = (const unsigned char *) VARDATA_ANY(name);
	int			len = VARSIZE_ANY_EXHDR(name);

	if (len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("name of %s must not be empty", what)));
	if (len > max_bytes)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("name of %s is too long", what),
				 errdetail("It has %d bytes; the limit is %d.", len, max_bytes)));
	if (s[0] == ' ' || s[len - 1] == ' ')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("name of %s must not begin or end with a blank", what),
				 errdetail("The name is \"%s\".", text_to_cstring(name))));

	for (int i = 0; i < len; i++)
		if (s[i] < 0x20 || s[i] == 0x7f)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_NAME),
					 errmsg("name of %s must not contain control characters", what),
					 errdetail("Byte %d of the name is 0x%02x.", i + 1, s[i])));
}

/*
 * The type that was stored under this qualified name, InvalidOid when it is
 * gone.  The owner of the extension looks it up: whoever sends a command
 * needs no USAGE of the schema in which its payload is described.
 */
Oid
cqrs_stored_type(const char *name)
{
	CqrsIdentity before;
	Oid			type = InvalidOid;
	int32		typmod;

	cqrs_become_owner(&before);
	cqrs_parse_type(name, &type, &typmod);
	cqrs_come_back(&before);
	return type;
}
