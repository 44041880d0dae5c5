/*-------------------------------------------------------------------------
 *
 * cause.h
 *		What causes the events that are appended now.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/cause.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_CAUSE_H
#define CQRS_CAUSE_H

#include "utils/jsonb.h"
#include "utils/uuid.h"

/*
 * Set by the command bus around a handler; NULL outside of commands.
 */
typedef struct CqrsCause
{
	pg_uuid_t	command_id;
	Jsonb	   *metadata;		/* goes into every event, under the event's own; may be NULL */
	uint64		fence;			/* the detached fence that the command runs in, or 0 */
} CqrsCause;

extern const CqrsCause *cqrs_cause_get(void);
extern bool cqrs_cause_is_set(void);
extern const CqrsCause *cqrs_cause_set(const CqrsCause *cause);

#endif							/* CQRS_CAUSE_H */
