/*-------------------------------------------------------------------------
 *
 * fold_table.h
 *		What the parts of the fold share: tables, rows, deferred work.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/fold_table.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_FOLD_TABLE_H
#define CQRS_FOLD_TABLE_H

#include "access/genam.h"
#include "access/htup.h"
#include "access/relscan.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "storage/buf.h"
#include "storage/itemptr.h"

#include "projection/arena.h"
#include "projection/fold.h"
#include "projection/rule.h"

/*
 * How a key column is compared and hashed.
 */
typedef enum CqrsKeyKind
{
	KEY_WORD,					/* passed by value, equal when the bits of its length are */
	KEY_BYTES,					/* fixed length, equal when the bytes are */
	KEY_TEXT,					/* the same for a varlena */
	KEY_ANY						/* by the functions of the type */
} CqrsKeyKind;

typedef struct CqrsFoldKey
{
	AttrNumber	attno;			/* in the table */
	CqrsKeyKind kind;
	int16		typlen;
	bool		typbyval;
	bool		is_integer;		/* int2, int4 or int8: ordered without a call */
	Oid			type;			/* that the index compares */
	Oid			collation;
	Oid			opfamily;
	RegProcedure equal_proc;
	FmgrInfo	equal;
	FmgrInfo	hash;
	FmgrInfo	compare;
} CqrsFoldKey;

/*
 * A value that is passed by reference is kept in a buffer, and the next value
 * is written into the spare one: the new value may point into any old one.
 */
typedef struct CqrsValueBuffers
{
	uint32		size;			/* of the buffer the value is in; 0: not to be reused */
	uint32		spare_size;
	char	   *spare;
} CqrsValueBuffers;

/*
 * A row of the table, or the place of one that does not exist.  Its key
 * columns are always set.
 */
typedef struct CqrsFoldRow
{
	uint32		hash;
	bool		unread;			/* or only that there may be something, at "tid"? */
	bool		stored;			/* is there a version in the table, at "tid"? */
	bool		present;		/* does the row exist now? */
	bool		changed;		/* is it to be written? */
	ItemPointerData tid;
	uint32		size;			/* of that version on its page; 0: unknown */
	int			group;			/* of the rows that are done together */
	Datum	   *values;
	bool	   *isnull;
	CqrsValueBuffers *buffers;	/* one a column */
} CqrsFoldRow;

/*
 * An event for which folds have been deferred: the fields of the rule.
 */
struct CqrsFoldEvent
{
	int64		position;
	Datum	   *values;
	bool	   *isnull;
};

/*
 * What one statement has to do for one event.
 */
struct CqrsFoldOp
{
	CqrsFold   *fold;
	CqrsFoldEvent *event;
	CqrsFoldRow *row;			/* NULL: the key is null */
};

/*
 * A table that folds write to.
 */
struct CqrsFoldTable
{
	CqrsEngine *engine;
	Oid			relid;
	Oid			index;			/* of the primary key */
	char	   *name;
	TupleDesc	desc;			/* our copy, with constraints */
	int			nkeys;
	CqrsFoldKey *keys;			/* in the order of the index */
	Bitmapset  *key_columns;
	Bitmapset  *watched;		/* varlena columns in indexes: too long a value is an error */
	Bitmapset  *left_out;		/* the same of indexes that do not exist yet */
	bool		generated;		/* are there stored generated columns? */
	bool		checks;			/* are there CHECK constraints, or NOT NULL beyond the key? */

	/* deferred work */
	CqrsArena	arena;			/* holds the rows */
	CqrsFoldRow **places;		/* hash table, open addressing; NULL: empty */
	uint32		mask;
	CqrsFoldRow **rows;			/* all of them, those of one look-up in the order of
								 * their places, then new ones in that of the key */
	int			nrows;
	int			rows_allocated;
	int			nfound;			/* the first so many have been looked up */
	bool		used;			/* by an operation that is queued? */

	struct CqrsFoldPlace *last_places;	/* where rows were written; NULL: none yet */

	struct CqrsFoldOpen *open;	/* while the table is open; else NULL */
};

/*
 * The table while work is being done on it.
 */
typedef struct CqrsFoldOpen
{
	Relation	rel;
	Relation	index;
	EState	   *estate;
	ResultRelInfo *rri;
	TupleTableSlot *slot;		/* for reading and writing */
	TupleTableSlot *next;		/* virtual: a row to be */
	TupleTableSlot *updated;	/* virtual: a row to be, after a conflict */
	TupleTableSlot *current;	/* virtual: points to the values of a row */
	bool		wrote;

	/* for reading (fold_page.c) */
	bool		heap;			/* do we know its pages? */
	Buffer		buffer;			/* the page we are at, pinned */
	HeapTupleData tuple;		/* on it */
	IndexFetchTableData *fetch; /* when we do not know them */
} CqrsFoldOpen;

/*
 * A compiled statement.  In its expressions the columns of the table are Vars
 * of the scan tuple, the fields of the event of the outer one, and excluded.*
 * of the inner one.
 */
struct CqrsFold
{
	CqrsStatement *statement;
	CqrsFoldTable *table;
	CmdType		command;
	OnConflictAction conflict;

	Expr	   *gate;			/* conditions on the event alone, or NULL */
	Expr	  **keys;			/* one a key column: depends on the event only */
	bool	   *key_is_integer; /* any integer type: convert */
	Oid		   *key_types;
	List	   *where;			/* further conditions on the row, implicitly ANDed */
	List	   *insert;			/* target list: all columns */
	List	   *set;			/* target list: changed columns, numbered from 1 */
	AttrNumber *set_columns;
	int			nset;
	bool		check_update;	/* can an update violate a constraint? */

	/* made at first use, after each error anew */
	bool		ready;
	MemoryContext context;		/* that they live in */
	ExprContext *econtext;
	TupleTableSlot *event_slot; /* virtual: points to the values of an event */
	TupleTableSlot *set_slot;
	TupleTableSlot *insert_slot;
	ExprState  *gate_state;
	ExprState **key_states;
	int		   *key_fields;		/* the key is just this field, from 0; -1: it is not */
	ExprState  *where_state;
	ProjectionInfo *insert_projection;
	ProjectionInfo *set_projection;
};

/* fold_target.c */
extern CqrsFoldTable *cqrs_fold_table_get(CqrsEngine *engine, Relation rel, const char **reason);
extern bool cqrs_fold_table_unchanged(CqrsFoldTable *table, Relation rel);

/* fold_state.c */
extern void cqrs_fold_prepare(CqrsFold *fold);
extern void cqrs_fold_unprepare(CqrsFold *fold);

/* fold_apply.c */
extern void cqrs_fold_apply_op(CqrsFoldTable *table, CqrsFoldOp *op);

/* fold_row.c */
extern void cqrs_fold_rows_begin(CqrsFoldTable *table);
extern CqrsFoldRow *cqrs_fold_row_get(CqrsFoldTable *table, const Datum *key);
extern int	cqrs_fold_row_compare(const void *a, const void *b, void *table);
extern bool cqrs_fold_has_word_keys(CqrsFoldTable *table);
extern uint64 cqrs_fold_row_word(CqrsFoldTable *table, const CqrsFoldRow *row);
extern void cqrs_fold_row_load(CqrsFoldTable *table, CqrsFoldRow *row, TupleTableSlot *slot);
extern void cqrs_fold_row_store(CqrsFoldTable *table, CqrsFoldRow *row,
								const Datum *values, const bool *isnull,
								const AttrNumber *columns, int n);
extern bool cqrs_fold_row_has_key(CqrsFoldTable *table, CqrsFoldRow *row, const Datum *key);
extern void cqrs_fold_row_delete(CqrsFoldRow *row);

/* fold_place.c */
typedef struct CqrsFoldPlace CqrsFoldPlace;
extern void cqrs_fold_place_remember(CqrsFoldTable *table, const CqrsFoldRow *row, ItemPointer tid);
extern bool cqrs_fold_place_recall(CqrsFoldTable *table, CqrsFoldRow *row);

/* fold_page.c */
extern void cqrs_fold_pages_begin(CqrsFoldOpen *open);
extern bool cqrs_fold_page_read(CqrsFoldOpen *open, ItemPointer place);
extern void cqrs_fold_page_leave(CqrsFoldOpen *open);
extern void cqrs_fold_pages_end(CqrsFoldOpen *open);
extern uint32 cqrs_fold_page_size(TupleTableSlot *slot);
extern void cqrs_fold_page_make_room(CqrsFoldOpen *open, BlockNumber block, Size needed);

/* fold_fetch.c */
extern void cqrs_fold_find(CqrsFoldTable *table);
extern void cqrs_fold_read(CqrsFoldTable *table, int from, int to);
extern void cqrs_fold_read_one(CqrsFoldTable *table, CqrsFoldRow *row);

/* fold.c */
extern bool cqrs_fold_compute_key(CqrsFold *fold, CqrsFoldEvent *event, Datum *key);
extern void cqrs_fold_show_event(CqrsFold *fold, CqrsFoldEvent *event);
extern Size cqrs_fold_memory_limit(void);

/* fold_flush.c */
extern void cqrs_fold_do_ops(CqrsEngine *engine, List *to_write);

/* fold_write.c */
extern void cqrs_fold_open(CqrsFoldTable *table);
extern void cqrs_fold_close(CqrsFoldTable *table);
extern void cqrs_fold_write(CqrsFoldTable *table);
extern void cqrs_fold_write_stored(CqrsFoldTable *table, int from, int to);
extern void cqrs_fold_write_through(CqrsFoldTable *table, CqrsFoldRow *row);

#endif							/* CQRS_FOLD_TABLE_H */
