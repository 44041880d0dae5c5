/*-------------------------------------------------------------------------
 *
 * complete.h
 *		When a build may take the place of the live one.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/complete.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_COMPLETE_H
#define CQRS_COMPLETE_H

#include "projection/apply.h"
#include "projection/build_row.h"

extern bool cqrs_build_complete(const char *projection, int32 number, bool with_own,
								CqrsApplyResult *sum);
extern bool cqrs_build_may_be_swapped(CqrsBuildRow *row);

#endif							/* CQRS_COMPLETE_H */
