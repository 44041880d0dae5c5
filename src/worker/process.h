/*-------------------------------------------------------------------------
 *
 * process.h
 *		The life of a process of ours: registered, attached, connected, gone.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/process.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_PROCESS_H
#define CQRS_PROCESS_H

#include "worker/board.h"

typedef enum CqrsProcessStart
{
	CQRS_PROCESS_STARTED,
	CQRS_PROCESS_NO_SLOT,		/* none of ours is free */
	CQRS_PROCESS_NO_WORKER		/* max_worker_processes is exhausted */
} CqrsProcessStart;

/* in the launcher */
extern CqrsProcessStart cqrs_process_start(Oid database, int pool);
extern void cqrs_process_reap(void);

/* in the process itself */
extern CqrsBoardSlot *cqrs_process_attach(Datum main_arg);
extern void cqrs_process_connect(CqrsBoardSlot *slot);
extern void cqrs_process_set_state(CqrsBoardSlot *slot, CqrsSlotState state, int task);

/* in all of them */
extern void cqrs_process_pin_settings(void);

#endif							/* CQRS_PROCESS_H */
