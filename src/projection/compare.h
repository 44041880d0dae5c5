/*-------------------------------------------------------------------------
 *
 * compare.h
 *		Rows in which two builds differ.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/compare.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_COMPARE_H
#define CQRS_COMPARE_H

#include "nodes/execnodes.h"
#include "utils/snapshot.h"

#include "projection/build.h"

extern void cqrs_builds_compare(const CqrsBuild *live, const CqrsBuild *rebuilt,
								Snapshot snapshot, ReturnSetInfo *result);

#endif							/* CQRS_COMPARE_H */
