/*-------------------------------------------------------------------------
 *
 * rule_row.h
 *		Which rules a build has: rows of cqrs.rule.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/rule_row.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_PROJECTION_RULE_ROW_H
#define CQRS_PROJECTION_RULE_ROW_H

#include "nodes/pg_list.h"

extern List *cqrs_projection_rules(const char *name, int32 build);
extern Oid	cqrs_function_owner(Oid function);

#endif							/* CQRS_PROJECTION_RULE_ROW_H */
