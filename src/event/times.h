/*-------------------------------------------------------------------------
 *
 * times.h
 *		Dates and times as text: which types hold them, and what they depend on.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/times.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_TIMES_H
#define CQRS_TIMES_H

/* what settings are for rules, and for what is checked for them */
#define CQRS_DATE_STYLE				"ISO, MDY"
#define CQRS_INTERVAL_STYLE			"postgres"
#define CQRS_TIME_ZONE				"UTC"
#define CQRS_TIME_ZONE_ABBREVIATIONS "Default"

extern bool cqrs_type_has_times(Oid type);
extern const char *cqrs_moving_word(const char *text, int length);
extern int	cqrs_times_fix_settings(void);

#endif							/* CQRS_TIMES_H */
