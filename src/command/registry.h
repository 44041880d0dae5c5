/*-------------------------------------------------------------------------
 *
 * registry.h
 *		Registered commands.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/command/registry.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_COMMAND_REGISTRY_H
#define CQRS_COMMAND_REGISTRY_H

#include "base/registry.h"

extern CqrsRegistered *cqrs_command_pin(const text *name);

extern void cqrs_command_init(void);

#endif							/* CQRS_COMMAND_REGISTRY_H */
