/*-------------------------------------------------------------------------
 *
 * recent.c
 *		Events that were just read, kept for the next reader of the same part of the log.
 *
 * NOTES
 *		A process that serves several projections reads the same events once
 *		for each of them.  Of one part of a step, "beyond this position, up to
 *		that", the content depends on nothing but the two snapshots of the step:
 *		whoever reads it, and when.  So it can be kept, across transactions too,
 *		and given to any cursor that is in the same step.  For cursors to be in
 *		the same step, one that has ended a step adopts the target that another
 *		one has taken from there.
 *
 *		Events are kept as they are needed: in order, taken apart, with their
 *		data in a form that it can be read in, and with the fields that rules
 *		have asked for.
 *
 *		One chunk of the log is kept, of a few megabytes.  While one reader is at
 *		it no other one touches it.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/recent.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "event/log.h"
#include "event/recent.h"

/* so much is kept, at most */
#define MAX_BYTES	(8 * 1024 * 1024)

/* events in one allocation */
#define BLOCK_EVENTS 256

/*
 * An event.
 */
typedef struct Kept
{
	int64		position;
	Datum	   *values;			/* of all columns: somebody may have added some */
	bool	   *isnull;
	CqrsRecentValue fields[CQRS_RECENT_VALUES];
} Kept;

/*
 * A field of the data that values are kept of.  The number stays the same for
 * as long as the session lives.
 */
typedef struct Field
{
	char		name[NAMEDATALEN];
	Oid			type;
} Field;

static bool enabled = false;
static bool valid = false;
static bool stale = false;		/* has the log changed as a table? */
static bool in_use = false;
static bool complete = false;	/* is there nothing more in the step? */
static MemoryContext context = NULL;	/* of all that is kept */
static CqrsCursor step;			/* the step, by incarnation, done and target */
static int64 after_position;	/* the chunk begins behind it */
static int64 last_position;		/* and ends here */
static int	count = 0;
static int	n_blocks = 0;
static Kept **blocks = NULL;
static Oid	kept_relation = InvalidOid;
static TupleTableSlot *kept_slot = NULL;
static Kept *shown = NULL;		/* what the slot shows */

static Field fields[CQRS_RECENT_VALUES];
static int	n_fields = 0;

static void forget(void);
static bool same_moment(const CqrsMoment *a, const CqrsMoment *b);
static void copy_moment(CqrsMoment *to, const CqrsMoment *from);
static int	first_behind(int64 position);
static Kept *kept_at(int i);
static void relation_changed(Datum arg, Oid relid);
static TupleTableSlot *show(Kept *kept);
static Datum readable(Datum data);

/*
 * From now on, is there somebody to keep events for?
 */
void
cqrs_recent_keep(bool keep)
{
	enabled = keep;
	if (!keep && !in_use)
		forget();
}

/*
 * The target that another cursor has taken where this one has to take one.
 */
bool
cqrs_recent_target(const CqrsCursor *cursor, CqrsMoment *target)
{
	if (!enabled || !valid || in_use || FullTransactionIdIsValid(cursor->own_xid) ||
		cursor->incarnation != step.incarnation || !same_moment(&cursor->done, &step.done))
		return false;
	copy_moment(target, &step.target);
	return true;
}

/*
 * A reader begins to read the later part of its step, behind a position.
 */
void
cqrs_recent_begin(CqrsRecentUse *use, const CqrsCursor *cursor, int64 position)
{
	Assert(!use->reads && !use->writes);
	if (!enabled || in_use || FullTransactionIdIsValid(cursor->own_xid))
		return;

	if (valid && !stale && cursor->incarnation == step.incarnation &&
		same_moment(&cursor->done, &step.done) && same_moment(&cursor->target, &step.target) &&
		position >= after_position && (position < last_position || complete))
	{
		use->reads = in_use = true;
		use->next = first_behind(position);
		return;
	}

	forget();
	if (context == NULL)
	{
		context = AllocSetContextCreate(TopMemoryContext, "cqrs recent events",
										ALLOCSET_DEFAULT_MINSIZE, 256 * 1024, 256 * 1024);
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	}
	step.incarnation = cursor->incarnation;
	{
		MemoryContext before = MemoryContextSwitchTo(context);

		copy_moment(&step.done, &cursor->done);
		copy_moment(&step.target, &cursor->target);
		MemoryContextSwitchTo(before);
	}
	after_position = last_position = position;
	use->writes = in_use = true;
	valid = true;
}

void
cqrs_recent_end(CqrsRecentUse *use)
{
	if (use->reads || use->writes)
		in_use = false;
	use->reads = use->writes = false;
}

/*
 * The next event that was kept; NULL: the reader has to see itself what there
 * is beyond.
 */
TupleTableSlot *
cqrs_recent_next(CqrsRecentUse *use, int64 *position)
{
	Kept	   *kept;

	Assert(use->reads);
	if (use->next >= count)
		return NULL;
	kept = kept_at(use->next++);
	*position = kept->position;
	return show(kept);
}

/*
 * At the end of what was kept: is that all?  Else it goes on behind *position.
 */
bool
cqrs_recent_complete(const CqrsRecentUse *use, int64 *position)
{
	Assert(use->reads);
	*position = Max(*position, last_position);
	return complete;
}

/*
 * Keeps an event that the reader has found.  Gives it as it is kept, or as it
 * was when there is no more room.
 */
TupleTableSlot *
cqrs_recent_add(CqrsRecentUse *use, TupleTableSlot *slot, int64 position)
{
	TupleDesc	desc = slot->tts_tupleDescriptor;
	MemoryContext before;
	Kept	   *kept;
	HeapTuple	tuple;

	Assert(use->writes);
	if (stale || MemoryContextMemAllocated(context, false) > MAX_BYTES)
	{
		cqrs_recent_end(use);
		return slot;
	}

	before = MemoryContextSwitchTo(context);
	if (count == n_blocks * BLOCK_EVENTS)
	{
		blocks = blocks ? repalloc(blocks, (n_blocks + 1) * sizeof(Kept *)) :
			palloc(sizeof(Kept *));
		blocks[n_blocks] = palloc(BLOCK_EVENTS * sizeof(Kept));
		n_blocks++;
	}
	if (kept_slot == NULL)
	{
		kept_slot = MakeSingleTupleTableSlot(CreateTupleDescCopy(desc), &TTSOpsVirtual);
		kept_relation = slot->tts_tableOid;
	}
	kept = kept_at(count);
	tuple = ExecCopySlotHeapTuple(slot);
	kept->values = palloc(desc->natts * sizeof(Datum));
	kept->isnull = palloc(desc->natts * sizeof(bool));
	heap_deform_tuple(tuple, desc, kept->values, kept->isnull);
	kept->values[EVENT_DATA - 1] = readable(kept->values[EVENT_DATA - 1]);
	kept->position = position;
	memset(kept->fields, 0, n_fields * sizeof(CqrsRecentValue));
	MemoryContextSwitchTo(before);

	last_position = position;
	count++;
	return show(kept);
}

/*
 * The reader has come to the end of its step.
 */
void
cqrs_recent_set_complete(CqrsRecentUse *use)
{
	Assert(use->writes);
	complete = true;
}

/*
 * The number of a field, of that name and type, that rules look at; -1: there
 * are too many.
 */
int
cqrs_recent_value_id(const char *name, int length, Oid type)
{
	if (length >= NAMEDATALEN)
		return -1;
	for (int i = 0; i < n_fields; i++)
		if (fields[i].type == type && strlen(fields[i].name) == length &&
			memcmp(fields[i].name, name, length) == 0)
			return i;
	if (n_fields == CQRS_RECENT_VALUES)
		return -1;
	memcpy(fields[n_fields].name, name, length);
	fields[n_fields].name[length] = '\0';
	fields[n_fields].type = type;

	/* what is kept does not know of it yet */
	for (int i = 0; i < count; i++)
		kept_at(i)->fields[n_fields].state = CQRS_RECENT_UNKNOWN;
	return n_fields++;
}

/*
 * Where the value of a field of that event is kept, or is to be; NULL: nowhere.
 */
CqrsRecentValue *
cqrs_recent_value(TupleTableSlot *slot, int id)
{
	return slot == kept_slot && shown && id >= 0 ? &shown->fields[id] : NULL;
}

/*
 * Copies a varlena to where it lives as long as the event is kept.
 */
Datum
cqrs_recent_copy(Datum value)
{
	MemoryContext before = MemoryContextSwitchTo(context);
	Datum		result = datumCopy(value, false, -1);

	MemoryContextSwitchTo(before);
	return result;
}

static void
forget(void)
{
	Assert(!in_use);
	valid = complete = stale = false;
	count = n_blocks = 0;
	blocks = NULL;
	shown = NULL;
	memset(&step, 0, sizeof(step));
	kept_slot = NULL;
	if (context)
		MemoryContextReset(context);
}

static bool
same_moment(const CqrsMoment *a, const CqrsMoment *b)
{
	return a->snapshot && b->snapshot && a->floor == b->floor && a->ceiling == b->ceiling &&
		FullTransactionIdEquals(a->next_xid, b->next_xid) &&
		cqrs_snapshot_equal(a->snapshot, b->snapshot);
}

static void
copy_moment(CqrsMoment *to, const CqrsMoment *from)
{
	*to = *from;
	to->snapshot = cqrs_snapshot_copy(from->snapshot);
}

static int
first_behind(int64 position)
{
	int			low = 0;
	int			high = count;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (kept_at(middle)->position > position)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static Kept *
kept_at(int i)
{
	return &blocks[i / BLOCK_EVENTS][i % BLOCK_EVENTS];
}

/*
 * Relation cache callback: what is kept may not be a row of the log any more.
 */
static void
relation_changed(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == kept_relation)
		stale = true;
}

static TupleTableSlot *
show(Kept *kept)
{
	kept_slot->tts_values = kept->values;
	kept_slot->tts_isnull = kept->isnull;
	kept_slot->tts_nvalid = kept_slot->tts_tupleDescriptor->natts;
	kept_slot->tts_flags &= ~TTS_FLAG_EMPTY;
	shown = kept;
	return kept_slot;
}

/*
 * Data with a short header cannot be read as it is: give it a long one.  What
 * is compressed or stored elsewhere stays so.
 */
static Datum
readable(Datum data)
{
	struct varlena *value = (struct varlena *) DatumGetPointer(data);
	struct varlena *result;
	Size		length;

	if (VARATT_IS_EXTERNAL(value) || !VARATT_IS_SHORT(value))
		return data;
	length = VARSIZE_SHORT(value) - VARHDRSZ_SHORT;
	result = palloc(length + VARHDRSZ);
	SET_VARSIZE(result, length + VARHDRSZ);
	memcpy(VARDATA(result), VARDATA_SHORT(value), length);
	return PointerGetDatum(result);
}
