/*-------------------------------------------------------------------------
 *
 * utility.c
 *		Living with DDL: getting out of its way, and noticing what it changes.
 *
 * NOTES
 *		Commands that need a database without other sessions, or would fight
 *		with a batch for locks on our tables, first end the workers there.  No
 *		worker is started until the transaction of the command ends, one way
 *		or another.  Who may not execute the command ends nobody.
 *
 *		A worker that is told to end in the middle of a batch rolls it back,
 *		and repeats it when it has been started again.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/utility.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "pgstat.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "worker/board.h"
#include "worker/utility.h"
#include "worker/wakeup.h"

/* after so long, the command is on its own: it will say who is in its way */
#define LEAVE_MS (10 * 1000)

/*
 * What is to be done when a statement has succeeded.
 */
typedef enum AfterStatement
{
	AFTER_NOTHING,
	AFTER_END_PREPARED,			/* a prepared transaction has ended */
	AFTER_LIST_NEW,				/* there may be other databases to serve */
	AFTER_LIST_ALL,				/* there may be other roles to serve, anywhere */
	AFTER_SCAN					/* there may be something else to serve here */
} AfterStatement;

static ProcessUtility_hook_type previous_hook = NULL;

static void process_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
							ProcessUtilityContext context, ParamListInfo params,
							QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc);
static void before(Node *statement);
static AfterStatement what_comes_after(Node *statement);
static void clear_database(Oid database);
static bool may_change(Oid database);
static Oid	template_of(CreatedbStmt *statement);
static bool is_our_extension(DropStmt *statement);
static bool changes_roles(Node *statement);

/*
 * Called at load.  Without shared memory there are no workers to care about.
 */
void
cqrs_utility_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}

static void
process_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	AfterStatement what = AFTER_NOTHING;

	/* looked at now: after a ROLLBACK the statement may be gone from memory */
	if (cqrs_board() && cqrs_board()->launcher && !IsBinaryUpgrade)
	{
		what = what_comes_after(pstmt->utilityStmt);
		before(pstmt->utilityStmt);
	}
	if (previous_hook)
		previous_hook(pstmt, query, read_only_tree, context, params, env, dest, qc);
	else
		standard_ProcessUtility(pstmt, query, read_only_tree, context, params, env, dest, qc);

	switch (what)
	{
		case AFTER_NOTHING:
			break;
		case AFTER_END_PREPARED:
			cqrs_wakeup_prepared();
			break;
		case AFTER_LIST_NEW:
			cqrs_wakeup_list_databases(CQRS_LIST_NEW);
			break;
		case AFTER_LIST_ALL:
			cqrs_wakeup_list_databases(CQRS_LIST_ALL);
			break;
		case AFTER_SCAN:
			cqrs_wakeup_scan();
			break;
	}
}

static void
before(Node *statement)
{
	Oid			database = InvalidOid;
	Oid			extension;

	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			database = get_database_oid(((DropdbStmt *) statement)->dbname, true);
			break;

		case T_AlterDatabaseStmt:
			database = get_database_oid(((AlterDatabaseStmt *) statement)->dbname, true);
			break;

		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
				database = get_database_oid(((RenameStmt *) statement)->subname, true);
			break;

		case T_CreatedbStmt:
			database = template_of((CreatedbStmt *) statement);
			if (OidIsValid(database))
				clear_database(database);
			return;

		case T_DropStmt:
		case T_AlterExtensionStmt:
		case T_DropOwnedStmt:
			if (IsA(statement, DropStmt) && !is_our_extension((DropStmt *) statement))
				return;
			if (IsA(statement, AlterExtensionStmt) &&
				strcmp(((AlterExtensionStmt *) statement)->extname, "cqrs") != 0)
				return;
			extension = get_extension_oid("cqrs", true);
			if (OidIsValid(extension) && cqrs_owns_extension(extension, GetUserId()))
				clear_database(MyDatabaseId);
			return;

		default:
			return;
	}
	if (OidIsValid(database) && database != MyDatabaseId && may_change(database))
		clear_database(database);
}

static AfterStatement
what_comes_after(Node *statement)
{
	TransactionStmtKind kind;

	switch (nodeTag(statement))
	{
		case T_TransactionStmt:
			kind = ((TransactionStmt *) statement)->kind;
			if (kind == TRANS_STMT_COMMIT_PREPARED || kind == TRANS_STMT_ROLLBACK_PREPARED)
				return AFTER_END_PREPARED;
			return AFTER_NOTHING;

		case T_DropdbStmt:
		case T_AlterDatabaseStmt:
		case T_CreatedbStmt:
			return AFTER_LIST_NEW;

		case T_AlterExtensionStmt:
			return strcmp(((AlterExtensionStmt *) statement)->extname, "cqrs") == 0 ?
				AFTER_SCAN : AFTER_NOTHING;

		case T_DropOwnedStmt:
			return AFTER_SCAN;

		case T_DropStmt:
			return is_our_extension((DropStmt *) statement) ? AFTER_SCAN : AFTER_NOTHING;

		default:
			return changes_roles(statement) ? AFTER_LIST_ALL : AFTER_NOTHING;
	}
}

/*
 * Ends our processes in a database, and keeps others from coming up until the
 * end of the transaction.
 */
static void
clear_database(Oid database)
{
	static uint32 wait_event = 0;
	CqrsBoard  *board = cqrs_board();
	bool		force = false;
	TimestampTz end = TimestampTzPlusMilliseconds(cqrs_clock(), LEAVE_MS);

	if (wait_event == 0)
		wait_event = cqrs_wait_event("CqrsWorkersLeave");
	cqrs_wakeup_unblock();
	if (!cqrs_board_block(database))
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("cannot keep workers out of database \"%s\"", get_database_name(database)),
				 errdetail("They are kept out of at most %d databases at a time.", CQRS_MAX_BLOCKS)));

	ConditionVariablePrepareToSleep(&board->left);
	while (cqrs_board_send_away(database, force) > 0 && cqrs_clock() < end)
		force = ConditionVariableTimedSleep(&board->left, 100, wait_event);
	ConditionVariableCancelSleep();
}

/*
 * Is it worth the trouble?  The command itself checks for good.
 */
static bool
may_change(Oid database)
{
	return cqrs_owns_database(database, GetUserId());
}

/*
 * PostgreSQL's own function for this is not exported by all minor versions.
 */
static bool
may_create_databases(void)
{
	bool		may = superuser();
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));

	if (HeapTupleIsValid(tuple))
	{
		may |= ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
		ReleaseSysCache(tuple);
	}
	return may;
}

/*
 * The database to be copied, if the user may do that.  It may be the one he is
 * connected to.
 */
static Oid
template_of(CreatedbStmt *statement)
{
	const char *name = "template1";
	ListCell   *lc;
	Oid			database;
	HeapTuple	tuple;
	bool		is_template = false;

	foreach(lc, statement->options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "template") == 0 && option->arg)
			name = defGetString(option);
	}
	database = get_database_oid(name, true);
	if (!OidIsValid(database) || !may_create_databases())
		return InvalidOid;

	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	if (HeapTupleIsValid(tuple))
	{
		is_template = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
		ReleaseSysCache(tuple);
	}
	return is_template || may_change(database) ? database : InvalidOid;
}

static bool
is_our_extension(DropStmt *statement)
{
	ListCell   *lc;

	if (statement->removeType != OBJECT_EXTENSION)
		return false;
	foreach(lc, statement->objects)
		if (strcmp(strVal(lfirst(lc)), "cqrs") == 0)
			return true;
	return false;
}

/*
 * Statements after which a worker may be able to connect, or not any more.
 */
static bool
changes_roles(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_AlterRoleStmt:
		case T_AlterRoleSetStmt:
		case T_CreateRoleStmt:
		case T_DropRoleStmt:
		case T_GrantRoleStmt:
			return true;

		case T_GrantStmt:
			return ((GrantStmt *) statement)->objtype == OBJECT_DATABASE;

		case T_RenameStmt:
			return ((RenameStmt *) statement)->renameType == OBJECT_ROLE ||
				((RenameStmt *) statement)->renameType == OBJECT_DATABASE;

		default:
			return false;
	}
}
