/*-------------------------------------------------------------------------
 *
 * applied.h
 *		Counting the events that projections have applied, when it is certain.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/stats/applied.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_APPLIED_H
#define CQRS_APPLIED_H

extern void cqrs_applied_note(const char *projection, int64 events);
extern void cqrs_applied_forget(const char *projection);
extern void cqrs_applied_settle(bool commit);
extern int64 cqrs_applied_count(const char *projection);

#endif							/* CQRS_APPLIED_H */
