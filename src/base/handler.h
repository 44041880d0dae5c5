/*-------------------------------------------------------------------------
 *
 * handler.h
 *		Functions of users that we call: checked, stored by name, found again.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/handler.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_HANDLER_H
#define CQRS_HANDLER_H

#include "access/htup.h"

/*
 * How a handler is stored: by name, so that a dump restores it, and with its
 * owner, so that nobody else can put a function in its place.
 */
typedef struct CqrsHandlerName
{
	char	   *schema;
	char	   *name;
	char	   *argument;		/* its type, qualified, or NULL when there is none */
	char	   *owner;
} CqrsHandlerName;

extern HeapTuple cqrs_handler_check(Oid function, const char *what, const char *name);
extern Oid	cqrs_handler_argument(HeapTuple proc, const char *what, const char *name);
extern void cqrs_handler_describe(HeapTuple proc, Oid argument, CqrsHandlerName *result);
extern void cqrs_handler_notice_public(HeapTuple proc);
extern Oid	cqrs_handler_find(const CqrsHandlerName *handler, const char *what,
							  const char *name, Oid *argument);
extern void cqrs_handler_require_execute(Oid function);
extern void cqrs_handler_may_drop(const char *owner, const char *what, const char *name);

#endif							/* CQRS_HANDLER_H */
