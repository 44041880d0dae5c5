/*-------------------------------------------------------------------------
 *
 * wakeup.h
 *		What a transaction has to tell the workers when it ends.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/wakeup.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_WAKEUP_H
#define CQRS_WAKEUP_H

#include "worker/board.h"

extern void cqrs_wakeup_init(void);
extern void cqrs_wakeup_in_worker(void);
extern void cqrs_wakeup_list_databases(uint32 which);
extern void cqrs_wakeup_scan(void);
extern void cqrs_wakeup_unblock(void);
extern void cqrs_wakeup_progress(CqrsBoardDatabase *database, int task,
								 CqrsDelivered delivered, uint32 definition);
extern void cqrs_wakeup_prepared(void);

#endif							/* CQRS_WAKEUP_H */
