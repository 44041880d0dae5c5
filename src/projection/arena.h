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

#define CQRS_ARENA_BLOCK	(32 * 1024)

typedef struct CqrsArena
{
	MemoryContext context;		/* of its own: reset to free all */
	char	   *next;
	Size		left;
} CqrsArena;

static inline void
cqrs_arena_init(CqrsArena *arena, MemoryContext parent, const char *name)
{
	arena->context = AllocSetContextCreate(parent, "cqrs arena", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSetIdentifier(arena->context, name);
	arena->next = NULL;
	arena->left = 0;
}

static inline void *
cqrs_arena_alloc(CqrsArena *arena, Size size)
{
	void	   *result;

	size = MAXALIGN(size);
	if (unlikely(size > arena->left))
	{
		if (size > CQRS_ARENA_BLOCK / 4)
			return MemoryContextAllocHuge(arena->context, size);
		arena->next = MemoryContextAlloc(arena->context, CQRS_ARENA_BLOCK);
		arena->left = CQRS_ARENA_BLOCK;
	}
	result = arena->next;
	arena->next += size;
	arena->left -= size;
	return result;
}

static inline void
cqrs_arena_reset(CqrsArena *arena)
{
	MemoryContextReset(arena->context);
	arena->next = NULL;
	arena->left = 0;
}

#endif							/* CQRS_ARENA_H */
