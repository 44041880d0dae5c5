/*-------------------------------------------------------------------------
 *
 * after.c
 *		What is to happen in the same transaction once events have been appended.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/after.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "event/after.h"

#define MAX_FUNCTIONS 4

static CqrsAfterEvents functions[MAX_FUNCTIONS];
static int	n_functions = 0;

void
cqrs_after_events_register(CqrsAfterEvents function)
{
	Assert(n_functions < MAX_FUNCTIONS);
	functions[n_functions++] = function;
}

void
cqrs_after_events(void)
{
	for (int i = 0; i < n_functions; i++)
		functions[i] ();
}
