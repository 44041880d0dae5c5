/*-------------------------------------------------------------------------
 *
 * tail.h
 *		The end of a stream: found, and held against others who append.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/tail.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_TAIL_H
#define CQRS_TAIL_H

#include "base/table.h"

typedef struct CqrsTail
{
	text	   *stream;
	uint64		hash;			/* of its name */
	int64		version;		/* of the last event, 0 when there is none */
	bool		locked;			/* do we hold the lock on the stream's name? */
} CqrsTail;

extern void cqrs_tail_take(CqrsTail *tail, CqrsTable *events, text *stream,
						   const int64 *expected);
extern void cqrs_tail_moved(CqrsTail *tail, CqrsTable *events, int64 version, ItemPointer place);
extern int64 cqrs_tail_version(CqrsTable *events, text *stream, const int64 *expected);

#endif							/* CQRS_TAIL_H */
