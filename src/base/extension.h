/*-------------------------------------------------------------------------
 *
 * extension.h
 *		Is the extension there, and of the version that this library is made for?
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/extension.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_EXTENSION_H
#define CQRS_EXTENSION_H

typedef enum CqrsExtensionState
{
	CQRS_EXTENSION_ABSENT,
	CQRS_EXTENSION_OTHER_VERSION,
	CQRS_EXTENSION_READY
} CqrsExtensionState;

extern void cqrs_extension_init(void);
extern CqrsExtensionState cqrs_extension_state(char **version);
extern void cqrs_extension_require(void);
extern bool cqrs_extension_is_ready(void);

#endif							/* CQRS_EXTENSION_H */
