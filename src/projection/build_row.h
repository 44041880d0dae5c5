/*-------------------------------------------------------------------------
 *
 * build_row.h
 *		Rows of cqrs.build: which builds a projection has, and how far they are.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/build_row.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_BUILD_ROW_H
#define CQRS_BUILD_ROW_H

#include "access/transam.h"
#include "datatype/timestamp.h"

#include "projection/registry.h"

/* src/README.md says what happens in each */
typedef enum CqrsBuildState
{
	CQRS_BUILD_DRAFT,			/* next: FILLING, LIVE */
	CQRS_BUILD_FILLING,			/* next: INDEXING */
	CQRS_BUILD_INDEXING,		/* next: CATCHING_UP */
	CQRS_BUILD_CATCHING_UP,		/* next: FOLLOWING */
	CQRS_BUILD_FOLLOWING,		/* next: LIVE, CATCHING_UP */
	CQRS_BUILD_LIVE,			/* next: PREVIOUS, RETIRED */
	CQRS_BUILD_PREVIOUS,		/* next: LIVE, RETIRED */
	CQRS_BUILD_RETIRED			/* next: gone */
} CqrsBuildState;

/*
 * As it was when it was read.
 */
typedef struct CqrsBuildRow
{
	char	   *projection;
	int32		number;
	CqrsBuildState state;
	char	   *tables;			/* statements that create them; never changed here */
	List	   *views;			/* names of those that show it */
	List	   *later;			/* statements to be run when it is filled */
	bool		looked;			/* is waits_for known? */
	List	   *waits_for;		/* virtual transaction ids, as text */
	FullTransactionId complete_xid; /* invalid: is not complete */
	TimestampTz keep_until;		/* 0: not kept */
	char	   *last_error;		/* NULL: nothing has stopped it */
	List	   *policies;		/* that "tables" has made; never changed here */
} CqrsBuildRow;

extern List *cqrs_build_rows(const char *projection);
extern CqrsBuildRow *cqrs_build_row_or_null(const char *projection, int32 number);
extern CqrsBuildRow *cqrs_build_row(const char *projection, int32 number);
extern int32 cqrs_build_draft(const char *projection);
extern bool cqrs_build_has_others(const char *projection);
extern List *cqrs_build_with_others(void);
extern void cqrs_build_row_write(const CqrsBuildRow *row);
extern bool cqrs_build_row_set_waits(CqrsBuildRow *row, List *waits_for);
extern void cqrs_build_row_set_policies(const char *projection, int32 number, List *policies);
extern void cqrs_build_row_delete(const char *projection, int32 number);
extern bool cqrs_build_is_next(const CqrsBuildRow *row);
extern bool cqrs_build_unfollow(const char *projection, int32 number);
extern void cqrs_build_stop(const char *projection, int32 number, const char *reason);

#endif							/* CQRS_BUILD_ROW_H */
