/*-------------------------------------------------------------------------
 *
 * open_cursors.h
 *		Cursors that were open when a fence was put up.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/open_cursors.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_OPEN_CURSORS_H
#define CQRS_OPEN_CURSORS_H

/*
 * What a fence remembers of them.
 */
typedef struct CqrsOpenCursors
{
	int			depth;			/* of the fence; 1 for the outermost */
	uint64		touched;		/* how often a guarded cursor had been touched */
} CqrsOpenCursors;

extern void cqrs_open_cursors_guard(CqrsOpenCursors *cursors, int depth);
extern void cqrs_open_cursors_release(const CqrsOpenCursors *cursors, Oid role);
extern void cqrs_open_cursors_abandon(int depth);

#endif							/* CQRS_OPEN_CURSORS_H */
