/*-------------------------------------------------------------------------
 *
 * plan_texts.h
 *		The table of the extension's own SQL statements; for plans.c alone.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/plan_texts.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_PLAN_TEXTS_H
#define CQRS_PLAN_TEXTS_H

#define CQRS_PLAN_MAX_ARGS 10

typedef struct CqrsPlanText
{
	const char *sql;
	int			expected;		/* what SPI answers when it went well */
	int			nargs;
	Oid			argtypes[CQRS_PLAN_MAX_ARGS];
} CqrsPlanText;

extern const CqrsPlanText cqrs_plan_texts[];	/* by CqrsPlanId */

#endif							/* CQRS_PLAN_TEXTS_H */
