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

extern void cqrs_run_as_begin(Oid role, const char *schema, CqrsIdentity *before);
extern void cqrs_run_as_end(const CqrsIdentity *before);

#endif							/* CQRS_RUN_AS_H */
