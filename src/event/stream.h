/*-------------------------------------------------------------------------
 *
 * stream.h
 *		Streams: names, and the row that orders the appends to one.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/stream.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_STREAM_H
#define CQRS_STREAM_H

extern void cqrs_stream_check_name(const text *stream);
extern text *cqrs_stream_category(const text *stream);
extern int64 cqrs_stream_last_version(text *stream);

#endif							/* CQRS_STREAM_H */
