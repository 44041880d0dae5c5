/*-------------------------------------------------------------------------
 *
 * guc.c
 *		The settings of the extension, all of them, in alphabetical order.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/guc.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"

#include "base/guc.h"

int			cqrs_max_event_size = 256 * 1024;

void
cqrs_guc_init(void)
{
	/*
	 * An upper bound for what one event may hold.  Everything that reads the
	 * log has to hold at least one event in memory, several times over when
	 * it converts it, so an administrator may want to lower this well below
	 * what PostgreSQL can store in a row.  Only superusers may change it, as
	 * it protects the workers that all projections share.
	 */
	DefineCustomIntVariable("cqrs.max_event_size",
							"Sets the largest event, data and metadata together, that can be appended.",
							NULL,
							&cqrs_max_event_size,
							256 * 1024, 1, 1000 * 1024,
							PGC_SUSET,
							GUC_UNIT_KB,
							NULL, NULL, NULL);

	MarkGUCPrefixReserved("cqrs");
}
