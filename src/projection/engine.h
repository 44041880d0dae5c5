/*-------------------------------------------------------------------------
 *
 * engine.h
 *		The rules of one build, ready to be applied to events.
 *
 * An engine is made from the rules of a projection and the schema of a build.
 * It is always called as the owner of the projection, with search_path pinned
 * to the schema of the build, pg_catalog and pg_temp, in this order, within a
 * subtransaction (or transaction) that the caller has begun.
 *
 * The result of cqrs_engine_apply(e1) ... cqrs_engine_apply(en),
 * cqrs_engine_flush() is what executing the rules of e1, ..., en one by one
 * would give, or an error if that would give one.  The error may be raised
 * later than at its event, in the next flush at the latest; with one event
 * between two flushes it is that event's.  After an error the caller rolls
 * the subtransaction back and calls cqrs_engine_reset().
 *
 * Nothing of an event outlives a flush.  Between a flush and the next event
 * the caller may end the transaction.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/engine.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_ENGINE_H
#define CQRS_ENGINE_H

#include "executor/tuptable.h"
#include "nodes/pg_list.h"

typedef struct CqrsEngine CqrsEngine;

typedef enum CqrsRuleKind
{
	CQRS_RULE_SQL,
	CQRS_RULE_FUNCTION,
	CQRS_RULE_BATCH
} CqrsRuleKind;

typedef struct CqrsRuleDef
{
	int			id;
	CqrsRuleKind kind;
	const char *event_type;		/* '*' is every type; NULL for a batch rule */
	List	   *event_types;	/* of a batch rule: char *; '*' is every type */
	const char *text;			/* SQL text, or signature of a function, qualified */
} CqrsRuleDef;

/*
 * One row of cqrs_explain().
 */
typedef struct CqrsExplainRow
{
	const char *event_type;
	const char *plan;			/* fold, statement, function or batch */
	const char *reason;			/* why not a fold, or what to take care of; may be NULL */
} CqrsExplainRow;

/*
 * Prepares and checks all rules.  An error names the rule, and the place in
 * its text.  The engine lives until cqrs_engine_destroy().
 */
extern PGDLLEXPORT CqrsEngine *cqrs_engine_create(const char *projection, const char *schema, List *rules);
extern PGDLLEXPORT void cqrs_engine_destroy(CqrsEngine *engine);

/*
 * Has DDL changed something that the rules have been compiled for?  Then it
 * has to be made anew before it is used for another batch.
 */
extern PGDLLEXPORT bool cqrs_engine_valid(CqrsEngine *engine);

/*
 * Is there a rule for events of this type?  Others may be passed over.
 */
extern PGDLLEXPORT bool cqrs_engine_wants(CqrsEngine *engine, const char *type, int len);

/*
 * Is there one for any of these types (text)?
 */
extern bool cqrs_engine_wants_any(CqrsEngine *engine, const List *types);

/*
 * Applies the rules to one event, a row of cqrs.event (see event/log.h).  The
 * slot is read only until the function returns.  False when there is no rule
 * for it.
 */
extern PGDLLEXPORT bool cqrs_engine_apply(CqrsEngine *engine, TupleTableSlot *event);

/*
 * Does all work that has been deferred, batch rules included.
 */
extern PGDLLEXPORT void cqrs_engine_flush(CqrsEngine *engine);

/*
 * Forgets all work that has been deferred.
 */
extern PGDLLEXPORT void cqrs_engine_reset(CqrsEngine *engine);

/*
 * The rule that the last error came from: its event type, or types, as it was
 * registered with; NULL when the error came from no rule.  To be asked before
 * the engine is reset.
 */
extern char *cqrs_engine_failed_rule(CqrsEngine *engine);

/*
 * Did the last error say that somebody else has written a row meanwhile?  Then the
 * same events may be applied with a new snapshot.  To be asked before the engine
 * is reset.
 */
extern bool cqrs_engine_lost_race(CqrsEngine *engine);

/*
 * These statements create indexes that do not exist yet.
 */
extern void cqrs_engine_leave_out(CqrsEngine *engine, List *statements);

/*
 * Has there been a value that such an index may refuse?
 */
extern bool cqrs_engine_needs_indexes(CqrsEngine *engine);

/*
 * Bytes held for deferred work: when they become many, flush.
 */
extern PGDLLEXPORT Size cqrs_engine_memory(CqrsEngine *engine);

/*
 * List of CqrsExplainRow in the order of the rules, in the current memory
 * context.
 */
extern PGDLLEXPORT List *cqrs_engine_explain(CqrsEngine *engine);

#endif							/* CQRS_ENGINE_H */
