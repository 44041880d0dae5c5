/*-------------------------------------------------------------------------
 *
 * run_as.c
 *		Running what a user wrote: as its owner, fenced in, with settings of ours.
 *
 * NOTES
 *		Rules, table definitions, triggers, defaults, views and whatever they
 *		call are run in a session that may belong to somebody else, a superuser
 *		even.  Three things keep them from gaining by it:
 *
 *		- the current user is the projection's owner, and SET ROLE, RESET ROLE
 *		  and SET SESSION AUTHORIZATION are refused;
 *		- it is a security-restricted operation: nothing can be left behind to
 *		  run later as somebody else (deferred triggers, WITH HOLD cursors,
 *		  temporary tables, LISTEN, prepared statements);
 *		- settings that user code changes go back to what they were.
 *
 *		And rules give the same rows whoever applies them: the settings that
 *		the meaning of SQL depends on do not come from the session.
 *
 *		An ERROR in between needs no clean-up here: the end of the transaction
 *		or subtransaction does it.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/run_as.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "utils/snapmgr.h"

#include "base/settings.h"
#include "event/times.h"
#include "projection/run_as.h"

/* settings that say what a statement means, and what they are for rules */
static CqrsSetting settings[] = {
	{"DateStyle", CQRS_DATE_STYLE},
	{"IntervalStyle", CQRS_INTERVAL_STYLE},
	{"TimeZone", CQRS_TIME_ZONE},
	{"array_nulls", "on"},
	{"backslash_quote", "safe_encoding"},
	{"bytea_output", "hex"},
	{"default_text_search_config", "pg_catalog.simple"},
	{"extra_float_digits", "1"},
	{"gin_fuzzy_search_limit", "0"},
	{"lc_monetary", "C"},
	{"lc_numeric", "C"},
	{"lc_time", "C"},
	{"quote_all_identifiers", "off"},
	{"restrict_nonsystem_relation_kind", "", true},
	{"row_security", "on"},
	{"standard_conforming_strings", "on"},
	{"timezone_abbreviations", CQRS_TIME_ZONE_ABBREVIATIONS},
	{"transform_null_equals", "off"},
	{"xmlbinary", "base64"},
	{"xmloption", "content"},
};

/*
 * In a process that does nothing else these settings can be as they are for rules
 * from the beginning.
 */
void
cqrs_run_as_always(void)
{
	cqrs_settings_set_lasting(settings, lengthof(settings));
}

/*
 * Until cqrs_run_as_end(), code runs as the role.  Names are looked up in the
 * schema first, if given, then in pg_catalog.  There is an active snapshot that
 * shows what was done so far.
 */
void
cqrs_run_as_begin(Oid role, const char *schema, CqrsRunAs *before)
{
	cqrs_fence_begin(role, schema, before);
	cqrs_settings_set_local(settings, lengthof(settings));
	if (SessionReplicationRole != SESSION_REPLICATION_ROLE_ORIGIN)
		cqrs_set_local("session_replication_role", "origin");

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
}

void
cqrs_run_as_end(const CqrsRunAs *before)
{
	PopActiveSnapshot();
	CommandCounterIncrement();
	cqrs_fence_end(before);
}
