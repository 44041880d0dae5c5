/*-------------------------------------------------------------------------
 *
 * tables.h
 *		What exists of a build in the database: its schema and tables.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/tables.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_TABLES_H
#define CQRS_TABLES_H

#include "projection/registry.h"

extern char *cqrs_build_name(const char *projection, int32 number);
extern void cqrs_tables_create(const CqrsProjection *projection, int32 number, Oid role);
extern void cqrs_run_as_owner(const char *sql, Oid role, const char *schema, const char *what);
extern Oid	cqrs_schema_owner(Oid schema);
extern Oid	cqrs_relation_owner(Oid relation);
extern void cqrs_tables_require_lasting(Oid schema);
extern void cqrs_relation_require_lasting(Oid relation);
extern void cqrs_tables_drop(const CqrsProjection *projection, int32 number);

#endif							/* CQRS_TABLES_H */
