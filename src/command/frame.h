/*-------------------------------------------------------------------------
 *
 * frame.h
 *		The commands that are running in this session, innermost first.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/command/frame.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_FRAME_H
#define CQRS_FRAME_H

#include "event/cause.h"

/*
 * One command that is running.  Lives on the C stack of who runs it, between
 * push and pop.
 */
typedef struct CqrsFrame
{
	struct CqrsFrame *outer;
	int			depth;			/* 1 for the outermost */
	CqrsCause	cause;			/* id and merged metadata, for the events */
	bool		is_admitted;	/* is the command known, and may the caller send it? */
	Jsonb	   *payload;		/* NULL but while the handler runs */
	bool		is_restricted;	/* was the command sent by restricted code? */
	uint64		fence;			/* the innermost, where the command was sent; or 0 */
	pg_uuid_t	correlation_id;
	pg_uuid_t	causation_id;
	bool		has_causation;
	const CqrsCause *cause_before;
} CqrsFrame;

extern void cqrs_frame_init(CqrsFrame *frame, const pg_uuid_t *correlation_id,
							const pg_uuid_t *causation_id, Jsonb *metadata);
extern void cqrs_frame_push(CqrsFrame *frame);
extern void cqrs_frame_pop(CqrsFrame *frame);

#endif							/* CQRS_FRAME_H */
