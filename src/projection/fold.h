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

extern CqrsFoldEvent *cqrs_fold_event(CqrsRule *rule);
extern void cqrs_fold_defer(CqrsFold *fold, CqrsFoldEvent *event);

extern void cqrs_folds_flush(CqrsEngine *engine);
extern void cqrs_folds_flush_for(CqrsStatement *statement);
extern void cqrs_folds_forget(CqrsEngine *engine);
extern void cqrs_fold_events_forget(CqrsEngine *engine);
extern void cqrs_fold_table_leave_out(CqrsFoldTable *table, List *statements);
extern Size cqrs_fold_table_memory(CqrsFoldTable *table);

#endif							/* CQRS_FOLD_H */
