/*-------------------------------------------------------------------------
 *
 * shmem.c
 *		Shared memory: who needs how much of it, and where it is.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/shmem.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "base/compat.h"
#include "base/shmem.h"

#define MAX_PARTS 8
#define TRANCHE "cqrs"

static CqrsShmemPart *parts[MAX_PARTS];
static int	n_parts = 0;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void request(void);
static void startup(void);

/*
 * Called at load by each module that has a part.
 */
void
cqrs_shmem_add(CqrsShmemPart *part)
{
	Assert(n_parts < MAX_PARTS);
	parts[n_parts++] = part;
}

/*
 * Called at load, when all modules have added theirs.
 */
void
cqrs_shmem_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup;
}

static void
request(void)
{
	if (previous_request_hook)
		previous_request_hook();
	for (int i = 0; i < n_parts; i++)
		RequestAddinShmemSpace(MAXALIGN(parts[i]->size()));
	RequestNamedLWLockTranche(TRANCHE, n_parts);
}

static void
startup(void)
{
	LWLockPadded *locks;

	if (previous_startup_hook)
		previous_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	locks = GetNamedLWLockTranche(TRANCHE);
	for (int i = 0; i < n_parts; i++)
	{
		CqrsShmemPart *part = parts[i];
		Size		size = part->size();
		bool		found;

		part->address = ShmemInitStruct(part->name, size, &found);
		part->lock = &locks[i].lock;
		if (!found)
		{
			memset(part->address, 0, size);
			part->init(part->address);
		}
	}
	LWLockRelease(AddinShmemInitLock);
}
