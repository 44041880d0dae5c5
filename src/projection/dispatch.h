/*-------------------------------------------------------------------------
 *
 * dispatch.h
 *		From the type of an event to the rules that apply to it.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/dispatch.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_DISPATCH_H
#define CQRS_DISPATCH_H

#include "projection/rule.h"

/* the rules of one event type, in order */
typedef struct CqrsRuleSet
{
	const char *type;
	int			length;
	int			count;
	CqrsRule  **rules;
} CqrsRuleSet;

typedef struct CqrsDispatch CqrsDispatch;

extern CqrsDispatch *cqrs_dispatch_create(List *rules);
extern CqrsRuleSet *cqrs_dispatch_find(CqrsDispatch *dispatch, const char *type, int length);

#endif							/* CQRS_DISPATCH_H */
