/*-------------------------------------------------------------------------
 *
 * cause.c
 *		What causes the events that are appended now.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/cause.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/identity.h"
#include "event/cause.h"

static const CqrsCause *current_cause = NULL;

/*
 * NULL also for code that only happens to run in the course of a command: that of a
 * payload's type.
 */
const CqrsCause *
cqrs_cause_get(void)
{
	if (current_cause && current_cause->fence != cqrs_fence_detached())
		return NULL;
	return current_cause;
}

/*
 * Does a command run, whose end is to be waited for?
 */
bool
cqrs_cause_is_set(void)
{
	return current_cause != NULL;
}

/*
 * Sets the cause and gives the one before, which the caller sets again when it
 * is done, after an error too.
 */
const CqrsCause *
cqrs_cause_set(const CqrsCause *cause)
{
	const CqrsCause *before = current_cause;

	current_cause = cause;
	return before;
}
