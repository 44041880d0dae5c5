/*-------------------------------------------------------------------------
 *
 * batch_events.h
 *		The relation "events" of a batch rule: kept in memory, scanned by its statement.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/batch_events.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_BATCH_EVENTS_H
#define CQRS_BATCH_EVENTS_H

#include "nodes/bitmapset.h"
#include "utils/queryenvironment.h"

#include "event/log.h"
#include "projection/arena.h"

#define CQRS_BATCH_EVENTS		"events"
#define CQRS_EVENTS_STREAM_ID	(EVENT_NATTS + 1)
#define CQRS_EVENTS_NATTS		CQRS_EVENTS_STREAM_ID

/*
 * The statement finds it by name in its query environment.  Of an event, the
 * columns in "used" are kept, in order; the others read as null.
 */
typedef struct CqrsBatchEvents
{
	EphemeralNamedRelationData relation;	/* first, so that it can be found; its data is this */
	Bitmapset  *used;
	int			nused;
	int			places[CQRS_EVENTS_NATTS + 1];	/* of a column in an event, or -1 */
	CqrsArena	arena;			/* holds the events */
	NullableDatum **events;
	int			count;
	int			allocated;

	struct CqrsEngine *engine;	/* of the rule */
} CqrsBatchEvents;

/* batch_scan.c */
extern void cqrs_batch_scan_init(void);
extern QueryEnvironment *cqrs_batch_scan_plan(QueryEnvironment *environment);

#endif							/* CQRS_BATCH_EVENTS_H */
