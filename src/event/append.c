/*-------------------------------------------------------------------------
 *
 * append.c
 *		Appending events to a stream.
 *
 * NOTES
 *		The order of things is what readers of the log build upon:
 *
 *		1. everything is checked, before anything is written;
 *		2. the transaction has its id;
 *		3. the end of the stream is found, and held;
 *		4. positions are drawn, and the events inserted.
 *
 *		3 before 4: inside a stream, position order is version order, and an
 *		event that was caused by another one has the higher position.  2 before
 *		4: a position that was drawn before some moment belongs to a
 *		transaction whose id had been given out at that moment.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/append.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/names.h"
#include "base/stop_point.h"
#include "base/table.h"
#include "event/after.h"
#include "event/append.h"
#include "event/cause.h"
#include "event/event_type.h"
#include "event/incarnation.h"
#include "event/log.h"
#include "event/payload.h"
#include "event/stream.h"
#include "event/tail.h"
#include "event/token.h"

/* how many rows one write to the table takes at most */
#define CHUNK 256

/*
 * What all events of one append have in common.
 */
typedef struct CommonValues
{
	FullTransactionId xid;
	text	   *category;
	Jsonb	   *metadata;
	const pg_uuid_t *command_id;
	TimestampTz recorded_at;
} CommonValues;

/* counts appends of this session, those that were rolled back included */
static uint64 n_appends = 0;

static int32 *check_events(const CqrsAppend *append, Jsonb *metadata);
static Jsonb *merge_metadata(Jsonb *own, const CqrsCause *cause);
static void check_size(const CqrsAppend *append, int i, Size metadata_size);
static int64 insert_events(const CqrsAppend *append, CommonValues *common,
						   const int32 *schema_versions);
static void insert_after(CqrsTable *table, int64 version, const CqrsAppend *append,
						 const CommonValues *common, const int32 *schema_versions,
						 ItemPointer place);
static Datum *fill_event(TupleTableSlot *slot, const CqrsAppend *append,
						 const CommonValues *common, int i);

/*
 * Appends the events and gives the version of the last one.
 */
int64
cqrs_append_events(const CqrsAppend *append)
{
	const CqrsCause *cause = cqrs_cause_get();
	CommonValues common;
	int32	   *schema_versions;
	int64		last_version;

	cqrs_stream_check_name(append->stream);
	common.metadata = merge_metadata(append->metadata, cause);
	schema_versions = check_events(append, common.metadata);

	cqrs_incarnation_ensure(cqrs_table_oid("event"));
	common.xid = GetTopFullTransactionId();
	common.category = cqrs_stream_category(append->stream);
	common.command_id = cause ? &cause->command_id : NULL;
	last_version = insert_events(append, &common, schema_versions);
	if (append->count > 0)
		cqrs_token_note(common.xid);
	CQRS_STOP_POINT("events-appended");

	/* the next append may be in the same statement, and must see this one */
	CommandCounterIncrement();
	n_appends++;
	if (!cqrs_cause_is_set())
		cqrs_after_events();
	return last_version;
}

/*
 * Changes with each append.
 */
uint64
cqrs_append_count(void)
{
	return n_appends;
}

/*
 * Checks all there is to check of the events, and gives the schema version of
 * each.
 */
static int32 *
check_events(const CqrsAppend *append, Jsonb *metadata)
{
	int32	   *schema_versions = palloc(Max(append->count, 1) * sizeof(int32));
	Size		metadata_size = metadata ? VARSIZE_ANY(metadata) : 0;

	for (int i = 0; i < append->count; i++)
	{
		text	   *name = DatumGetTextPP(append->types[i]);
		CqrsEventType type;

		cqrs_check_name(name, "event type", CQRS_MAX_NAME);
		check_size(append, i, metadata_size);
		type = cqrs_event_type_get(name);
		schema_versions[i] = type.schema_version;
		if (OidIsValid(type.payload))
			cqrs_payload_check(type.payload, type.owner, DatumGetJsonbP(append->data[i]),
							   "event type", text_to_cstring(name));
	}
	return schema_versions;
}

/*
 * What the event itself says wins over what its cause says.
 */
static Jsonb *
merge_metadata(Jsonb *own, const CqrsCause *cause)
{
	if (own && !JB_ROOT_IS_OBJECT(own))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("metadata of an event must be a JSON object")));
	if (cause == NULL || cause->metadata == NULL)
		return own;
	if (own == NULL)
		return cause->metadata;
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(cause->metadata),
											  JsonbPGetDatum(own)));
}

static void
check_size(const CqrsAppend *append, int i, Size metadata_size)
{
	Size		limit = (Size) cqrs_max_event_size * 1024;
	Size		size = toast_raw_datum_size(append->data[i]) + metadata_size;

	if (size > limit)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("event of type \"%s\" is too large",
						TextDatumGetCString(append->types[i])),
				 errdetail("Its data and metadata have %zu bytes; the limit is %zu.", size, limit),
				 errhint("Store large things elsewhere and refer to them, or raise \"cqrs.max_event_size\".")));
}

/*
 * Inserts the events at the end of the stream, and gives the version of the last.
 */
static int64
insert_events(const CqrsAppend *append, CommonValues *common, const int32 *schema_versions)
{
	CqrsTable	table;
	int64		version;

	cqrs_table_begin(&table, "event");
	if (append->count == 0)
		version = cqrs_tail_version(&table, append->stream, append->expected);
	else
	{
		CqrsTail	tail;
		ItemPointerData place;

		cqrs_tail_take(&tail, &table, append->stream, append->expected);
		/* whoever had the stream before us may have had it for long */
		common->recorded_at = GetCurrentTimestamp();
		insert_after(&table, tail.version, append, common, schema_versions, &place);
		version = tail.version + append->count;
		cqrs_tail_moved(&tail, &table, version, &place);
	}
	cqrs_table_end(&table);
	return version;
}

/*
 * Draws positions and inserts the events, some at a time: the rows first, then
 * their index entries.  "place" is where the last one went.
 */
static void
insert_after(CqrsTable *table, int64 version, const CqrsAppend *append,
			 const CommonValues *common, const int32 *schema_versions, ItemPointer place)
{
	TupleTableSlot *slots[CHUNK];
	Oid			sequence = cqrs_log_sequence();
	int			n_slots = Min(append->count, CHUNK);

	slots[0] = table->slot;
	for (int i = 1; i < n_slots; i++)
		slots[i] = table_slot_create(table->rel, NULL);

	for (int done = 0; done < append->count; done += n_slots)
	{
		n_slots = Min(append->count - done, n_slots);
		for (int k = 0; k < n_slots; k++)
		{
			int			i = done + k;
			Datum	   *values = fill_event(slots[k], append, common, i);

			values[EVENT_POSITION - 1] = Int64GetDatum(cqrs_log_draw(sequence));
			values[EVENT_VERSION - 1] = Int64GetDatum(version + 1 + i);
			values[EVENT_SCHEMA_VERSION - 1] = Int32GetDatum(schema_versions[i]);
			ExecStoreVirtualTuple(slots[k]);
		}
		cqrs_table_insert_many(table, slots, n_slots);
		CHECK_FOR_INTERRUPTS();
	}
	*place = slots[n_slots - 1]->tts_tid;

	for (int i = 1; i < Min(append->count, CHUNK); i++)
		ExecDropSingleTupleTableSlot(slots[i]);
}

/*
 * All but what makes the event different from the others of the append.
 */
static Datum *
fill_event(TupleTableSlot *slot, const CqrsAppend *append,
		   const CommonValues *common, int i)
{
	Datum	   *values = cqrs_table_new_row(slot, EVENT_NATTS);
	bool	   *nulls = slot->tts_isnull;

	values[EVENT_XID - 1] = FullTransactionIdGetDatum(common->xid);
	values[EVENT_STREAM - 1] = PointerGetDatum(append->stream);
	values[EVENT_CATEGORY - 1] = PointerGetDatum(common->category);
	values[EVENT_TYPE - 1] = append->types[i];
	values[EVENT_DATA - 1] = append->data[i];
	values[EVENT_METADATA - 1] = PointerGetDatum(common->metadata);
	nulls[EVENT_METADATA - 1] = (common->metadata == NULL);
	values[EVENT_COMMAND_ID - 1] = UUIDPGetDatum(common->command_id);
	nulls[EVENT_COMMAND_ID - 1] = (common->command_id == NULL);
	values[EVENT_RECORDED_AT - 1] = TimestampTzGetDatum(common->recorded_at);
	return values;
}
