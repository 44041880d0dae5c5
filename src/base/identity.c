/*-------------------------------------------------------------------------
 *
 * identity.c
 *		Running as somebody else, and coming back.
 *
 * NOTES
 *		An ERROR in between needs no clean-up here: the end of the transaction
 *		or subtransaction sets the user back.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/identity.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/identity.h"
#include "base/table.h"

/*
 * Until cqrs_come_back(), code runs with the rights of the role, and cannot
 * leave it by SET ROLE or SET SESSION AUTHORIZATION.
 */
void
cqrs_become(Oid role, CqrsIdentity *before)
{
	GetUserIdAndSecContext(&before->user, &before->security_context);
	SetUserIdAndSecContext(role, before->security_context | SECURITY_LOCAL_USERID_CHANGE);
}

/*
 * For the extension's own statements on its own tables.
 */
void
cqrs_become_owner(CqrsIdentity *before)
{
	cqrs_become(cqrs_owner(), before);
}

void
cqrs_come_back(const CqrsIdentity *before)
{
	SetUserIdAndSecContext(before->user, before->security_context);
}
