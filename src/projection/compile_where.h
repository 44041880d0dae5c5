/*-------------------------------------------------------------------------
 *
 * compile_where.h
 *		Finding the primary key in a WHERE clause.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/compile_where.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_COMPILE_WHERE_H
#define CQRS_COMPILE_WHERE_H

#include "projection/fold_table.h"

extern const char *cqrs_fold_compile_where(CqrsFold *fold, Query *query);

#endif							/* CQRS_COMPILE_WHERE_H */
