/*-------------------------------------------------------------------------
 *
 * times.c
 *		Dates and times as text: which types hold them, and what they depend on.
 *
 * NOTES
 *		The same text is another time in a session with other settings, and
 *		another one tomorrow when it says "now".  Events are applied with settings
 *		that are always the same, so what they hold is checked with these.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/times.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "base/compat.h"
#include "base/identity.h"
#include "event/times.h"

/* words for times that are not always the same */
static const char *const moving_words[] = {"now", "today", "tomorrow", "yesterday"};

static bool record_has_times(Oid type);

/*
 * Does it hold dates, times or intervals, as what it is or in it?
 */
bool
cqrs_type_has_times(Oid type)
{
	check_stack_depth();
	switch (type)
	{
		case DATEOID:
		case TIMEOID:
		case TIMETZOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case INTERVALOID:
			return true;
	}
	switch (get_typtype(type))
	{
		case TYPTYPE_DOMAIN:
			return cqrs_type_has_times(getBaseType(type));
		case TYPTYPE_COMPOSITE:
			return record_has_times(type);
		case TYPTYPE_RANGE:
			return cqrs_type_has_times(get_range_subtype(type));
		case TYPTYPE_MULTIRANGE:
			return cqrs_type_has_times(get_multirange_range(type));
		default:
			return OidIsValid(get_element_type(type)) && cqrs_type_has_times(get_element_type(type));
	}
}

/*
 * The first word in a text that stands for a time that is not always the same, or
 * NULL.
 */
const char *
cqrs_moving_word(const char *text, int length)
{
	const char *end = text + length;

	while (text < end)
	{
		int			word = 0;

		while (text + word < end && isalpha((unsigned char) text[word]))
			word++;
		for (int i = 0; i < lengthof(moving_words) && word > 0; i++)
			if (word == strlen(moving_words[i]) &&
				pg_strncasecmp(text, moving_words[i], word) == 0)
				return moving_words[i];
		text += Max(word, 1);
	}
	return NULL;
}

/*
 * Texts are read as rules read them from now on, until AtEOXact_GUC() is called with
 * the level that this gives.  0: there is nothing to change.
 */
int
cqrs_times_fix_settings(void)
{
	int			level;

	if (DateStyle == USE_ISO_DATES && DateOrder == DATEORDER_MDY &&
		IntervalStyle == INTSTYLE_POSTGRES &&
		strcmp(pg_get_timezone_name(session_timezone), CQRS_TIME_ZONE) == 0 &&
		strcmp(GetConfigOption("timezone_abbreviations", false, false),
			   CQRS_TIME_ZONE_ABBREVIATIONS) == 0)
		return 0;

	level = NewGUCNestLevel();
	cqrs_set_local("DateStyle", CQRS_DATE_STYLE);
	cqrs_set_local("IntervalStyle", CQRS_INTERVAL_STYLE);
	cqrs_set_local("TimeZone", CQRS_TIME_ZONE);
	cqrs_set_local("timezone_abbreviations", CQRS_TIME_ZONE_ABBREVIATIONS);
	return level;
}

static bool
record_has_times(Oid type)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(type, -1);
	bool		result = false;

	for (int i = 0; i < desc->natts && !result; i++)
		result = !TupleDescAttr(desc, i)->attisdropped &&
			cqrs_type_has_times(TupleDescAttr(desc, i)->atttypid);
	ReleaseTupleDesc(desc);
	return result;
}
