/*-------------------------------------------------------------------------
 *
 * reader.h
 *		Reading the log: every committed event once, in position order within a step.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/reader.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_READER_H
#define CQRS_READER_H

#include "executor/tuptable.h"
#include "storage/itemptr.h"

#include "event/cursor.h"

typedef struct CqrsReader CqrsReader;

/*
 * Opens a durable cursor in the current transaction, which locks it against
 * others until the transaction ends.  "hint" may be NULL; a process that opens
 * one cursor again and again keeps it between transactions, zeroed at first.
 */
extern PGDLLEXPORT CqrsReader *cqrs_reader_open(const char *cursor, bool with_own, ItemPointer hint);

/*
 * Opens the cursor without a lock, to look at what is before it; works in a
 * read-only transaction, too.  What is read cannot be saved as delivered.
 */
extern CqrsReader *cqrs_reader_peek(const char *cursor);

/*
 * Makes the reader deliver nothing but what the other cursor had delivered; to
 * be called before the first event is asked for.  NULL: no limit.
 */
extern void cqrs_reader_set_limit(CqrsReader *reader, const CqrsCursor *limit);

/*
 * The next event, or NULL when there is none now.  The slot is of the table
 * cqrs.event, see event/log.h for its columns, and good until the next call.
 */
extern PGDLLEXPORT TupleTableSlot *cqrs_reader_next(CqrsReader *reader);

/*
 * Where the reader stands.  cqrs_reader_rewind() takes it back to a place that
 * it has marked in the same transaction, to read the same events again.
 */
extern PGDLLEXPORT void cqrs_reader_mark(CqrsReader *reader, CqrsCursor *mark);
extern PGDLLEXPORT void cqrs_reader_rewind(CqrsReader *reader, const CqrsCursor *mark);

/*
 * No more is read: gives back all that belongs to the current subtransaction.
 * What is left to do is saving and closing, which may be done outside of it.
 */
extern void cqrs_reader_finish(CqrsReader *reader);

/*
 * Makes what has been read count as delivered, from the commit of the current
 * transaction on, and says what that is.  Called in the (sub)transaction that has locked the cursor first:
 * a lock and an update by two of them make a multixact, each time.
 */
extern PGDLLEXPORT CqrsDelivered cqrs_reader_save(CqrsReader *reader);

extern PGDLLEXPORT void cqrs_reader_close(CqrsReader *reader);

#endif							/* CQRS_READER_H */
