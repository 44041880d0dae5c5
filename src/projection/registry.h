/*-------------------------------------------------------------------------
 *
 * registry.h
 *		Which projections there are: rows of cqrs.projection.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/registry.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_PROJECTION_REGISTRY_H
#define CQRS_PROJECTION_REGISTRY_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"

/* the name has to leave room for "$" and the number of a build */
#define CQRS_MAX_PROJECTION_NAME	(NAMEDATALEN - 1 - 11)

typedef enum CqrsProjectionState
{
	CQRS_PROJECTION_DRAFT,		/* never started; next: RUNNING */
	CQRS_PROJECTION_RUNNING,	/* events are applied; next: PAUSED, STOPPED */
	CQRS_PROJECTION_PAUSED,		/* its owner wants it so; next: RUNNING */
	CQRS_PROJECTION_STOPPED		/* an error has stopped it; next: RUNNING, PAUSED */
} CqrsProjectionState;

typedef enum CqrsOnError
{
	CQRS_ON_ERROR_PARK,
	CQRS_ON_ERROR_SKIP,
	CQRS_ON_ERROR_STOP
} CqrsOnError;

/*
 * A row of cqrs.projection, as it was when it was read.
 */
typedef struct CqrsProjection
{
	char	   *name;
	char	   *owner;			/* name of a role */
	char	   *read_schema;
	CqrsOnError on_error;
	bool		is_inline;
	CqrsProjectionState state;
	int32		live_build;		/* 0: none */
	int32		next_build;		/* 0: none */
	int32		follower;		/* it is complete, and kept so; 0: none */
	Interval   *keep_previous;	/* how long a build is kept that has been replaced */
	char	   *last_error;		/* may be NULL */
} CqrsProjection;

extern CqrsProjection *cqrs_projection_find(const char *name);
extern CqrsProjection *cqrs_projection_find_near(const char *name, ItemPointer hint);
extern CqrsProjection *cqrs_projection_get(const char *name);
extern CqrsProjection *cqrs_projection_lock(const char *name);
extern CqrsProjection *cqrs_projection_lock_own(const char *name);
extern CqrsProjection *cqrs_projection_get_own(const char *name);
extern void cqrs_projection_require_started(const CqrsProjection *projection);
extern void cqrs_projection_require_no_rebuild(const CqrsProjection *projection);
extern Oid	cqrs_projection_role(const CqrsProjection *projection);
extern bool cqrs_projection_is_mine(const CqrsProjection *projection);
extern List *cqrs_projection_list(void);
extern List *cqrs_projection_running_async(void);
extern List *cqrs_projection_to_catch_up(void);
extern void cqrs_projection_write(const CqrsProjection *projection);
extern void cqrs_projection_set_state(const CqrsProjection *projection,
									  CqrsProjectionState state);
extern void cqrs_projection_set_error(const char *name, const char *error);
extern void cqrs_projection_warn_at_rest(const CqrsProjection *projection);
extern bool cqrs_projection_parse_on_error(const char *text, CqrsOnError *on_error);

#endif							/* CQRS_PROJECTION_REGISTRY_H */
