/*-------------------------------------------------------------------------
 *
 * identity.c
 *		Running as somebody else, and coming back.
 *
 * NOTES
 *		An ERROR in between needs no clean-up by callers: the end of the
 *		transaction or subtransaction sets the user back, and takes the fences
 *		down that were put up in it.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/identity.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/identity.h"
#include "base/open_cursors.h"
#include "base/table.h"

/*
 * A fence that is up, for what is asked about it.
 */
typedef struct Fence
{
	uint64		serial;			/* of all that were put up in this session */
	Oid			role;
	bool		detached;
	SubTransactionId subid;		/* in which it was put up */
	CqrsOpenCursors cursors;
} Fence;

/* outermost first */
static Fence *fences = NULL;
static int	n_fences = 0;
static int	max_fences = 0;
static uint64 last_serial = 0;

static char *fence_path(const char *schema);
static void push_fence(Oid role);
static void xact_ended(XactEvent event, void *arg);
static void subxact_ended(SubXactEvent event, SubTransactionId subid,
						  SubTransactionId parent, void *arg);

/*
 * Until cqrs_come_back(), code runs with the rights of the role, and cannot
 * leave it by SET ROLE or SET SESSION AUTHORIZATION.
 */
void
cqrs_become(Oid role, CqrsIdentity *before)
{
	GetUserIdAndSecContext(&before->user, &before->security_context);
	SetUserIdAndSecContext(role, before->security_context | SECURITY_LOCAL_USERID_CHANGE);
}

/*
 * For the extension's own statements on its own tables.  They leave nothing to
 * be done later, and should somebody else have got hold of our tables, neither
 * shall what he has put there.
 */
void
cqrs_become_owner(CqrsIdentity *before)
{
	GetUserIdAndSecContext(&before->user, &before->security_context);
	SetUserIdAndSecContext(cqrs_owner(), before->security_context |
						   SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
}

void
cqrs_come_back(const CqrsIdentity *before)
{
	SetUserIdAndSecContext(before->user, before->security_context);
}

/*
 * Until cqrs_fence_end(), code that a user wrote runs as the role, who has
 * answered for it, whoever we are:
 *
 * - the current user is the role, and SET ROLE and its kin are refused;
 * - it is a security-restricted operation: nothing can be left behind to run
 *   later as somebody else;
 * - names are looked up in the schema first, if given, then in pg_catalog;
 * - settings that the code changes go back to what they were;
 * - it leaves open cursors of others alone, or it is an error, and its own do not
 *   stay open.
 */
void
cqrs_fence_begin(Oid role, const char *schema, CqrsIdentity *before)
{
	char	   *search_path = fence_path(schema);

	GetUserIdAndSecContext(&before->user, &before->security_context);
	SetUserIdAndSecContext(role, before->security_context |
						   SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	before->guc_level = NewGUCNestLevel();
	if (strcmp(namespace_search_path, search_path) != 0)
		cqrs_set_local("search_path", search_path);
	pfree(search_path);
	before->depth = n_fences;
	push_fence(role);
}

/*
 * In a process that has no search_path of its own, between transactions: it gets that of
 * the fence that is to come, which then has nothing to set and to set back.  NULL: none is.
 * What runs outside of fences says where its names are, as it does in anybody's session.
 */
void
cqrs_fence_expect(const char *schema)
{
	char	   *search_path = schema ? fence_path(schema) : pstrdup("");

	if (strcmp(namespace_search_path, search_path) != 0)
		SetConfigOption("search_path", search_path, PGC_SUSET, PGC_S_OVERRIDE);
	pfree(search_path);
}

static char *
fence_path(const char *schema)
{
	return schema ? psprintf("%s, pg_catalog, pg_temp", quote_identifier(schema)) :
		pstrdup("pg_catalog, pg_temp");
}

/*
 * As "false" tells, also those settings are undone that were made to last.
 */
void
cqrs_fence_end(const CqrsIdentity *before)
{
	Fence		fence = fences[before->depth];

	cqrs_open_cursors_release(&fence.cursors, fence.role);
	n_fences = before->depth;
	AtEOXact_GUC(false, before->guc_level);
	SetUserIdAndSecContext(before->user, before->security_context);
}

/*
 * What happens inside the innermost fence is not caused by the command that is
 * running, and is not to know of it.
 */
void
cqrs_fence_detach(void)
{
	fences[n_fences - 1].detached = true;
}

/*
 * The innermost fence; 0 outside of all.
 */
uint64
cqrs_fence_current(void)
{
	return n_fences > 0 ? fences[n_fences - 1].serial : 0;
}

/*
 * The innermost fence that was detached; 0 outside of all such.
 */
uint64
cqrs_fence_detached(void)
{
	for (int i = n_fences - 1; i >= 0; i--)
		if (fences[i].detached)
			return fences[i].serial;
	return 0;
}

/*
 * In whose name is done what is done now?  That of who is connected, unless we run
 * code that somebody else answers for.  A parallel worker does not know of that: it
 * is not asked but by functions that claim to be safe and are not.
 */
Oid
cqrs_acting_role(void)
{
	if (IsParallelWorker())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("cannot tell who acts during a parallel operation"),
				 errhint("A function that calls cqrs_actor() must be PARALLEL RESTRICTED or PARALLEL UNSAFE.")));
	return n_fences > 0 ? fences[n_fences - 1].role : GetSessionUserId();
}

/*
 * Sets what is ours to set, whatever the role may, until the fence ends.  Saves
 * the trouble when it is so already.
 */
void
cqrs_set_local(const char *name, const char *value)
{
	const char *now = GetConfigOption(name, false, false);

	if (now == NULL || strcmp(now, value) != 0)
		(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
}

static void
push_fence(Oid role)
{
	if (max_fences == 0)
	{
		fences = MemoryContextAlloc(TopMemoryContext, 8 * sizeof(Fence));
		max_fences = 8;
		RegisterXactCallback(xact_ended, NULL);
		RegisterSubXactCallback(subxact_ended, NULL);
	}
	if (n_fences == max_fences)
	{
		fences = repalloc(fences, 2 * max_fences * sizeof(Fence));
		max_fences *= 2;
	}
	fences[n_fences].serial = ++last_serial;
	fences[n_fences].role = role;
	fences[n_fences].detached = false;
	fences[n_fences].subid = GetCurrentSubTransactionId();
	cqrs_open_cursors_guard(&fences[n_fences].cursors, n_fences + 1);
	n_fences++;
}

static void
xact_ended(XactEvent event, void *arg)
{
	n_fences = 0;
	cqrs_open_cursors_abandon(0);
}

/*
 * A subtransaction has a higher id than those that it is in.
 */
static void
subxact_ended(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	int			before = n_fences;

	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (n_fences > 0 && fences[n_fences - 1].subid >= subid)
		n_fences--;
	if (n_fences < before)
		cqrs_open_cursors_abandon(n_fences);
}
