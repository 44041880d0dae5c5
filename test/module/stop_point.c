/*-------------------------------------------------------------------------
 *
 * stop_point.c
 *		Stops processes at named places of the extension.
 *
 * NOTES
 *		Only when shared_preload_libraries has this module, after cqrs.  One
 *		process at a time is stopped at a place: the first that gets there.  It
 *		waits until it is told to go on, or ends; others pass.  A crash of the
 *		server forgets all of it.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		test/module/stop_point.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/builtins.h"
#include "utils/wait_event.h"

#include "base/compat.h"
#include "base/stop_point.h"

PG_FUNCTION_INFO_V1(cqrs_test_stop_at);
PG_FUNCTION_INFO_V1(cqrs_test_stopped_at);
PG_FUNCTION_INFO_V1(cqrs_test_go_on);

PGDLLEXPORT void _PG_init(void);

#define MAX_POINTS 16

typedef struct Point
{
	char		name[NAMEDATALEN];	/* empty: free */
	bool		armed;
	int			skip;			/* so many pass before one is stopped */
	pid_t		pid;			/* who is, or was, stopped; 0: nobody yet */
} Point;

typedef struct Points
{
	slock_t		mutex;			/* guards all but the condition variable */
	ConditionVariable news;
	Point		points[MAX_POINTS];
} Points;

static Points *points = NULL;
static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void request(void);
static void startup(void);
static void stop(const char *name);
static void wait_uninterruptibly(void);
static Point *find(const char *name);
static Points *get_points(void);

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup;
	cqrs_stop_point_hook = stop;
}

/*
 * stop_at(point, skip)
 */
Datum
cqrs_test_stop_at(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Points	   *all = get_points();
	Point	   *point;

	SpinLockAcquire(&all->mutex);
	point = find(name);
	if (point == NULL)
		point = find("");
	if (point)
	{
		strlcpy(point->name, name, NAMEDATALEN);
		point->skip = PG_GETARG_INT32(1);
		point->pid = 0;
		point->armed = true;
	}
	SpinLockRelease(&all->mutex);
	if (point == NULL)
		elog(ERROR, "too many stop points");
	PG_RETURN_VOID();
}

/*
 * stopped_at(point) -> pid
 */
Datum
cqrs_test_stopped_at(PG_FUNCTION_ARGS)
{
	Points	   *all = get_points();
	Point	   *point;
	pid_t		pid = 0;

	SpinLockAcquire(&all->mutex);
	point = find(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (point && point->armed)
		pid = point->pid;
	SpinLockRelease(&all->mutex);
	if (pid == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(pid);
}

/*
 * go_on(point)
 */
Datum
cqrs_test_go_on(PG_FUNCTION_ARGS)
{
	Points	   *all = get_points();
	Point	   *point;

	SpinLockAcquire(&all->mutex);
	point = find(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (point)
		point->armed = false;
	SpinLockRelease(&all->mutex);
	ConditionVariableBroadcast(&all->news);
	PG_RETURN_VOID();
}

static void
request(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(Points)));
}

static void
startup(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	points = ShmemInitStruct("cqrs test stop points", sizeof(Points), &found);
	if (!found)
	{
		memset(points, 0, sizeof(Points));
		SpinLockInit(&points->mutex);
		ConditionVariableInit(&points->news);
	}
	LWLockRelease(AddinShmemInitLock);
}

/*
 * The hook.
 */
static void
stop(const char *name)
{
	Point	   *point;
	bool		stopped = false;

	if (points == NULL || MyProc == NULL)
		return;
	SpinLockAcquire(&points->mutex);
	point = find(name);
	if (point && point->armed && point->pid == 0 && point->skip-- <= 0)
	{
		point->pid = MyProcPid;
		stopped = true;
	}
	SpinLockRelease(&points->mutex);
	if (!stopped)
		return;

	ConditionVariablePrepareToSleep(&points->news);
	while (stopped)
	{
		if (InterruptHoldoffCount > 0)
			wait_uninterruptibly();
		else
			ConditionVariableSleep(&points->news, PG_WAIT_EXTENSION);
		SpinLockAcquire(&points->mutex);
		stopped = point->armed && point->pid == MyProcPid;
		SpinLockRelease(&points->mutex);
	}
	ConditionVariableCancelSleep();
}

/*
 * In the end of a transaction, say, where an orderly exit is impossible.
 */
static void
wait_uninterruptibly(void)
{
	int			events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_POSTMASTER_DEATH, 10,
								   PG_WAIT_EXTENSION);

	if (events & WL_POSTMASTER_DEATH)
		_exit(2);
	ResetLatch(MyLatch);
}

/*
 * Called with the lock.
 */
static Point *
find(const char *name)
{
	for (int i = 0; i < MAX_POINTS; i++)
		if (strcmp(points->points[i].name, name) == 0)
			return &points->points[i];
	return NULL;
}

static Points *
get_points(void)
{
	if (points == NULL)
		elog(ERROR, "cqrs_test is not in shared_preload_libraries");
	return points;
}
