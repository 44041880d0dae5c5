/*-------------------------------------------------------------------------
 *
 * swap.h
 *		Putting another build in the place of the live one.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/swap.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_SWAP_H
#define CQRS_SWAP_H

#include "projection/apply.h"
#include "projection/build_row.h"

extern void cqrs_build_swap(const char *projection, int32 number, CqrsBuildState state,
							bool with_own, CqrsApplyResult *sum);
extern void cqrs_build_lock_two(const char *projection, int32 a, int32 b);

#endif							/* CQRS_SWAP_H */
