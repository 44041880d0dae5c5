/*-------------------------------------------------------------------------
 *
 * inline.c
 *		Projections of mode "inline": applied by the transaction that appends.
 *
 * NOTES
 *		No cursor is moved on the way: its row would make all transactions that
 *		append wait for each other.  Each transaction applies exactly the
 *		events that it has appended itself, and holds the lock on their
 *		streams meanwhile, so the order inside each stream is right.
 *
 *		How far the current transaction has come is one position: events are
 *		appended in position order, so what it appends later lies beyond.  A
 *		rollback to a savepoint takes back rows of read tables, and then the
 *		position has to go back, too.  So a position is remembered together
 *		with the id of the subtransaction that has applied up to there, and
 *		counts as long as PostgreSQL says that this one is part of the current
 *		transaction and not rolled back.
 *
 *		Two transactions may write the same row.  The rows of the second one were
 *		computed from what it saw before it had to wait, and the first one has
 *		committed.  Then it applies its events again, from a new snapshot, as the
 *		executor does with one row under READ COMMITTED.  For that they are applied
 *		in a subtransaction; but not too often in one transaction, as others have
 *		to look at each.  From then on, and with a snapshot that does not change,
 *		the second one fails.
 *
 *		Whoever starts, pauses, resumes or drops such a projection locks the
 *		event table against appends first, and waits for those under way.  So
 *		each append either ends before, and is history, or begins afterwards
 *		and sees what has been decided; the cursor serves for history only.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/inline.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "event/after.h"
#include "event/append.h"
#include "event/incarnation.h"
#include "event/log.h"
#include "event/pick.h"
#include "event/reader.h"
#include "projection/apply.h"
#include "projection/attempt.h"
#include "projection/build.h"
#include "projection/inline.h"
#include "projection/tables.h"
#include "stats/applied.h"

/*
 * "The subtransaction has applied all own events up to the position."
 */
typedef struct Progress
{
	TransactionId xid;
	int64		position;
} Progress;

/*
 * Part of the log to apply.
 */
typedef struct Range
{
	int64		after_position;
	int64		last_position;
	bool		types_known;
	List	   *types;			/* of its events (text), each once */
} Range;

/*
 * A projection whose turn it is.
 */
typedef struct Turn
{
	CqrsBuild  *build;
	Range	   *range;
	int64		applied;		/* events that there is a rule for */
	bool		wrote;			/* has the subtransaction got an id? */
} Turn;

/* so many subtransactions cost others nothing (PGPROC_MAX_CACHED_SUBXIDS is 64) */
#define MAX_GUARDED	32

/* of the transaction "progress_of" only, in its memory; rising */
static Progress *progress = NULL;
static int	n_progress = 0;
static int	allocated_progress = 0;
static int	n_guarded = 0;		/* how many subtransactions have got an id */
static FullTransactionId progress_of = {0};

static bool applying = false;

pg_noreturn static void cannot_begin(const CqrsProjection *projection);
static void after_events(void);
static void apply_all(void);
static void apply_range(Range *range, const char *but);
static void apply_one(const CqrsProjection *projection, Range *range);
static void take_turn(void *arg);
static void feed_range(CqrsBuild *build, void *arg);
static int64 get_progress(void);
static void set_progress(int64 position);

void
cqrs_inline_init(void)
{
	cqrs_inline_list_init();
	cqrs_after_events_register(after_events);
}

/*
 * Waits for all transactions that have appended events and keeps others from
 * appending, until the end of the transaction.  To be called before anything
 * of the projection is locked: one who appends may want that next.
 *
 * While events are being applied, which projections run inline stays as it is.
 */
void
cqrs_inline_lock(void)
{
	if (applying)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("inline projections are being applied in this session"),
				 errdetail("A rule cannot start, pause, resume, revert or drop an inline projection.")));
	LockRelationOid(cqrs_table_oid("event"), ShareLock);
	/* events of this very command may be pending for the others */
	after_events();
}

/*
 * Applies what this transaction has appended so far.
 */
void
cqrs_inline_flush(void)
{
	after_events();
}

/*
 * From here to the release what this transaction appends is left alone.  The
 * release, which comes after an error as well, takes what we return.
 */
bool
cqrs_inline_hold(void)
{
	bool		before = applying;

	applying = true;
	return before;
}

void
cqrs_inline_release(bool before)
{
	applying = before;
}

/*
 * Applies what has been appended since the hold.  The projection has it already.
 */
void
cqrs_inline_settle(const CqrsProjection *projection)
{
	Assert(applying);
	if (FullTransactionIdIsValid(GetTopFullTransactionIdIfAny()))
		apply_range(&(Range) {get_progress(), cqrs_log_last_drawn()}, projection->name);
	apply_all();
}

/*
 * The projection runs from now on: it is brought up to date.  Appends are
 * locked out.  What has been appended in this transaction since then, by DDL of the
 * build or by the projection's rules, is news for the others.
 */
void
cqrs_inline_begin(const CqrsProjection *projection)
{
	CqrsApplyResult result;
	uint64		appends;
	bool		before;

	before = cqrs_inline_hold();
	PG_TRY();
	{
		do
		{
			CHECK_FOR_INTERRUPTS();
			appends = cqrs_append_count();
			result = cqrs_projection_apply(projection->name, PG_INT64_MAX, true);
			if (result.parked > 0 || result.status == CQRS_APPLY_NOT_RUNNING)
				cannot_begin(projection);
		} while (result.status == CQRS_APPLY_MORE || cqrs_append_count() != appends);
		cqrs_inline_settle(projection);
	}
	PG_FINALLY();
	{
		cqrs_inline_release(before);
	}
	PG_END_TRY();
}

/*
 * The projection does not run any more, and everything up to now has been
 * applied: so says the cursor then.  Appends are locked out.
 */
void
cqrs_inline_end(const CqrsProjection *projection)
{
	CqrsReader *reader;

	reader = cqrs_reader_open(cqrs_build_name(projection->name, projection->live_build),
							  true, NULL);
	while (cqrs_reader_next(reader) != NULL)
		CHECK_FOR_INTERRUPTS();
	cqrs_reader_save(reader);
	cqrs_reader_close(reader);
}

static void
cannot_begin(const CqrsProjection *projection)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("projection \"%s\" cannot be brought up to date", projection->name),
			 errdetail("%s", cqrs_projection_get(projection->name)->last_error),
			 errhint("An inline projection has to take every event; change the rule.")));
}

/*
 * Called when this transaction has appended events.  An append by a rule adds
 * to the events that are being applied.
 */
static void
after_events(void)
{
	bool		before;

	if (applying || cqrs_inline_projections() == NIL)
		return;

	before = cqrs_inline_hold();
	PG_TRY();
	{
		apply_all();
	}
	PG_FINALLY();
	{
		cqrs_inline_release(before);
	}
	PG_END_TRY();
}

/*
 * Applies what this transaction has appended and not yet applied, until rules
 * append no more.
 */
static void
apply_all(void)
{
	uint64		appends;

	if (!FullTransactionIdIsValid(GetTopFullTransactionIdIfAny()))
		return;
	do
	{
		CHECK_FOR_INTERRUPTS();
		appends = cqrs_append_count();
		apply_range(&(Range) {get_progress(), cqrs_log_last_drawn()}, NULL);
	} while (cqrs_append_count() != appends);
}

/*
 * Lets all projections but one apply these events.
 */
static void
apply_range(Range *range, const char *but)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "cqrs inline",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext before = MemoryContextSwitchTo(scratch);
	ListCell   *lc;

	/* with one projection, to see whether it wants the events costs as much as its turn */
	range->types_known = list_length(cqrs_inline_projections()) > 1;
	if (range->types_known)
		range->types = cqrs_pick_own_types(range->after_position, range->last_position);
	foreach(lc, cqrs_inline_projections())
	{
		CqrsProjection *projection = lfirst(lc);

		if (but == NULL || strcmp(projection->name, but) != 0)
			apply_one(projection, range);
	}
	MemoryContextSwitchTo(before);
	MemoryContextDelete(scratch);
	set_progress(range->last_position);
}

static void
apply_one(const CqrsProjection *projection, Range *range)
{
	Turn		turn = {cqrs_build_get(projection, projection->live_build), range};
	bool		done = false;

	if (range->types_known && !cqrs_engine_wants_any(turn.build->engine, range->types))
		return;
	while (!done && !IsolationUsesXactSnapshot() && n_guarded < MAX_GUARDED)
	{
		ErrorData  *error = cqrs_attempt_quietly(take_turn, &turn);

		if (error || turn.wrote)
			n_guarded++;
		if (error && !cqrs_engine_lost_race(turn.build->engine))
			ReThrowError(error);
		if (error)
			turn.build = cqrs_build_get(projection, projection->live_build);
		done = (error == NULL);
	}
	if (!done)
		take_turn(&turn);
	cqrs_applied_note(projection->name, turn.applied);
}

static void
take_turn(void *arg)
{
	Turn	   *turn = (Turn *) arg;

	cqrs_build_apply(turn->build, feed_range, turn);
	turn->wrote = TransactionIdIsValid(GetCurrentTransactionIdIfAny());
}

static void
feed_range(CqrsBuild *build, void *arg)
{
	Turn	   *turn = (Turn *) arg;
	CqrsPick   *pick = cqrs_pick_begin();
	TupleTableSlot *event;

	turn->applied = 0;
	cqrs_pick_own(pick, turn->range->after_position, turn->range->last_position);
	while ((event = cqrs_pick_next(pick)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (cqrs_engine_apply(build->engine, event))
			turn->applied++;
		if (cqrs_engine_memory(build->engine) > (Size) cqrs_batch_max_bytes * 1024)
			cqrs_engine_flush(build->engine);
	}
	cqrs_pick_end(pick);
}

/*
 * The last own event that has been applied, or where the first one may be behind.
 */
static int64
get_progress(void)
{
	if (!FullTransactionIdEquals(progress_of, GetTopFullTransactionId()))
	{
		progress_of = GetTopFullTransactionId();
		n_progress = allocated_progress = n_guarded = 0;
		progress = NULL;
	}
	while (n_progress > 0 &&
		   !TransactionIdIsCurrentTransactionId(progress[n_progress - 1].xid))
		n_progress--;
	return n_progress > 0 ? progress[n_progress - 1].position : cqrs_incarnation_floor();
}

static void
set_progress(int64 position)
{
	TransactionId xid = GetCurrentTransactionId();

	(void) get_progress();
	if (n_progress > 0 && progress[n_progress - 1].xid == xid)
	{
		progress[n_progress - 1].position = position;
		return;
	}
	if (n_progress == allocated_progress)
	{
		allocated_progress = Max(16, 2 * allocated_progress);
		progress = progress ?
			repalloc_huge(progress, allocated_progress * sizeof(Progress)) :
			MemoryContextAlloc(TopTransactionContext, allocated_progress * sizeof(Progress));
	}
	progress[n_progress].xid = xid;
	progress[n_progress++].position = position;
}
