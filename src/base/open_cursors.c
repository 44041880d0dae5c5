/*-------------------------------------------------------------------------
 *
 * open_cursors.c
 *		Cursors that were open when a fence was put up.
 *
 * NOTES
 *		Cursors belong to the session, and whoever knows a name can use the
 *		cursor.  Code inside a fence could fetch what its role may not read,
 *		or put a cursor of its own in the place of one that is fetched from
 *		afterwards, as somebody else.  So what has been open before is
 *		guarded until the fence ends:
 *
 *		- it is closed: the callback of its memory counts it;
 *		- it is fetched from or moved: that writes down the subtransaction in
 *		  "activeSubid", where we have left none.  Without one the end of a
 *		  subtransaction passes a suspended cursor over, as it would anyway.
 *
 *		Either is an error at the end of the fence, whoever has swallowed what
 *		came of it inside.  A cursor that has been moved fails for good: rows
 *		would be missing for whoever catches the error and goes on.  What has been
 *		opened inside is closed.
 *
 *		The server lets nobody walk through its table of cursors.  Their memory
 *		contexts have a parent in common, though, and say their names.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/open_cursors.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "miscadmin.h"
#include "nodes/memnodes.h"
#include "utils/memutils.h"
#include "utils/portal.h"

#include "base/compat.h"
#include "base/open_cursors.h"

/* a cursor that cannot be touched, as it is running */
#define UNGUARDED INT_MAX

/*
 * A cursor that was open at the beginning of some fence; lives in its memory.
 */
typedef struct OpenCursor
{
	dlist_node	node;
	Portal		portal;
	int			depth;			/* of the outermost fence that guards it */
	MemoryContextCallback gone;
} OpenCursor;

static dlist_head known = DLIST_STATIC_INIT(known);
static int	current_depth = 0;
static uint64 touched = 0;

static Portal left_open(int depth);
static Portal next_ready(MemoryContext *context);
static MemoryContext portals(void);
static OpenCursor *find(Portal portal);
static void know(Portal portal);
static bool fail_if_moved(OpenCursor *cursor);
static void forget(void *cursor);

/*
 * From here on the cursors that are open are guarded.
 */
void
cqrs_open_cursors_guard(CqrsOpenCursors *cursors, int depth)
{
	MemoryContext context = portals()->firstchild;
	Portal		portal;
	dlist_iter	iter;

	while ((portal = next_ready(&context)) != NULL)
		if (find(portal) == NULL)
			know(portal);

	dlist_foreach(iter, &known)
	{
		OpenCursor *cursor = dlist_container(OpenCursor, node, iter.cur);

		if (cursor->depth < depth)
		{
			/* guarded already; before its trace is lost */
			if (fail_if_moved(cursor))
				touched++;
		}
		else
			cursor->depth = cursor->portal->status == PORTAL_READY ? depth : UNGUARDED;
		if (cursor->depth != UNGUARDED)
			cursor->portal->activeSubid = InvalidSubTransactionId;
	}
	cursors->depth = depth;
	cursors->touched = touched;
	current_depth = depth;
}

/*
 * Up to here.  What has been opened since is closed.
 */
void
cqrs_open_cursors_release(const CqrsOpenCursors *cursors, Oid role)
{
	bool		untouched = (touched == cursors->touched);
	Portal		portal;
	dlist_iter	iter;

	dlist_foreach(iter, &known)
	{
		OpenCursor *cursor = dlist_container(OpenCursor, node, iter.cur);

		if (cursor->depth <= cursors->depth && fail_if_moved(cursor))
			untouched = false;
	}
	if (!untouched)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_CURSOR_STATE),
				 errmsg("code of role \"%s\" must not use a cursor that was opened outside of it",
						GetUserNameFromId(role, false))));

	/* to close one may close others */
	while ((portal = left_open(cursors->depth)) != NULL)
		PortalDrop(portal, false);
	current_depth = cursors->depth - 1;
}

/*
 * Fences were taken down by an error; so many are left.
 */
void
cqrs_open_cursors_abandon(int depth)
{
	dlist_iter	iter;

	dlist_foreach(iter, &known)
	{
		OpenCursor *cursor = dlist_container(OpenCursor, node, iter.cur);

		if (cursor->depth > depth && cursor->depth <= current_depth)
			(void) fail_if_moved(cursor);
	}
	current_depth = depth;
}

/*
 * A cursor that was opened after the fence of this depth had been put up, if there
 * is one.
 */
static Portal
left_open(int depth)
{
	MemoryContext context = portals()->firstchild;
	Portal		portal;

	while ((portal = next_ready(&context)) != NULL)
	{
		OpenCursor *cursor = find(portal);

		if ((cursor == NULL || cursor->depth > depth) && !portal->portalPinned)
			return portal;
	}
	return NULL;
}

/*
 * The first cursor that can be fetched from, from the memory context on, which is
 * set to the one after it.
 */
static Portal
next_ready(MemoryContext *context)
{
	while (*context)
	{
		MemoryContext this = *context;
		Portal		portal = this->ident ? GetPortalByName(this->ident) : NULL;

		/* that of the protocol, which has no name, is called something else */
		if (!PortalIsValid(portal) || portal->portalContext != this)
			portal = GetPortalByName("");
		*context = this->nextchild;
		if (PortalIsValid(portal) && portal->portalContext == this &&
			portal->status == PORTAL_READY)
			return portal;
	}
	return NULL;
}

/*
 * The parent of the memory contexts of all cursors.
 */
static MemoryContext
portals(void)
{
	static MemoryContext result = NULL;

	if (result == NULL)
	{
		MemoryContext context = TopMemoryContext->firstchild;

		while (context && strcmp(context->name, "TopPortalContext") != 0)
			context = context->nextchild;
		if (context == NULL)
			elog(ERROR, "could not find the memory of cursors");
		result = context;
	}
	return result;
}

/*
 * What we know of a cursor hangs on its memory; to look through all that we know
 * would cost the square of how many are open.
 */
static OpenCursor *
find(Portal portal)
{
	MemoryContextCallback *callback = portal->portalContext->reset_cbs;

	while (callback && callback->func != forget)
		callback = callback->next;
	return callback ? callback->arg : NULL;
}

static void
know(Portal portal)
{
	OpenCursor *cursor = MemoryContextAlloc(portal->portalContext, sizeof(OpenCursor));

	cursor->portal = portal;
	cursor->depth = UNGUARDED;
	dlist_push_tail(&known, &cursor->node);
	cursor->gone.func = forget;
	cursor->gone.arg = cursor;
	MemoryContextRegisterResetCallback(portal->portalContext, &cursor->gone);
}

static bool
fail_if_moved(OpenCursor *cursor)
{
	Portal		portal = cursor->portal;

	if (portal->activeSubid == InvalidSubTransactionId)
		return false;
	if (portal->status == PORTAL_READY)
		MarkPortalFailed(portal);
	return true;
}

/*
 * The cursor is closed.
 */
static void
forget(void *cursor)
{
	OpenCursor *closed = cursor;

	if (closed->depth <= current_depth)
		touched++;
	dlist_delete(&closed->node);
}
