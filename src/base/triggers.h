/*-------------------------------------------------------------------------
 *
 * triggers.h
 *		Trigger functions that guard our tables.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/triggers.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_TRIGGERS_H
#define CQRS_TRIGGERS_H

/*
 * Called in the transaction that changes a registry, with the table's name.
 */
typedef void (*CqrsRegistryChanged) (const char *table);

extern void cqrs_registry_changed_register(CqrsRegistryChanged function);

#endif							/* CQRS_TRIGGERS_H */
