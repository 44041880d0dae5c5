/*-------------------------------------------------------------------------
 *
 * settings.h
 *		Settings that have to be as we say, whatever the session has made of them.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/settings.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_SETTINGS_H
#define CQRS_SETTINGS_H

struct config_generic;

/*
 * One that the server itself defines; those of extensions can change their place.
 * The caller says the first three.
 */
typedef struct CqrsSetting
{
	const char *name;
	const char *value;
	bool		is_recent;		/* older minor releases do not have it */
	bool		looked_up;
	struct config_generic *option;	/* NULL: the server does not have it */
	int			number;			/* what the value means, if not a string */
} CqrsSetting;

extern void cqrs_settings_set_local(CqrsSetting *settings, int count);
extern void cqrs_settings_set_lasting(CqrsSetting *settings, int count);

#endif							/* CQRS_SETTINGS_H */
