/*-------------------------------------------------------------------------
 *
 * table.h
 *		Tables of the extension, reached from C: open by name, find, lock, insert.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/table.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_TABLE_H
#define CQRS_TABLE_H

#include "access/skey.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "storage/itemptr.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "base/compat.h"

/*
 * A table of the extension opened for direct inserts, with its indexes.
 * "slot" holds one row, in or out.
 */
typedef struct CqrsTable
{
	Relation	rel;
	TupleTableSlot *slot;
	EState	   *estate;
	ResultRelInfo *rri;
} CqrsTable;

extern void cqrs_table_init(void);
extern Oid	cqrs_table_oid(const char *name);
extern Oid	cqrs_owner(void);
extern Relation cqrs_table_open(const char *name, LOCKMODE lockmode);

extern void cqrs_table_begin(CqrsTable *table, const char *name);
extern Datum *cqrs_table_new_row(TupleTableSlot *slot, int ncolumns);
extern void cqrs_table_insert(CqrsTable *table);
extern void cqrs_table_insert_many(CqrsTable *table, TupleTableSlot **slots, int n);
extern bool cqrs_table_insert_unless_exists(CqrsTable *table);
extern bool cqrs_table_find(CqrsTable *table, ScanKeyData *keys, int nkeys,
							TransactionId *updater);
extern void cqrs_table_end(CqrsTable *table);

extern bool cqrs_block_exists(Relation rel, BlockNumber block);
extern bool cqrs_row_at(Relation rel, text *key, ItemPointer tid, TupleTableSlot *slot);
extern bool cqrs_row_find(Relation rel, text *key, ItemPointer hint,
						  TupleTableSlot *slot, TransactionId *updater);
extern bool cqrs_row_read(Relation rel, text *key, ItemPointer hint, Snapshot snapshot,
						  TupleTableSlot *slot);
extern void cqrs_row_require_visible(Relation rel, TupleTableSlot *slot);
extern bool cqrs_row_lock(Relation rel, text *key, ItemPointer hint,
						  TupleTableSlot *slot);
extern bool cqrs_row_update(CqrsTable *table, ItemPointer tid);
extern void cqrs_version_insert_entries(ResultRelInfo *rri, Relation key, TupleTableSlot *slot,
										EState *estate, CqrsUpdateIndexes which);

#endif							/* CQRS_TABLE_H */
