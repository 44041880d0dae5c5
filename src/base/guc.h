/*-------------------------------------------------------------------------
 *
 * guc.h
 *		The settings of the extension.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/guc.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_GUC_H
#define CQRS_GUC_H

extern int	cqrs_batch_max_bytes;	/* kilobytes */
extern int	cqrs_batch_max_events;
extern int	cqrs_batch_max_time;	/* milliseconds */
extern int	cqrs_ledger_retention;	/* minutes; -1: for ever */
extern int	cqrs_max_event_size;	/* kilobytes */
extern int	cqrs_max_workers;
extern int	cqrs_poll_interval; /* milliseconds */
extern int	cqrs_retry_max;		/* milliseconds */
extern int	cqrs_retry_min;		/* milliseconds */

extern void cqrs_guc_init(void);

#endif							/* CQRS_GUC_H */
