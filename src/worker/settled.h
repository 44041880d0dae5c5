/*-------------------------------------------------------------------------
 *
 * settled.h
 *		May events be applied in this database, or is it still being restored?
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/settled.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_SETTLED_H
#define CQRS_SETTLED_H

extern bool cqrs_database_is_settled(void);

#endif							/* CQRS_SETTLED_H */
