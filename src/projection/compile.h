/*-------------------------------------------------------------------------
 *
 * compile.h
 *		Which statements become folds.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/compile.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_COMPILE_H
#define CQRS_COMPILE_H

#include "projection/rule.h"

extern void cqrs_fold_compile(CqrsStatement *statement, List *queries);

#endif							/* CQRS_COMPILE_H */
