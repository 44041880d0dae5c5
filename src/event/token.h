/*-------------------------------------------------------------------------
 *
 * token.h
 *		Tokens: names of transactions that appended events.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/token.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_TOKEN_H
#define CQRS_TOKEN_H

#include "access/transam.h"
#include "utils/array.h"

/*
 * What a token says.  As text it is "incarnation-timeline-xid".
 */
typedef struct CqrsToken
{
	int32		incarnation;
	uint32		timeline;
	FullTransactionId xid;
} CqrsToken;

/*
 * Waits until the named projections, or all when NULL, have processed what the
 * token names.  False at the timeout, which is in microseconds.  "call" is the node of
 * the plan by which SQL has called a function that needs no snapshot of its caller's
 * after the wait, or NULL.
 */
typedef bool (*CqrsWait) (const char *token, ArrayType *projections, int64 timeout,
						  const Node *call);

extern void cqrs_token_note(FullTransactionId xid);
extern char *cqrs_token_of_transaction(void);
extern char *cqrs_token_current(void);
extern void cqrs_token_read(const char *string, CqrsToken *token);

extern PGDLLEXPORT void cqrs_wait_register(CqrsWait function);
extern CqrsWait cqrs_wait_function(void);

#endif							/* CQRS_TOKEN_H */
