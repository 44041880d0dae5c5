/*-------------------------------------------------------------------------
 *
 * processed.h
 *		Has a reader of the log got past what a token names?
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/processed.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_PROCESSED_H
#define CQRS_PROCESSED_H

#include "event/token.h"

typedef enum CqrsTokenState
{
	CQRS_TOKEN_OPEN,			/* running or prepared, or not replayed yet; next: the others */
	CQRS_TOKEN_EVENTS,			/* ended, and there are events of it */
	CQRS_TOKEN_NOTHING,			/* ended, and there is nothing to wait for */
	CQRS_TOKEN_UNKNOWN			/* no transaction of this log */
} CqrsTokenState;

extern CqrsTokenState cqrs_token_state(const CqrsToken *token);
extern bool cqrs_token_is_own(const CqrsToken *token);
extern bool cqrs_token_processed(const CqrsToken *token, const char *cursor, ItemPointer hint);

#endif							/* CQRS_PROCESSED_H */
