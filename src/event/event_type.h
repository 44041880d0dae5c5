/*-------------------------------------------------------------------------
 *
 * event_type.h
 *		Registered event types.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/event_type.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_EVENT_TYPE_H
#define CQRS_EVENT_TYPE_H

/*
 * What is registered of an event type.  Owned by the cache, and valid until
 * the next invalidation: copy what is to last.
 */
typedef struct CqrsEventType
{
	Oid			payload;		/* composite type, or InvalidOid when untyped */
	Oid			owner;			/* who registered it; InvalidOid: gone, or nobody */
	int32		schema_version;
} CqrsEventType;

extern void cqrs_event_type_init(void);
extern CqrsEventType cqrs_event_type_get(const text *name);

#endif							/* CQRS_EVENT_TYPE_H */
