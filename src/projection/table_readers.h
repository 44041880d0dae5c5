/*-------------------------------------------------------------------------
 *
 * table_readers.h
 *		What may look at tables while an expression is evaluated or a row is checked.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/table_readers.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_TABLE_READERS_H
#define CQRS_TABLE_READERS_H

#include "access/tupdesc.h"
#include "nodes/nodes.h"

extern bool cqrs_node_may_read(Node *node);
extern bool cqrs_type_may_read(Oid type);
extern bool cqrs_constraints_may_read(TupleDesc desc);

#endif							/* CQRS_TABLE_READERS_H */
