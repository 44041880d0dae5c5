/*-------------------------------------------------------------------------
 *
 * stop_point.h
 *		Places at which a test can stop a process.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/stop_point.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_STOP_POINT_H
#define CQRS_STOP_POINT_H

/*
 * Called with the name of the place.  NULL but in servers of tests, which load
 * a module that sets it (test/module).
 */
typedef void (*CqrsStopPointHook) (const char *name);

extern PGDLLEXPORT CqrsStopPointHook cqrs_stop_point_hook;

#define CQRS_STOP_POINT(name) \
	do { \
		if (unlikely(cqrs_stop_point_hook != NULL)) \
			cqrs_stop_point_hook(name); \
	} while (0)

#endif							/* CQRS_STOP_POINT_H */
