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
#include "base/extension.h"
#include "base/guc.h"
#include "base/shmem.h"
#include "base/table.h"
#include "command/registry.h"
#include "event/event_type.h"
#include "projection/batch_events.h"
#include "projection/build.h"
#include "projection/inline.h"
#include "query/registry.h"
#include "stats/counters.h"
#include "worker/board.h"
#include "worker/launcher.h"
#include "worker/utility.h"
#include "worker/wait.h"
#include "worker/wakeup.h"

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
	cqrs_table_init();
	cqrs_extension_init();
	cqrs_counters_init();
	cqrs_event_type_init();
	cqrs_command_init();
	cqrs_build_init();
	cqrs_batch_scan_init();
	cqrs_inline_init();
	cqrs_query_init();
	cqrs_board_init();
	cqrs_wakeup_init();
	cqrs_utility_init();
	cqrs_wait_init();
	cqrs_launcher_init();
	cqrs_shmem_init();
}
