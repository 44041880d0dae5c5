/*-------------------------------------------------------------------------
 *
 * ledger.h
 *		The ledger: the record of commands, which makes their ids idempotent.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/command/ledger.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_LEDGER_H
#define CQRS_LEDGER_H

#include "storage/itemptr.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define CQRS_DIGEST_SIZE 16

/*
 * How a command ended.
 */
typedef struct CqrsOutcome
{
	bool		is_accepted;
	bool		is_replayed;	/* it ended so the first time; nothing was done now */
	char	   *result;			/* accepted: the handler's id, or NULL */
	char	   *token;			/* accepted: of the transaction, or NULL */
	int			sqlstate;		/* rejected: the error */
	char	   *message;
	char	   *detail;			/* may be NULL */
	char	   *hint;			/* may be NULL */
} CqrsOutcome;

/*
 * A row of the ledger, as it is written.
 */
typedef struct CqrsLedgerRow
{
	const pg_uuid_t *command_id;
	text	   *actor;
	text	   *command;
	uint8		digest[CQRS_DIGEST_SIZE];
	const pg_uuid_t *correlation_id;
	const pg_uuid_t *causation_id;	/* may be NULL */
	TimestampTz received_at;
	int64		duration;		/* microseconds */
	const CqrsOutcome *outcome; /* NULL while it runs */
} CqrsLedgerRow;

extern void cqrs_ledger_digest(Jsonb *payload, uint8 *digest);
extern bool cqrs_ledger_claim(const CqrsLedgerRow *row, ItemPointer place, CqrsOutcome *first);
extern void cqrs_ledger_record(const CqrsLedgerRow *row, ItemPointer place);
extern void cqrs_ledger_withdraw(ItemPointer place);
extern int64 cqrs_ledger_prune(BlockNumber *block, BlockNumber max_blocks, int64 max_rows);

#endif							/* CQRS_LEDGER_H */
