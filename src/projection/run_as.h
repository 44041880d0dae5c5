/*-------------------------------------------------------------------------
 *
 * run_as.h
 *		Running what a user wrote: as its owner, fenced in, with settings of ours.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/run_as.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_RUN_AS_H
#define CQRS_RUN_AS_H

#include "base/identity.h"

/*
 * What was before; lives on the caller's stack.
 */
typedef CqrsIdentity CqrsRunAs;

extern void cqrs_run_as_always(void);
extern void cqrs_run_as_begin(Oid role, const char *schema, CqrsRunAs *before);
extern void cqrs_run_as_end(const CqrsRunAs *before);

#endif							/* CQRS_RUN_AS_H */
