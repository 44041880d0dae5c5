/*-------------------------------------------------------------------------
 *
 * run.h
 *		Running a query, with writing forbidden.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/query/run.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_RUN_H
#define CQRS_RUN_H

#include "utils/jsonb.h"

/*
 * A query that is being read.  Memory of the context in which it was opened.
 */
typedef struct CqrsQueryRun CqrsQueryRun;

extern CqrsQueryRun *cqrs_query_open(text *name, Jsonb *params, bool fresh);
extern bool cqrs_query_next(CqrsQueryRun *run, Datum *row);
extern void cqrs_query_close(CqrsQueryRun *run);

extern Datum cqrs_query_read_page(text *name, Jsonb *params, int64 offset, int64 count,
								  int64 *total);

#endif							/* CQRS_RUN_H */
