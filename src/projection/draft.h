/*-------------------------------------------------------------------------
 *
 * draft.h
 *		Describing a projection: what other files need of it.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/draft.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_DRAFT_H
#define CQRS_DRAFT_H

#include "datatype/timestamp.h"

extern int32 cqrs_free_build_number(const char *projection);
extern void cqrs_require_not_negative(Interval *interval, const char *argument);

#endif							/* CQRS_DRAFT_H */
