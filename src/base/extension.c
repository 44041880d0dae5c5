/*-------------------------------------------------------------------------
 *
 * extension.c
 *		Is the extension there, and of the version that this library is made for?
 *
 * NOTES
 *		After an upgrade of the package there is a new library, and the SQL
 *		objects are the old ones until ALTER EXTENSION UPDATE; a session, or a
 *		server, that has loaded the old library may see new ones.  Neither may
 *		read tables that it does not know.  So whoever wants one of our tables or
 *		statements asks here first: once, and again when functions or tables
 *		have been changed, as an update does.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/extension.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/extension.h"

/* has it been looked at since something changed, and was it fine? */
static bool is_fine = false;

/* ... and there at all? */
static bool is_ready = false;

static void function_changed(Datum arg, int cacheid, uint32 hashvalue);
static void relation_changed(Datum arg, Oid relid);

void
cqrs_extension_init(void)
{
	CacheRegisterSyscacheCallback(PROCOID, function_changed, (Datum) 0);
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}

/*
 * Looks in the catalog.  The version that is installed goes to *version, if
 * there is one and somebody wants it.
 */
CqrsExtensionState
cqrs_extension_state(char **version)
{
	CqrsExtensionState result = CQRS_EXTENSION_ABSENT;
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("cqrs"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		datum = heap_getattr(tuple, Anum_pg_extension_extversion,
										 RelationGetDescr(rel), &isnull);
		char	   *installed = isnull ? pstrdup("") : TextDatumGetCString(datum);

		result = strcmp(installed, CQRS_VERSION) == 0 ?
			CQRS_EXTENSION_READY : CQRS_EXTENSION_OTHER_VERSION;
		if (version)
			*version = installed;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

/*
 * Refuses when the extension in this database is of another version.  That it
 * is not there at all will be found out by who wants something of it.
 */
void
cqrs_extension_require(void)
{
	char	   *version;

	/* scripts of the extension itself are between two versions */
	if (is_fine || creating_extension || IsBinaryUpgrade)
		return;
	/* set first: what is heard of from now on sets it back */
	is_fine = true;
	if (cqrs_extension_state(&version) == CQRS_EXTENSION_OTHER_VERSION)
	{
		is_fine = false;
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"cqrs\" of this database has version \"%s\", its library has version \"%s\"",
						version, CQRS_VERSION),
				 errhint("Use ALTER EXTENSION cqrs UPDATE.  If the library is the older one, start a new session or restart the server.")));
	}
}

/*
 * Is it there, and of our version?  Looks when something may have changed.
 */
bool
cqrs_extension_is_ready(void)
{
	if (is_ready)
		return true;
	/* as above */
	is_ready = true;
	if (cqrs_extension_state(NULL) != CQRS_EXTENSION_READY)
	{
		is_ready = false;
		return false;
	}
	return is_ready;
}

static void
function_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	is_fine = is_ready = false;
}

/*
 * InvalidOid is everything; of single tables the functions tell.
 */
static void
relation_changed(Datum arg, Oid relid)
{
	if (!OidIsValid(relid))
		is_fine = is_ready = false;
}
