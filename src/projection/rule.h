/*-------------------------------------------------------------------------
 *
 * rule.h
 *		What a rule is made of, inside the engine.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/rule.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_RULE_H
#define CQRS_RULE_H

#include "executor/tuptable.h"
#include "fmgr.h"
#include "lib/ilist.h"
#include "nodes/params.h"
#include "nodes/parsenodes.h"
#include "parser/parse_node.h"
#include "utils/jsonb.h"
#include "utils/plancache.h"
#include "utils/queryenvironment.h"

#include "projection/arena.h"
#include "projection/engine.h"

typedef struct CqrsFold CqrsFold;
typedef struct CqrsFoldTable CqrsFoldTable;
typedef struct CqrsFoldOp CqrsFoldOp;

/*
 * The event that is being applied.
 */
typedef struct CqrsEventRow
{
	TupleTableSlot *slot;		/* a row of cqrs.event */
	int64		position;
	Jsonb	   *data;			/* detoasted and aligned, or NULL: not yet */
	union
	{
		char		bytes[VARATT_SHORT_MAX + VARHDRSZ];
		int64		alignment;
	}			buffer;			/* where short data is aligned */
} CqrsEventRow;

typedef enum CqrsFieldKind
{
	FIELD_COLUMN,				/* a column of cqrs.event */
	FIELD_STREAM_ID,			/* what follows the category in the stream's name */
	FIELD_INTEGER,				/* the others: a key of the data, by type */
	FIELD_NUMERIC,
	FIELD_TEXT,
	FIELD_BOOLEAN,
	FIELD_JSONB,
	FIELD_INPUT,				/* any scalar: by the type's input function */
	FIELD_POPULATE				/* domain, array, composite: as jsonb_populate_record() */
} CqrsFieldKind;

/*
 * A field of the event that a rule refers to.
 */
typedef struct CqrsField
{
	CqrsFieldKind kind;
	char	   *name;
	int			name_length;
	AttrNumber	column;
	Oid			type;
	int32		typmod;
	Oid			collation;
	int16		typlen;
	bool		typbyval;
	int			kept_as;		/* number of its value in events that are kept, or -1 */
	FmgrInfo	function;		/* FIELD_INPUT, FIELD_POPULATE, typmods */
	Oid			ioparam;
	TupleDesc	record;			/* FIELD_POPULATE: one column */
	Datum		empty;			/* such a record */
} CqrsField;

/*
 * The fields that one rule refers to, in the order in which they are first
 * mentioned.  The number of a field, from 1, is the number of its parameter.
 */
typedef struct CqrsScope
{
	const char *event_type;		/* NULL: "event" means nothing here */
	Oid			payload;		/* composite type, or InvalidOid */
	int			count;
	int			allocated;
	CqrsField **fields;
	MemoryContext context;
} CqrsScope;

typedef struct CqrsRule CqrsRule;

/*
 * One statement of a rule.  It has a plan, or a fold.
 */
typedef struct CqrsStatement
{
	CqrsRule   *rule;
	CachedPlanSource *source;	/* of a fold, too: it notices changes */
	int			generation;		/* of the source, when we first had a plan; 0: not yet */
	int64		executions;
	int64		next_look;		/* at the tables' sizes: at this execution */
	uint64		planned_blocks; /* size of the tables when the plan was made */
	bool		touches_all;	/* may it read or write any table? */
	CqrsFold   *fold;			/* or NULL */
	const char *reason;			/* why not a fold */
	const char *advice;			/* what to take care of, or NULL */
} CqrsStatement;

struct CqrsRule
{
	CqrsEngine *engine;
	CqrsRuleKind kind;
	int			id;
	const char *event_type;
	List	   *event_types;	/* of a batch rule */
	const char *text;
	CqrsScope	scope;
	List	   *statements;		/* of CqrsStatement */
	bool		has_plans;		/* are there statements that are not folds? */
	bool		fields_look;	/* may tables be looked at when its fields are made? */
	ParamListInfo params;

	/* function rule */
	Oid			function;
	FmgrInfo	flinfo;

	/* batch rule */
	QueryEnvironment *environment;
	struct CqrsBatchEvents *events;
};

struct CqrsEngine
{
	char	   *projection;
	char	   *schema;
	MemoryContext context;
	MemoryContext event_context;	/* reset at each event */
	List	   *rules;			/* of CqrsRule */
	CqrsRule   *failed;			/* the rule that the last error came from, or NULL */
	struct CqrsDispatch *dispatch;	/* event type to rules */
	List	   *tables;			/* of CqrsFoldTable */
	CqrsEventRow event;
	List	   *relations;		/* OIDs; a change of one makes the engine invalid */
	List	   *items;			/* PlanInvalItems; likewise */
	bool		checks_types;	/* are values of types with constraints made? */
	CqrsArena	fold_events;	/* events of deferred folds, and the queue */
	CqrsFoldOp *fold_ops;
	int			fold_nops;
	int			fold_ops_allocated;
	bool		valid;
	bool		leaves_out;		/* are there tables without some of their indexes? */
	bool		needs_indexes;	/* has there been a value that one of them may refuse? */
	bool		lost_race;		/* has the last error come from a race with another writer? */
	dlist_node	node;			/* in the list of all engines */
};

/* engine.c */
extern void cqrs_engine_uses_type(CqrsEngine *engine, Oid type);

/* event_ref.c */
extern void cqrs_scope_begin(CqrsScope *scope, const char *event_type, Oid payload);
extern void cqrs_scope_setup_parser(ParseState *pstate, void *scope);

/* event_value.c */
extern void cqrs_field_init(CqrsField *field);
extern void cqrs_event_begin(CqrsEventRow *event, TupleTableSlot *slot);
extern Datum cqrs_event_value(CqrsEventRow *event, CqrsField *field, bool *isnull);
extern Datum cqrs_event_stream_id(TupleTableSlot *slot);

/* rule.c */
extern CqrsRule *cqrs_rule_create(CqrsEngine *engine, const CqrsRuleDef *def);
extern void cqrs_rule_error_context(void *rule);

/* explain.c */
extern CqrsExplainRow *cqrs_rule_explain(CqrsRule *rule);

/* analyze.c */
extern void cqrs_rule_analyze(CqrsRule *rule);

/* replayable.c */
extern void cqrs_query_check_replayable(CqrsRule *rule, Query *query, bool *calls_user_code);

/* statement.c */
extern void cqrs_statement_run(CqrsStatement *statement, ParamListInfo params,
							   QueryEnvironment *environment);
extern void cqrs_statement_try_plan(CqrsStatement *statement, QueryEnvironment *environment);
extern bool cqrs_statement_valid(CqrsStatement *statement);

/* function_rule.c */
extern void cqrs_function_rule_prepare(CqrsRule *rule);
extern void cqrs_function_rule_apply(CqrsRule *rule, CqrsEventRow *event);
extern void cqrs_function_rule_reset(CqrsRule *rule);

/* batch_rule.c */
extern void cqrs_batch_rule_begin(CqrsRule *rule);
extern void cqrs_batch_rule_check(CqrsRule *rule);
extern void cqrs_batch_rule_add(CqrsRule *rule, CqrsEventRow *event);
extern void cqrs_batch_rule_run(CqrsRule *rule);
extern void cqrs_batch_rule_forget(CqrsRule *rule);
extern Size cqrs_batch_rule_memory(CqrsRule *rule);

#endif							/* CQRS_RULE_H */
