/*-------------------------------------------------------------------------
 *
 * arena.h
 *		Memory that is handed out piece by piece and freed all at once.
 *
 * A batch makes ten thousands of small pieces; a memory context would spend
 * more on each than we do on its contents.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/arena.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_ARENA_H
#define CQRS_ARENA_H

#include "utils/memutils.h"

typedef struct CqrsArenaBlock CqrsArenaBlock;

typedef struct CqrsArena
{
	MemoryContext context;		/* for larger things that are freed at the same time */
	char	   *next;
	Size		left;

	CqrsArenaBlock *blocks;		/* the one that we are at first */
	int			n_blocks;
	MemoryContextCallback callback;
} CqrsArena;

extern void cqrs_arena_init(CqrsArena *arena, MemoryContext parent, const char *name);
extern void *cqrs_arena_alloc_slowly(CqrsArena *arena, Size size);
extern void cqrs_arena_reset(CqrsArena *arena);
extern Size cqrs_arena_memory(const CqrsArena *arena);

static inline void *
cqrs_arena_alloc(CqrsArena *arena, Size size)
{
	void	   *result = arena->next;

	size = MAXALIGN(size);
	if (unlikely(size > arena->left))
		return cqrs_arena_alloc_slowly(arena, size);
	arena->next += size;
	arena->left -= size;
	return result;
}

#endif							/* CQRS_ARENA_H */
