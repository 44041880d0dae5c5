/*-------------------------------------------------------------------------
 *
 * registry.h
 *		Registered queries.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/query/registry.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_QUERY_REGISTRY_H
#define CQRS_QUERY_REGISTRY_H

#include "base/registry.h"

extern void cqrs_query_init(void);
extern CqrsRegistered *cqrs_query_pin(const text *name);

#endif							/* CQRS_QUERY_REGISTRY_H */
