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
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/timestamp.h"

extern void cqrs_arg_require(FunctionCallInfo fcinfo, int arg, const char *name);
extern char *cqrs_arg_string(FunctionCallInfo fcinfo, int arg, const char *name);
extern char *cqrs_arg_string_or_null(FunctionCallInfo fcinfo, int arg);
extern Datum *cqrs_arg_elements(FunctionCallInfo fcinfo, int arg, const char *name, int *count);
extern Datum *cqrs_array_elements(ArrayType *array, const char *name, int *count);
extern List *cqrs_arg_strings(FunctionCallInfo fcinfo, int arg, const char *name);
extern int64 cqrs_arg_timeout(Interval *timeout);

#endif							/* CQRS_ARGS_H */
