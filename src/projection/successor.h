/*-------------------------------------------------------------------------
 *
 * successor.h
 *		What a build takes over from the one that it replaces.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/successor.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_SUCCESSOR_H
#define CQRS_SUCCESSOR_H

#include "projection/registry.h"

extern void cqrs_successor_note_policies(const CqrsProjection *projection, int32 number);
extern void cqrs_successor_check_row_security(const CqrsProjection *projection, int32 from, int32 to);
extern void cqrs_successor_carry_acls(const CqrsProjection *projection, int32 from, int32 to);

#endif							/* CQRS_SUCCESSOR_H */
