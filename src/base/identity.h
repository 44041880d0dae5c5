/*-------------------------------------------------------------------------
 *
 * identity.h
 *		Running as somebody else, and coming back.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/identity.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_IDENTITY_H
#define CQRS_IDENTITY_H

/*
 * Who we were before cqrs_become().  Lives on the caller's stack.
 */
typedef struct CqrsIdentity
{
	Oid			user;
	int			security_context;
	int			guc_level;		/* of cqrs_fence_begin() */
	int			depth;			/* likewise */
} CqrsIdentity;

extern void cqrs_become(Oid role, CqrsIdentity *before);
extern void cqrs_become_owner(CqrsIdentity *before);
extern void cqrs_come_back(const CqrsIdentity *before);
extern void cqrs_fence_begin(Oid role, const char *schema, CqrsIdentity *before);
extern void cqrs_fence_expect(const char *schema);
extern void cqrs_fence_end(const CqrsIdentity *before);
extern void cqrs_fence_detach(void);
extern uint64 cqrs_fence_current(void);
extern uint64 cqrs_fence_detached(void);
extern Oid	cqrs_acting_role(void);
extern void cqrs_set_local(const char *name, const char *value);

#endif							/* CQRS_IDENTITY_H */
