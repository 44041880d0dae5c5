/*-------------------------------------------------------------------------
 *
 * args.h
 *		Arguments of SQL functions.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/args.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_ARGS_H
#define CQRS_ARGS_H

#include "fmgr.h"
#include "utils/timestamp.h"

extern void cqrs_require_arg(FunctionCallInfo fcinfo, int arg, const char *name);
extern int64 cqrs_get_timeout(Interval *timeout);

#endif							/* CQRS_ARGS_H */
