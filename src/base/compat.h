/*-------------------------------------------------------------------------
 *
 * compat.h
 *		Gives older servers the names of newer ones.
 *
 * This is the only file that looks at PG_VERSION_NUM.  Where a core function
 * changed its arguments we wrap it under a name of our own; we never redefine
 * a core name.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/compat.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_COMPAT_H
#define CQRS_COMPAT_H

#include "access/genam.h"
#include "access/tableam.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/relcache.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#include "varatt.h"
#endif
#include "utils/guc.h"
#include "utils/guc_tables.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "cqrs supports PostgreSQL 15, 16, 17 and 18"
#endif

/* 16 taught input functions to save an error instead of raising it. */
#define CQRS_HAVE_SOFT_ERRORS (PG_VERSION_NUM >= 160000)

/* 17 gave it another name, with its type. */
#if PG_VERSION_NUM < 170000
#define GetSearchPathMatcher(context) GetOverrideSearchPath(context)
#endif

/* 18 made the attribute a prefix. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

/* 18 added the instrumentation argument. */
static inline IndexScanDesc
cqrs_index_beginscan(Relation heap, Relation index, Snapshot snapshot, int nkeys)
{
#if PG_VERSION_NUM >= 180000
	return index_beginscan(heap, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(heap, index, snapshot, nkeys, 0);
#endif
}

/* 18 added the question whether a deferrable key will do. */
static inline Oid
cqrs_primary_key(Relation rel)
{
#if PG_VERSION_NUM >= 180000
	return RelationGetPrimaryKeyIndex(rel, false);
#else
	return RelationGetPrimaryKeyIndex(rel);
#endif
}

/* 16 gave the function another name. */
#if PG_VERSION_NUM >= 160000
#define cqrs_local_backend(index) pgstat_get_local_beentry_by_index(index)
#else
#define cqrs_local_backend(index) pgstat_fetch_stat_local_beentry(index)
#endif

/* 17 numbers processes instead of backends. */
#if PG_VERSION_NUM >= 170000
#define CQRS_VXID_BACKEND(vxid) ((vxid).procNumber)
#else
#define CQRS_VXID_BACKEND(vxid) ((vxid).backendId)
#endif

/* 17 made one field of two. */
static inline VirtualTransactionId
cqrs_lock_holder(const LockInstanceData *lock)
{
#if PG_VERSION_NUM >= 170000
	return lock->vxid;
#else
	VirtualTransactionId vxid = {lock->backend, lock->lxid};

	return vxid;
#endif
}

/* Which indexes need an entry for a new version of a row? */
typedef enum CqrsUpdateIndexes
{
	CQRS_UPDATE_NONE,
	CQRS_UPDATE_SUMMARIZING,	/* those of block ranges: they do not know of rows */
	CQRS_UPDATE_ALL
} CqrsUpdateIndexes;

/* 16 made the answer an enum and 15 had a bool. */
static inline TM_Result
cqrs_table_tuple_update(Relation rel, ItemPointer tid, TupleTableSlot *slot,
						CommandId cid, Snapshot snapshot, TM_FailureData *tmfd,
						LockTupleMode *lockmode, CqrsUpdateIndexes *update_indexes)
{
#if PG_VERSION_NUM >= 160000
	TU_UpdateIndexes which;
	TM_Result	result;

	result = table_tuple_update(rel, tid, slot, cid, snapshot, InvalidSnapshot,
								true, tmfd, lockmode, &which);
	*update_indexes = which == TU_None ? CQRS_UPDATE_NONE :
		which == TU_Summarizing ? CQRS_UPDATE_SUMMARIZING : CQRS_UPDATE_ALL;
	return result;
#else
	bool		all;
	TM_Result	result;

	result = table_tuple_update(rel, tid, slot, cid, snapshot, InvalidSnapshot,
								true, tmfd, lockmode, &all);
	*update_indexes = all ? CQRS_UPDATE_ALL : CQRS_UPDATE_NONE;
	return result;
#endif
}

static inline bool
cqrs_index_is_summarizing(const IndexInfo *info)
{
#if PG_VERSION_NUM >= 160000
	return info->ii_Summarizing;
#else
	return false;
#endif
}

/* 16 added onlySummarizing; our own tables have no such indexes. */
static inline List *
cqrs_exec_insert_index_tuples(ResultRelInfo *rri, TupleTableSlot *slot, EState *estate,
							  bool update, bool no_dup_err, bool *spec_conflict,
							  List *arbiters)
{
#if PG_VERSION_NUM >= 160000
	return ExecInsertIndexTuples(rri, slot, estate, update, no_dup_err,
								 spec_conflict, arbiters, false);
#else
	return ExecInsertIndexTuples(rri, slot, estate, update, no_dup_err,
								 spec_conflict, arbiters);
#endif
}

/* 16 replaced the checks for each kind of object by one. */
static inline void
cqrs_require_type_usage(Oid type)
{
#if PG_VERSION_NUM >= 160000
	AclResult	result = object_aclcheck(TypeRelationId, type, GetUserId(), ACL_USAGE);
#else
	AclResult	result = pg_type_aclcheck(type, GetUserId(), ACL_USAGE);
#endif

	if (result != ACLCHECK_OK)
		aclcheck_error_type(result, type);
}

static inline bool
cqrs_may_execute(Oid function, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE) == ACLCHECK_OK;
#else
	return pg_proc_aclcheck(function, role, ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

/* The same, and complains. */
static inline void
cqrs_require_function_execute(Oid function)
{
	if (!cqrs_may_execute(function, GetUserId()))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, get_func_name(function));
}

static inline bool
cqrs_may_use_schema(Oid schema)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(NamespaceRelationId, schema, GetUserId(), ACL_USAGE) == ACLCHECK_OK;
#else
	return pg_namespace_aclcheck(schema, GetUserId(), ACL_USAGE) == ACLCHECK_OK;
#endif
}

/* The same for creating something in a schema, and complains. */
static inline void
cqrs_require_schema_create(Oid schema, const char *name)
{
#if PG_VERSION_NUM >= 160000
	AclResult	result = object_aclcheck(NamespaceRelationId, schema, GetUserId(), ACL_CREATE);
#else
	AclResult	result = pg_namespace_aclcheck(schema, GetUserId(), ACL_CREATE);
#endif

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_SCHEMA, name);
}

/* 16 moved what is to be checked out of the range table. */
static inline void
cqrs_check_permissions(Query *query)
{
#if PG_VERSION_NUM >= 160000
	ExecCheckPermissions(query->rtable, query->rteperminfos, true);
#else
	ExecCheckRTPerms(query->rtable, true);
#endif
}

/* 18 dropped the promise that there is one run only. */
static inline void
cqrs_executor_run(QueryDesc *desc)
{
#if PG_VERSION_NUM >= 180000
	ExecutorRun(desc, ForwardScanDirection, 0);
#else
	ExecutorRun(desc, ForwardScanDirection, 0, true);
#endif
}

/* 16 replaced the checks for each kind of object by one. */
static inline bool
cqrs_owns_database(Oid database, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(DatabaseRelationId, database, role);
#else
	return pg_database_ownercheck(database, role);
#endif
}

static inline bool
cqrs_owns_extension(Oid extension, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(ExtensionRelationId, extension, role);
#else
	return pg_extension_ownercheck(extension, role);
#endif
}

/* 16 finds a setting by its name; NULL when there is none. */
static inline struct config_generic *
cqrs_find_option(const char *name)
{
#if PG_VERSION_NUM >= 160000
	return find_option(name, false, true, ERROR);
#else
	for (int i = 0; i < GetNumConfigOptions(); i++)
		if (strcmp(get_guc_variables()[i]->name, name) == 0)
			return get_guc_variables()[i];
	return NULL;
#endif
}

/*
 * 16 refuses to reset transaction_read_only.  Older ones reset it without any
 * of the checks that SET makes, so this says to what, and gives what it was.
 */
static inline bool
cqrs_exchange_read_only_reset(bool value)
{
#if PG_VERSION_NUM < 160000
	static struct config_bool *variable = NULL;
	bool		before;

	if (variable == NULL)
		variable = (struct config_bool *) cqrs_find_option("transaction_read_only");
	before = variable->reset_val;
	variable->reset_val = value;
	return before;
#else
	return value;
#endif
}

/* 17 can connect a worker as a role that may not log in. */
#if PG_VERSION_NUM >= 170000
#define CQRS_BYPASS_ROLELOGINCHECK BGWORKER_BYPASS_ROLELOGINCHECK
#else
#define CQRS_BYPASS_ROLELOGINCHECK 0
#endif

/* 17 gives extensions wait events of their own. */
static inline uint32
cqrs_wait_event(const char *name)
{
#if PG_VERSION_NUM >= 170000
	return WaitEventExtensionNew(name);
#else
	return PG_WAIT_EXTENSION;
#endif
}

/* 17 has query functions of SQL/JSON, which make values of any type. */
#if PG_VERSION_NUM >= 170000
#define cqrs_is_json_expr(node) IsA(node, JsonExpr)
#else
#define cqrs_is_json_expr(node) false
#endif

#endif							/* CQRS_COMPAT_H */
