/*-------------------------------------------------------------------------
 *
 * utility.h
 *		Living with DDL: getting out of its way, and noticing what it changes.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/utility.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_UTILITY_H
#define CQRS_UTILITY_H

extern void cqrs_utility_init(void);

#endif							/* CQRS_UTILITY_H */
