/*-------------------------------------------------------------------------
 *
 * park.h
 *		Parked events: rows of cqrs.parked_event, and which streams wait behind one.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/park.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_PARK_H
#define CQRS_PARK_H

#include "executor/tuptable.h"

#include "projection/build.h"

/*
 * The parked streams of one build, as far as one batch asks for them.
 */
typedef struct CqrsParkedStreams CqrsParkedStreams;

extern CqrsParkedStreams *cqrs_parked_begin(CqrsBuild *build, bool look_up);
extern bool cqrs_parked_has(CqrsParkedStreams *parked, TupleTableSlot *event);
extern void cqrs_parked_add(CqrsParkedStreams *parked, TupleTableSlot *event);
extern void cqrs_parked_insert(CqrsBuild *build, TupleTableSlot *event,
							   const ErrorData *error, const char *rule);
extern void cqrs_parked_failed_again(CqrsBuild *build, TupleTableSlot *event,
									 const ErrorData *error, const char *rule);
extern void cqrs_parked_delete(CqrsBuild *build, TupleTableSlot *event);
extern bool cqrs_parked_list(CqrsBuild *build, text *stream, int64 after, int64 count,
							 List **positions);
extern char *cqrs_error_summary(TupleTableSlot *event, const ErrorData *error);

#endif							/* CQRS_PARK_H */
