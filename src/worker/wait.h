/*-------------------------------------------------------------------------
 *
 * wait.h
 *		Waiting until projections have processed what a token names.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/wait.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_WAIT_H
#define CQRS_WAIT_H

extern void cqrs_wait_init(void);

#endif							/* CQRS_WAIT_H */
