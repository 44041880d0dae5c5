/*-------------------------------------------------------------------------
 *
 * names.c
 *		Names that users give: commands, event types, projections, streams; and
 *		types, found by the names that were stored.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/names.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "base/compat.h"
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
				 errmsg("%s name must not be empty", what)));
	if (len > max_bytes)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("%s name is too long", what),
				 errdetail("It has %d bytes; the limit is %d.", len, max_bytes)));
	if (s[0] == ' ' || s[len - 1] == ' ')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("%s name must not begin or end with a blank", what),
				 errdetail("The name is \"%s\".", text_to_cstring(name))));

	for (int i = 0; i < len; i++)
		if (s[i] < 0x20 || s[i] == 0x7f)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_NAME),
					 errmsg("%s name must not contain control characters", what),
					 errdetail("Byte %d of the name is 0x%02x.", i + 1, s[i])));
}

/*
 * The type whose name, with its schema, was stored, or InvalidOid.  The current
 * user need not have rights on the schema: who may send a command is settled by
 * the rights on its handler.
 */
Oid
cqrs_stored_type(const char *qualified_name)
{
	List	   *parts;
	Oid			schema;

	if (!SplitIdentifierString(pstrdup(qualified_name), '.', &parts) || list_length(parts) != 2)
		return InvalidOid;
	schema = get_namespace_oid(linitial(parts), true);
	if (!OidIsValid(schema))
		return InvalidOid;
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
						   CStringGetDatum(lsecond(parts)), ObjectIdGetDatum(schema));
}

/*
 * One that is gone when the session ends: its name is not to be stored.
 */
bool
cqrs_is_temporary_type(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	result = isAnyTempNamespace(((Form_pg_type) GETSTRUCT(tuple))->typnamespace);
	ReleaseSysCache(tuple);
	return result;
}
