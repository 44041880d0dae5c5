/*-------------------------------------------------------------------------
 *
 * fold.h
 *		Folds: keyed statements over rows that are held in memory.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/fold.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_FOLD_H
#define CQRS_FOLD_H

#include "projection/rule.h"

/* an event for which folds have been deferred */
typedef struct CqrsFoldEvent CqrsFoldEvent;

extern void cqrs_fold_defer(CqrsFold *fold, CqrsEventRow *event, CqrsFoldEvent **folded);

extern Oid	cqrs_fold_table_oid(CqrsFoldTable *table);
extern bool cqrs_fold_table_pending(CqrsFoldTable *table);
extern void cqrs_fold_table_flush(CqrsFoldTable *table);
extern void cqrs_fold_table_forget(CqrsFoldTable *table);
extern Size cqrs_fold_table_memory(CqrsFoldTable *table);
extern void cqrs_fold_table_destroy(CqrsFoldTable *table);

#endif							/* CQRS_FOLD_H */
