/*-------------------------------------------------------------------------
 *
 * log.h
 *		The event table and its sequence: columns, ends, and drawing positions.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/log.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_LOG_H
#define CQRS_LOG_H

#include "access/transam.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* columns of cqrs.event */
typedef enum CqrsEventColumn
{
	EVENT_POSITION = 1,
	EVENT_XID,
	EVENT_STREAM,
	EVENT_CATEGORY,
	EVENT_VERSION,
	EVENT_TYPE,
	EVENT_SCHEMA_VERSION,
	EVENT_DATA,
	EVENT_METADATA,
	EVENT_COMMAND_ID,
	EVENT_RECORDED_AT
} CqrsEventColumn;

#define EVENT_NATTS EVENT_RECORDED_AT

/* indexes of cqrs.event */
#define EVENT_POSITION_INDEX	"event_pkey"
#define EVENT_XID_INDEX			"event_xid_position_idx"
#define EVENT_STREAM_INDEX		"event_stream_version_idx"

extern Relation cqrs_log_open_index(const char *name);
extern Oid	cqrs_log_sequence(void);
extern int64 cqrs_log_draw(Oid sequence);
extern int64 cqrs_log_last_drawn(void);
extern int64 cqrs_log_last_position(Relation event, Snapshot snapshot, FullTransactionId *xid);
extern void cqrs_log_advance(int64 position);

#endif							/* CQRS_LOG_H */
