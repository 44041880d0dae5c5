/*-------------------------------------------------------------------------
 *
 * triggers.c
 *		Trigger functions that guard the extension's own tables.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/triggers.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/inval.h"
#include "utils/rel.h"

#include "base/triggers.h"

PG_FUNCTION_INFO_V1(cqrs_invalidate);
PG_FUNCTION_INFO_V1(cqrs_refuse_change);

static CqrsRegistryChanged changed_function = NULL;

static TriggerData *called_as_trigger(FunctionCallInfo fcinfo, const char *name);

/*
 * An upper layer registers here, at load, to be told of changes.
 */
void
cqrs_registry_changed_register(CqrsRegistryChanged function)
{
	Assert(changed_function == NULL);
	changed_function = function;
}

/*
 * Statement trigger of the registries.  The relation cache's invalidation
 * message reaches every session at the right moment: ours at the end of the
 * command, others when we commit, nobody when we roll back.
 */
Datum
cqrs_invalidate(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = called_as_trigger(fcinfo, "cqrs.invalidate");

	CacheInvalidateRelcache(trigger->tg_relation);
	if (changed_function)
		changed_function(RelationGetRelationName(trigger->tg_relation));
	PG_RETURN_POINTER(NULL);
}

Datum
cqrs_refuse_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = called_as_trigger(fcinfo, "cqrs.refuse_change");

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("events cannot be changed or deleted"),
			 errdetail("Table \"cqrs.%s\" is insert-only.",
					   RelationGetRelationName(trigger->tg_relation)),
			 errhint("Append an event that corrects the earlier one.")));
	PG_RETURN_NULL();			/* keep compiler quiet */
}

static TriggerData *
called_as_trigger(FunctionCallInfo fcinfo, const char *name)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by a trigger", name)));
	return (TriggerData *) fcinfo->context;
}
