/*-------------------------------------------------------------------------
 *
 * ledger.c
 *		The ledger: the record of commands, which makes their ids idempotent.
 *
 * NOTES
 *		A command without an id gets one that nobody else can have, so its row
 *		is written once, when the command has ended.
 *
 *		For a command with an id the row is the claim to it: it is inserted
 *		before the handler runs and completed afterwards, mostly on the same
 *		page.  The primary key decides who runs the handler; others wait for
 *		the end of that transaction, or of that savepoint, and then either find
 *		the outcome or claim the id in their turn.  A lock instead of a row
 *		would cost less, but shared memory for each id of the transaction.
 *
 *		Under REPEATABLE READ and SERIALIZABLE an outcome that the transaction's
 *		snapshot does not show is a serialization failure, as what the command
 *		did could not be seen either.
 *
 *		The actor is part of the key: a role can neither learn of another's
 *		commands by their ids nor use the ids up.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/command/ledger.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/errcodes.h"
#include "base/guc.h"
#include "base/plans.h"
#include "base/table.h"
#include "command/ledger.h"

/* columns of cqrs.ledger */
enum
{
	COL_COMMAND_ID = 1,
	COL_ACTOR,
	COL_COMMAND,
	COL_DIGEST,
	COL_CORRELATION_ID,
	COL_CAUSATION_ID,
	COL_RECEIVED_AT,
	COL_DURATION,
	COL_OUTCOME,
	COL_RESULT,
	COL_TOKEN,
	COL_SQLSTATE,
	COL_MESSAGE,
	COL_DETAIL,
	COL_HINT
};

#define OUTCOME_RUNNING		"running"
#define OUTCOME_ACCEPTED	"accepted"
#define OUTCOME_REJECTED	"rejected"

static void fill_row(CqrsTable *table, const CqrsLedgerRow *row);
static void put_text(CqrsTable *table, int column, const char *value);
static bool find_row(CqrsTable *table, const CqrsLedgerRow *row);
static bool claim_is_at(CqrsTable *table, const CqrsLedgerRow *row, ItemPointer place);
static bool check_same(const CqrsLedgerRow *row, TupleTableSlot *slot, CqrsOutcome *outcome);
static void read_outcome(const CqrsLedgerRow *row, TupleTableSlot *slot, CqrsOutcome *outcome);
static char *get_text(TupleTableSlot *slot, int column);
static void refuse_delete_triggers(Relation rel);

/*
 * Claims the id of a command that is about to run.  True when it is ours: then
 * "place" is where the row is.  False when the same command has ended before:
 * then "first" says how; it is a rejection when the id is in use for something
 * else.
 */
bool
cqrs_ledger_claim(const CqrsLedgerRow *row, ItemPointer place, CqrsOutcome *first)
{
	CqrsTable	table;
	bool		claimed = false;

	cqrs_table_begin(&table, "ledger");
	while (!claimed)
	{
		CHECK_FOR_INTERRUPTS();
		if (find_row(&table, row))
		{
			cqrs_row_require_visible(table.rel, table.slot);
			memset(first, 0, sizeof(CqrsOutcome));
			if (check_same(row, table.slot, first))
				read_outcome(row, table.slot, first);
			break;
		}
		fill_row(&table, row);
		claimed = cqrs_table_insert_unless_exists(&table);
	}
	if (claimed)
	{
		*place = table.slot->tts_tid;
		CommandCounterIncrement();
	}
	cqrs_table_end(&table);
	return claimed;
}

/*
 * Writes how a command has ended: over its claim at "place", or, when its id is
 * our own and "place" is NULL, as a new row.
 */
void
cqrs_ledger_record(const CqrsLedgerRow *row, ItemPointer place)
{
	CqrsTable	table;
	bool		is_lost;

	cqrs_table_begin(&table, "ledger");
	is_lost = (place != NULL && !claim_is_at(&table, row, place));
	fill_row(&table, row);
	if (place == NULL)
		cqrs_table_insert(&table);
	else if (is_lost || !cqrs_row_update(&table, place))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("ledger entry of command \"%s\" was changed or removed while the command was running",
						text_to_cstring(row->command))));
	cqrs_table_end(&table);
	CommandCounterIncrement();
}

/*
 * Gives up the claim at "place", of a command that has not run: the id is free
 * again.
 */
void
cqrs_ledger_withdraw(ItemPointer place)
{
	Relation	rel = cqrs_table_open("ledger", RowExclusiveLock);

	simple_table_tuple_delete(rel, place, GetTransactionSnapshot());
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

/*
 * Removes rows that are older than the retention from the blocks of the ledger
 * that follow, at most so many rows of so many blocks, and says how many.
 * "block" is where to begin, and then where to go on: 0 at the end of the table.
 *
 * The rows are looked for where they lie, without an index: nearly all that is
 * written to the ledger is never asked for again, so commands should not pay
 * for one more index.  A row that somebody has locked stays for the next time.
 */
int64
cqrs_ledger_prune(BlockNumber *block, BlockNumber max_blocks, int64 max_rows)
{
	Relation	rel = cqrs_table_open("ledger", RowExclusiveLock);
	BlockNumber n_blocks = RelationGetNumberOfBlocks(rel);
	BlockNumber end = Min((uint64) *block + max_blocks, n_blocks);
	ItemPointerData from;
	ItemPointerData to;
	Datum		values[4];
	bool		isnull;
	int64		removed;

	refuse_delete_triggers(rel);
	table_close(rel, NoLock);
	if (cqrs_ledger_retention < 0 || *block >= end)
	{
		*block = 0;
		return 0;
	}

	ItemPointerSet(&from, *block, 0);
	ItemPointerSet(&to, end, 0);
	values[0] = PointerGetDatum(&from);
	values[1] = PointerGetDatum(&to);
	values[2] = TimestampTzGetDatum(GetCurrentTimestamp() -
									(int64) cqrs_ledger_retention * USECS_PER_MINUTE);
	values[3] = Int64GetDatum(max_rows);
	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_DELETE_LEDGER, values, NULL);
	removed = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();

	if (removed < max_rows)
		*block = end < n_blocks ? end : 0;
	return removed;
}

/*
 * The scanner is a superuser and runs no code of others.
 */
static void
refuse_delete_triggers(Relation rel)
{
	if (rel->trigdesc &&
		(rel->trigdesc->trig_delete_before_row ||
		 rel->trigdesc->trig_delete_after_row ||
		 rel->trigdesc->trig_delete_before_statement ||
		 rel->trigdesc->trig_delete_after_statement))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table \"cqrs.%s\" cannot have triggers on DELETE",
						RelationGetRelationName(rel)),
				 errhint("Copy rows elsewhere before they are older than \"cqrs.ledger_retention\".")));
}

static void
fill_row(CqrsTable *table, const CqrsLedgerRow *row)
{
	Datum	   *values = cqrs_table_new_row(table->slot, COL_HINT);
	bool	   *nulls = table->slot->tts_isnull;
	const CqrsOutcome *outcome = row->outcome;
	bytea	   *digest = palloc(VARHDRSZ + CQRS_DIGEST_SIZE);
	Interval   *duration = palloc0(sizeof(Interval));

	SET_VARSIZE(digest, VARHDRSZ + CQRS_DIGEST_SIZE);
	memcpy(VARDATA(digest), row->digest, CQRS_DIGEST_SIZE);
	duration->time = row->duration;

	values[COL_COMMAND_ID - 1] = UUIDPGetDatum(row->command_id);
	values[COL_ACTOR - 1] = PointerGetDatum(row->actor);
	values[COL_COMMAND - 1] = PointerGetDatum(row->command);
	values[COL_DIGEST - 1] = PointerGetDatum(digest);
	values[COL_CORRELATION_ID - 1] = UUIDPGetDatum(row->correlation_id);
	values[COL_CAUSATION_ID - 1] = UUIDPGetDatum(row->causation_id);
	nulls[COL_CAUSATION_ID - 1] = (row->causation_id == NULL);
	values[COL_RECEIVED_AT - 1] = TimestampTzGetDatum(row->received_at);
	values[COL_DURATION - 1] = IntervalPGetDatum(duration);
	nulls[COL_DURATION - 1] = (outcome == NULL);

	put_text(table, COL_OUTCOME, outcome == NULL ? OUTCOME_RUNNING
			 : outcome->is_accepted ? OUTCOME_ACCEPTED : OUTCOME_REJECTED);
	put_text(table, COL_RESULT, outcome ? outcome->result : NULL);
	put_text(table, COL_TOKEN, outcome ? outcome->token : NULL);
	put_text(table, COL_SQLSTATE, outcome && !outcome->is_accepted
			 ? unpack_sql_state(outcome->sqlstate) : NULL);
	put_text(table, COL_MESSAGE, outcome ? outcome->message : NULL);
	put_text(table, COL_DETAIL, outcome ? outcome->detail : NULL);
	put_text(table, COL_HINT, outcome ? outcome->hint : NULL);
}

static void
put_text(CqrsTable *table, int column, const char *value)
{
	table->slot->tts_isnull[column - 1] = (value == NULL);
	if (value)
		table->slot->tts_values[column - 1] = CStringGetTextDatum(value);
}

/*
 * Finds the newest row with the row's key, waiting for who is inserting it.
 */
static bool
find_row(CqrsTable *table, const CqrsLedgerRow *row)
{
	ScanKeyData keys[2];
	TransactionId updater;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(row->command_id));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ,
				PointerGetDatum(row->actor));
	keys[1].sk_collation = C_COLLATION_OID;
	return cqrs_table_find(table, keys, 2, &updater);
}

/*
 * Is the claim still where it was made?  A handler that may can have deleted or
 * updated it, emptied the table, or written it anew with other rows in its place.
 */
static bool
claim_is_at(CqrsTable *table, const CqrsLedgerRow *row, ItemPointer place)
{
	TupleTableSlot *slot = table->slot;
	bool		isnull;

	return cqrs_block_exists(table->rel, ItemPointerGetBlockNumber(place)) &&
		table_tuple_fetch_row_version(table->rel, place, SnapshotSelf, slot) &&
		memcmp(DatumGetUUIDP(slot_getattr(slot, COL_COMMAND_ID, &isnull)), row->command_id,
			   UUID_LEN) == 0 &&
		strcmp(get_text(slot, COL_ACTOR), text_to_cstring(row->actor)) == 0;
}

/*
 * Is the row that we have found of the same command?  Else that is the outcome.
 */
static bool
check_same(const CqrsLedgerRow *row, TupleTableSlot *slot, CqrsOutcome *outcome)
{
	bool		isnull;
	char	   *command = get_text(slot, COL_COMMAND);
	bytea	   *digest = DatumGetByteaPP(slot_getattr(slot, COL_DIGEST, &isnull));
	bool		same_command = strcmp(command, text_to_cstring(row->command)) == 0;

	if (same_command && VARSIZE_ANY_EXHDR(digest) == CQRS_DIGEST_SIZE &&
		memcmp(VARDATA_ANY(digest), row->digest, CQRS_DIGEST_SIZE) == 0)
		return true;

	outcome->sqlstate = ERRCODE_CQRS_COMMAND_ID_REUSED;
	outcome->message = psprintf("command id \"%s\" was used before",
								DatumGetCString(DirectFunctionCall1(uuid_out,
																	UUIDPGetDatum(row->command_id))));
	outcome->detail = same_command
		? psprintf("It was used for command \"%s\" with another payload.", command)
		: psprintf("It was used for command \"%s\".", command);
	outcome->hint = pstrdup("Send the same command with the same payload again, or use a new id.");
	return false;
}

static void
read_outcome(const CqrsLedgerRow *row, TupleTableSlot *slot, CqrsOutcome *outcome)
{
	char	   *state = get_text(slot, COL_OUTCOME);

	/* others' claims are waited for, so this one is our own */
	if (strcmp(state, OUTCOME_RUNNING) == 0)
	{
		outcome->sqlstate = ERRCODE_OBJECT_IN_USE;
		outcome->message = psprintf("command \"%s\" with this id is running in this transaction",
									text_to_cstring(row->command));
		outcome->hint = pstrdup("A handler cannot send the command again that it handles.");
		return;
	}

	outcome->is_replayed = true;
	outcome->is_accepted = strcmp(state, OUTCOME_ACCEPTED) == 0;
	outcome->result = get_text(slot, COL_RESULT);
	outcome->token = get_text(slot, COL_TOKEN);
	if (!outcome->is_accepted)
	{
		char	   *code = get_text(slot, COL_SQLSTATE);

		outcome->sqlstate = MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4]);
		outcome->message = get_text(slot, COL_MESSAGE);
		outcome->detail = get_text(slot, COL_DETAIL);
		outcome->hint = get_text(slot, COL_HINT);
	}
}

static char *
get_text(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}
