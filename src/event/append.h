/*-------------------------------------------------------------------------
 *
 * append.h
 *		Appending events to a stream.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/append.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_APPEND_H
#define CQRS_APPEND_H

#include "utils/jsonb.h"

/*
 * Events to append to one stream, in order.
 */
typedef struct CqrsAppend
{
	text	   *stream;
	int			count;
	Datum	   *types;			/* text */
	Datum	   *data;			/* jsonb */
	Jsonb	   *metadata;		/* an object that goes into each event, or NULL */
	const int64 *expected;		/* version the stream must be at, or NULL */
} CqrsAppend;

extern int64 cqrs_append_events(const CqrsAppend *append);
extern uint64 cqrs_append_count(void);

#endif							/* CQRS_APPEND_H */
