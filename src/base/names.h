/*-------------------------------------------------------------------------
 *
 * names.h
 *		Names that users give: commands, event types, projections, streams.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/names.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_NAMES_H
#define CQRS_NAMES_H

/* the longest name of a thing that is registered, in bytes */
#define CQRS_MAX_NAME		128

/* the longest name of a stream, in bytes */
#define CQRS_MAX_STREAM		512

extern void cqrs_check_name(const text *name, const char *what, int max_bytes);
extern Oid	cqrs_stored_type(const char *name);
extern bool cqrs_is_temporary_type(Oid type);

#endif							/* CQRS_NAMES_H */
