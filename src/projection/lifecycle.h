/*-------------------------------------------------------------------------
 *
 * lifecycle.h
 *		cqrs_pause, cqrs_resume, cqrs_drop_projection.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/lifecycle.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_LIFECYCLE_H
#define CQRS_LIFECYCLE_H

extern void cqrs_projection_stop_orphan(const char *name, const char *owner);

#endif							/* CQRS_LIFECYCLE_H */
