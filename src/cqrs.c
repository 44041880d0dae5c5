/*-------------------------------------------------------------------------
 *
 * cqrs.c
 *		Entry point of the library: starts the modules, bottom layer first.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/cqrs.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "base/compat.h"
#include "base/guc.h"
#include "event/event_type.h"
#include "projection/build.h"
#include "projection/inline.h"

#ifdef PG_MODULE_MAGIC_EXT
PG_MODULE_MAGIC_EXT(.name = "cqrs", .version = CQRS_VERSION);
#else
PG_MODULE_MAGIC;
#endif

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	cqrs_guc_init();
	cqrs_event_type_init();
	cqrs_build_init();
	cqrs_inline_init();
}
