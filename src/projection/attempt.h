/*-------------------------------------------------------------------------
 *
 * attempt.h
 *		Trying something in a subtransaction.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/attempt.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_ATTEMPT_H
#define CQRS_ATTEMPT_H

typedef void (*CqrsAttempt) (void *arg);

extern ErrorData *cqrs_attempt(CqrsAttempt function, void *arg);
extern ErrorData *cqrs_attempt_if(bool guarded, CqrsAttempt function, void *arg);
extern void cqrs_try_and_undo(CqrsAttempt function, void *arg);
extern ErrorData *cqrs_attempt_quietly(CqrsAttempt function, void *arg);
extern bool cqrs_error_is_passing(const ErrorData *error);
extern bool cqrs_error_is_no_events_fault(const ErrorData *error);

#endif							/* CQRS_ATTEMPT_H */
