/*-------------------------------------------------------------------------
 *
 * shmem.h
 *		Shared memory: who needs how much of it, and where it is.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/shmem.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_SHMEM_H
#define CQRS_SHMEM_H

#include "storage/lwlock.h"

/*
 * A module's part of shared memory.  The module keeps the struct, static.
 *
 * "address" and "lock" stay NULL when the library was not loaded by
 * shared_preload_libraries: the module then does without.
 */
typedef struct CqrsShmemPart
{
	const char *name;
	Size		(*size) (void); /* settings have their values when it is called */
	void		(*init) (void *address);	/* once a server start; memory is zeroed */

	void	   *address;
	LWLock	   *lock;			/* one for each part, to use as the module likes */
} CqrsShmemPart;

extern void cqrs_shmem_add(CqrsShmemPart *part);
extern void cqrs_shmem_init(void);

#endif							/* CQRS_SHMEM_H */
