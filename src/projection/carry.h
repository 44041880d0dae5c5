/*-------------------------------------------------------------------------
 *
 * carry.h
 *		Privileges, comments and options, carried from one relation to another.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/carry.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_CARRY_H
#define CQRS_CARRY_H

#include "nodes/pg_list.h"
#include "utils/acl.h"

/*
 * What a user has added to a view.
 */
typedef struct CqrsBaggage
{
	Oid			owner;
	Acl		   *acl;			/* NULL: what is so by default */
	char	   *comment;		/* NULL: none */
	List	   *columns;		/* of what there is for columns */
} CqrsBaggage;

extern CqrsBaggage *cqrs_baggage_of(Oid relation);
extern void cqrs_baggage_give(Oid relation, const CqrsBaggage *baggage);
extern char *cqrs_view_options(Oid view);
extern void cqrs_carry_comments(Oid old, Oid new, Oid view);
extern void cqrs_carry_relation_acl(Oid from, Oid to, bool replace);
extern void cqrs_carry_schema_acl(Oid from, Oid to, bool replace);

#endif							/* CQRS_CARRY_H */
