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

#include "event/cause.h"

static const CqrsCause *current_cause = NULL;

const CqrsCause *
cqrs_cause_get(void)
{
	return current_cause;
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
