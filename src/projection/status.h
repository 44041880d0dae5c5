/*-------------------------------------------------------------------------
 *
 * status.h
 *		How far a reader of the log is behind, for the status views.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/status.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_STATUS_H
#define CQRS_STATUS_H

extern bool cqrs_status_may_see(const char *projection);

#endif							/* CQRS_STATUS_H */
