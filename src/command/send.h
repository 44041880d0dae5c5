/*-------------------------------------------------------------------------
 *
 * send.h
 *		The command bus: one command, from its arguments to its outcome.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/command/send.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_SEND_H
#define CQRS_SEND_H

#include "command/ledger.h"

/*
 * A command to send.  What is not given is NULL.
 */
typedef struct CqrsCommand
{
	text	   *name;
	Jsonb	   *payload;
	const pg_uuid_t *command_id;
	const pg_uuid_t *correlation_id;
	const pg_uuid_t *causation_id;
	Jsonb	   *metadata;
} CqrsCommand;

/*
 * Sends it.  Without "may_reject" a rejection is raised, and else it is an
 * outcome like another; errors that a retry may cure are raised in any case.
 * "command_id" becomes the id of the command.
 */
extern void cqrs_command_send(const CqrsCommand *command, bool may_reject,
							  pg_uuid_t *command_id, CqrsOutcome *outcome);

#endif							/* CQRS_SEND_H */
