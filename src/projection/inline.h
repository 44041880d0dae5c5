/*-------------------------------------------------------------------------
 *
 * inline.h
 *		Projections of mode "inline": applied by the transaction that appends.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/inline.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_INLINE_H
#define CQRS_INLINE_H

#include "projection/registry.h"

/* inline.c */
extern void cqrs_inline_init(void);
extern void cqrs_inline_lock(void);
extern void cqrs_inline_flush(void);
extern bool cqrs_inline_hold(void);
extern void cqrs_inline_release(bool before);
extern void cqrs_inline_settle(const CqrsProjection *projection);
extern void cqrs_inline_begin(const CqrsProjection *projection);
extern void cqrs_inline_end(const CqrsProjection *projection);

/* inline_list.c */
extern void cqrs_inline_list_init(void);
extern List *cqrs_inline_projections(void);

#endif							/* CQRS_INLINE_H */
