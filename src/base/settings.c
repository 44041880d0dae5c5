/*-------------------------------------------------------------------------
 *
 * settings.c
 *		Settings that have to be as we say, whatever the session has made of them.
 *
 * NOTES
 *		They are looked at each time user code is about to run, and mostly are
 *		as they should be.  To ask for them by name costs more than the code does
 *		that applies an event, so where a setting is kept is remembered.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/settings.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/compat.h"
#include "base/settings.h"

static void look_up(CqrsSetting *setting);
static bool is_so(const CqrsSetting *setting);
static void set_all(CqrsSetting *settings, int count, GucAction action);

/*
 * Until the nest level of settings ends.
 */
void
cqrs_settings_set_local(CqrsSetting *settings, int count)
{
	set_all(settings, count, GUC_ACTION_SAVE);
}

/*
 * For the rest of the session.
 */
void
cqrs_settings_set_lasting(CqrsSetting *settings, int count)
{
	set_all(settings, count, GUC_ACTION_SET);
}

static void
set_all(CqrsSetting *settings, int count, GucAction action)
{
	for (int i = 0; i < count; i++)
	{
		CqrsSetting *setting = &settings[i];

		if (!setting->looked_up)
			look_up(setting);
		if (setting->option && !is_so(setting))
			(void) set_config_option(setting->name, setting->value, PGC_SUSET, PGC_S_SESSION,
									 action, true, 0, false);
	}
}

static void
look_up(CqrsSetting *setting)
{
	bool		flag = false;
	bool		valid = true;

	setting->option = cqrs_find_option(setting->name);
	if (setting->option == NULL && !setting->is_recent)
		elog(ERROR, "unrecognized configuration parameter \"%s\"", setting->name);
	setting->looked_up = true;
	if (setting->option == NULL)
		return;
	switch (setting->option->vartype)
	{
		case PGC_BOOL:
			valid = parse_bool(setting->value, &flag);
			setting->number = flag;
			break;

		case PGC_INT:
			valid = parse_int(setting->value, &setting->number, setting->option->flags, NULL);
			break;

		case PGC_ENUM:
			valid = config_enum_lookup_by_name((struct config_enum *) setting->option,
											   setting->value, &setting->number);
			break;

		case PGC_REAL:
		case PGC_STRING:
			break;
	}
	Assert(valid);
	(void) valid;
}

static bool
is_so(const CqrsSetting *setting)
{
	const char *now;

	switch (setting->option->vartype)
	{
		case PGC_BOOL:
			return *((struct config_bool *) setting->option)->variable == (setting->number != 0);

		case PGC_INT:
			return *((struct config_int *) setting->option)->variable == setting->number;

		case PGC_ENUM:
			return *((struct config_enum *) setting->option)->variable == setting->number;

		case PGC_STRING:
			now = *((struct config_string *) setting->option)->variable;
			return now && strcmp(now, setting->value) == 0;

		case PGC_REAL:
			break;
	}
	return false;
}
