/*-------------------------------------------------------------------------
 *
 * build.h
 *		Builds that are in use, as this session knows them, with their engines.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/build.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_BUILD_H
#define CQRS_BUILD_H

#include "storage/itemptr.h"

#include "projection/engine.h"
#include "projection/registry.h"

/*
 * Owned by the cache.  Valid until the next cqrs_build_get() for the same
 * build, and for as long as it is busy.
 */
typedef struct CqrsBuild
{
	char		name[NAMEDATALEN];	/* of its schema and its cursor; hash key */
	char		projection[NAMEDATALEN];
	int32		number;
	Oid			schema;
	Oid			role;			/* what its rules run as */
	CqrsEngine *engine;			/* NULL: to be made */
	List	   *constraints;	/* names of deferrable constraints */
	bool		stale;			/* have its rules changed? */
	bool		constraints_stale;
	bool		busy;			/* are events being applied to it? */
	bool		dirty;			/* has an error left something in the engine? */
	ItemPointerData cursor_place;	/* hint: where its cursor's row was */
	ItemPointerData projection_place;	/* and that of its projection */
	MemoryContext context;
} CqrsBuild;

/*
 * Applies events to a build, calling cqrs_engine_apply() for each.
 */
typedef void (*CqrsFeed) (CqrsBuild *build, void *arg);

extern void cqrs_build_init(void);
extern bool cqrs_build_lock(const char *projection, int32 number);
extern CqrsProjection *cqrs_build_lock_live(const char *name, int32 number);
extern CqrsBuild *cqrs_build_get(const CqrsProjection *projection, int32 number);
extern void cqrs_build_apply(CqrsBuild *build, CqrsFeed feed, void *arg);
extern void cqrs_build_clean(CqrsBuild *build);
extern void cqrs_build_require_idle(const char *projection);

#endif							/* CQRS_BUILD_H */
