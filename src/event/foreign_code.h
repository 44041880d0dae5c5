/*-------------------------------------------------------------------------
 *
 * foreign_code.h
 *		Code in a payload's type that somebody else than the current user wrote.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/foreign_code.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_FOREIGN_CODE_H
#define CQRS_FOREIGN_CODE_H

#include "nodes/primnodes.h"

#include "base/identity.h"
#include "event/payload_internal.h"

/*
 * Who answers for the code in a type, and what the type is of: "event type",
 * "ItemAdded".
 */
typedef struct CqrsForeignCode
{
	Oid			owner;
	const char *what;
	const char *name;
	CqrsIdentity before;		/* private, like the next */
	ErrorContextCallback callback;
} CqrsForeignCode;

/*
 * Can evaluating the expression, or reading a value of the type, run such code?
 * Then it belongs between begin and end.
 */
extern bool cqrs_foreign_expression(const CqrsForeignCode *foreign, Expr *expression);
extern bool cqrs_foreign_type(const CqrsForeignCode *foreign, const CqrsShape *shape);

/*
 * Constraints are planned and compiled after this, up to end if it is true.
 */
extern bool cqrs_foreign_planning_begin(CqrsForeignCode *foreign);

extern void cqrs_foreign_begin(CqrsForeignCode *foreign);
extern void cqrs_foreign_end(const CqrsForeignCode *foreign);

#endif							/* CQRS_FOREIGN_CODE_H */
