/*-------------------------------------------------------------------------
 *
 * dispatch.c
 *		From the type of an event to the rules that apply to it.
 *
 * NOTES
 *		Asked for every event of the log, also for those that no rule wants, so
 *		it has to cost next to nothing: open addressing over a power of two.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/dispatch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "port/pg_bitutils.h"

#include "base/compat.h"
#include "projection/dispatch.h"

struct CqrsDispatch
{
	uint32		mask;
	CqrsRuleSet **sets;			/* NULL: empty place */
	CqrsRuleSet others;			/* for types that no rule mentions */
};

static bool wants_all(CqrsRule *rule);
static bool wants(CqrsRule *rule, const char *type);
static List *mentioned_types(List *rules);
static void collect(CqrsRuleSet *set, List *rules, const char *type);
static CqrsRuleSet **place_of(CqrsDispatch *dispatch, const char *type, int length);

/*
 * Makes the table, in the current memory context.
 */
CqrsDispatch *
cqrs_dispatch_create(List *rules)
{
	CqrsDispatch *dispatch = palloc0(sizeof(CqrsDispatch));
	List	   *types = mentioned_types(rules);
	uint32		size = pg_nextpower2_32(Max(8, 4 * list_length(types)));
	ListCell   *lc;

	dispatch->mask = size - 1;
	dispatch->sets = palloc0(size * sizeof(CqrsRuleSet *));
	collect(&dispatch->others, rules, NULL);

	foreach(lc, types)
	{
		const char *type = lfirst(lc);
		CqrsRuleSet *set = palloc0(sizeof(CqrsRuleSet));

		collect(set, rules, type);
		*place_of(dispatch, type, set->length) = set;
	}
	return dispatch;
}

/*
 * The rules of a type, which may be none.  Never NULL.
 */
CqrsRuleSet *
cqrs_dispatch_find(CqrsDispatch *dispatch, const char *type, int length)
{
	CqrsRuleSet *set = *place_of(dispatch, type, length);

	return set ? set : &dispatch->others;
}

static bool
wants_all(CqrsRule *rule)
{
	ListCell   *lc;

	if (rule->kind != CQRS_RULE_BATCH)
		return strcmp(rule->event_type, "*") == 0;
	foreach(lc, rule->event_types)
		if (strcmp(lfirst(lc), "*") == 0)
			return true;
	return false;
}

static bool
wants(CqrsRule *rule, const char *type)
{
	ListCell   *lc;

	if (wants_all(rule))
		return true;
	if (type == NULL)
		return false;
	if (rule->kind != CQRS_RULE_BATCH)
		return strcmp(rule->event_type, type) == 0;
	foreach(lc, rule->event_types)
		if (strcmp(lfirst(lc), type) == 0)
			return true;
	return false;
}

/*
 * Each type that a rule mentions, once.
 */
static List *
mentioned_types(List *rules)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, rules)
	{
		CqrsRule   *rule = lfirst(lc);
		List	   *types = rule->event_types;
		ListCell   *lt;

		if (rule->kind != CQRS_RULE_BATCH)
			types = list_make1(unconstify(char *, rule->event_type));
		foreach(lt, types)
		{
			bool		known = false;
			ListCell   *lr;

			foreach(lr, result)
				known = known || strcmp(lfirst(lr), lfirst(lt)) == 0;
			if (!known)
				result = lappend(result, lfirst(lt));
		}
	}
	return result;
}

static void
collect(CqrsRuleSet *set, List *rules, const char *type)
{
	ListCell   *lc;

	set->type = type;
	set->length = type ? strlen(type) : 0;
	set->rules = palloc(Max(1, list_length(rules)) * sizeof(CqrsRule *));
	foreach(lc, rules)
		if (wants(lfirst(lc), type))
			set->rules[set->count++] = lfirst(lc);
}

/*
 * Where the rules of this type are, or would be.
 */
static CqrsRuleSet **
place_of(CqrsDispatch *dispatch, const char *type, int length)
{
	uint32		i = hash_bytes((const unsigned char *) type, length);

	for (;; i++)
	{
		CqrsRuleSet **place = &dispatch->sets[i & dispatch->mask];

		if (*place == NULL ||
			((*place)->length == length && memcmp((*place)->type, type, length) == 0))
			return place;
	}
}
