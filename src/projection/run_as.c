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
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#include "projection/run_as.h"

/* settings that say what a statement means, and what they are for rules */
static const char *const settings[][2] = {
	{"DateStyle", "ISO, MDY"},
	{"IntervalStyle", "postgres"},
	{"TimeZone", "UTC"},
	{"bytea_output", "hex"},
	{"extra_float_digits", "1"},
	{"row_security", "on"},
	{"transform_null_equals", "off"},
	{"xmloption", "content"},
};

static void set(const char *name, const char *value);

/*
 * Until cqrs_run_as_end(), code runs as the role.  Names are looked up in the
 * schema first, if given, then in pg_catalog.  There is an active snapshot that
 * shows what was done so far.
 */
void
cqrs_run_as_begin(Oid role, const char *schema, CqrsRunAs *before)
{
	char	   *search_path = schema ?
		psprintf("%s, pg_catalog, pg_temp", quote_identifier(schema)) :
		pstrdup("pg_catalog, pg_temp");

	GetUserIdAndSecContext(&before->user, &before->security_context);
	SetUserIdAndSecContext(role, before->security_context |
						   SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	before->guc_level = NewGUCNestLevel();
	set("search_path", search_path);
	for (int i = 0; i < lengthof(settings); i++)
		set(settings[i][0], settings[i][1]);
	if (SessionReplicationRole != SESSION_REPLICATION_ROLE_ORIGIN)
		set("session_replication_role", "origin");
	pfree(search_path);

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
}

/*
 * As "false" tells, also those settings are undone that were made to last.
 */
void
cqrs_run_as_end(const CqrsRunAs *before)
{
	PopActiveSnapshot();
	CommandCounterIncrement();
	AtEOXact_GUC(false, before->guc_level);
	SetUserIdAndSecContext(before->user, before->security_context);
}

/*
 * Ours to set, whatever the role may.  Saves the trouble when it is so already.
 */
static void
set(const char *name, const char *value)
{
	const char *now = GetConfigOption(name, false, false);

	if (now == NULL || strcmp(now, value) != 0)
		(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
}
