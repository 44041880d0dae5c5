/*-------------------------------------------------------------------------
 *
 * recent.h
 *		Events that were just read, kept for the next reader of the same part of the log.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/recent.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_RECENT_H
#define CQRS_RECENT_H

#include "executor/tuptable.h"

#include "event/cursor.h"

/* values that have been taken out of an event; see cqrs_recent_value() */
#define CQRS_RECENT_VALUES	8

typedef enum CqrsRecentState
{
	CQRS_RECENT_UNKNOWN,		/* nobody has asked yet */
	CQRS_RECENT_KNOWN,
	CQRS_RECENT_NULL
} CqrsRecentState;

typedef struct CqrsRecentValue
{
	Datum		value;
	CqrsRecentState state;
} CqrsRecentValue;

/* who reads and who is read from; embedded in a reader */
typedef struct CqrsRecentUse
{
	bool		reads;			/* what was kept */
	bool		writes;			/* keeps what it reads */
	int			next;			/* number of the next event to be read */
} CqrsRecentUse;

extern void cqrs_recent_keep(bool keep);
extern bool cqrs_recent_target(const CqrsCursor *cursor, CqrsMoment *target);
extern void cqrs_recent_begin(CqrsRecentUse *use, const CqrsCursor *cursor, int64 after_position);
extern void cqrs_recent_end(CqrsRecentUse *use);
extern TupleTableSlot *cqrs_recent_next(CqrsRecentUse *use, int64 *position);
extern bool cqrs_recent_complete(const CqrsRecentUse *use, int64 *position);
extern TupleTableSlot *cqrs_recent_add(CqrsRecentUse *use, TupleTableSlot *slot, int64 position);
extern void cqrs_recent_set_complete(CqrsRecentUse *use);

extern int	cqrs_recent_value_id(const char *name, int length, Oid type);
extern CqrsRecentValue *cqrs_recent_value(TupleTableSlot *slot, int id);
extern Datum cqrs_recent_copy(Datum value);

#endif							/* CQRS_RECENT_H */
