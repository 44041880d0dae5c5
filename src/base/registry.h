/*-------------------------------------------------------------------------
 *
 * registry.h
 *		Registries of handlers: what commands and queries have in common.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/registry.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_REGISTRY_H
#define CQRS_REGISTRY_H

#include "fmgr.h"
#include "utils/hsearch.h"

#include "base/handler.h"
#include "base/plans.h"

/*
 * A table of handlers.  Its first columns are those of registry.c; a table may
 * have more.
 */
typedef struct CqrsRegistry
{
	const char *table;			/* in schema cqrs */
	const char *what;			/* "command", for messages */
	const char *plural;			/* "commands" */
	CqrsPlanId	insert;
	CqrsPlanId	delete;

	/* what makes a function's result unfit for a handler, as in "returns ..."; or NULL */
	const char *(*unfit_result) (HeapTuple proc);

	/* what this session has looked up */
	HTAB	   *cache;
	Oid			table_oid;
} CqrsRegistry;

#define CQRS_REGISTERED_PLANS 2

/*
 * One that was looked up.  Good from pin to unpin, whatever is dropped in the
 * meantime.
 */
typedef struct CqrsRegistered
{
	MemoryContext context;		/* holds all of it */
	int			pins;
	bool		is_stale;		/* not in the cache any more */
	bool		is_busy;		/* "function" is being executed */

	Oid			function_oid;
	Oid			argument;		/* jsonb, a composite type, or InvalidOid */
	Oid			result;
	FmgrInfo	function;
	FmgrInfo	output;			/* of scalar results */

	/* statements of upper layers that call it; freed with it */
	struct _SPI_plan *plans[CQRS_REGISTERED_PLANS];
} CqrsRegistered;

extern void cqrs_registry_init(CqrsRegistry *registry);
extern void cqrs_registry_add(CqrsRegistry *registry, text *name, const CqrsHandlerName *handler,
							  Datum description, bool description_isnull);
extern void cqrs_registry_drop(CqrsRegistry *registry, text *name);
extern CqrsRegistered *cqrs_registry_pin(CqrsRegistry *registry, const text *name);
extern void cqrs_registry_unpin(CqrsRegistered *registered);
extern char *cqrs_registry_owner(const char *what, const char *name);
extern bool cqrs_registered_call(CqrsRegistered *registered, Datum argument, Datum *result);

#endif							/* CQRS_REGISTRY_H */
