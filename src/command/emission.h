/*-------------------------------------------------------------------------
 *
 * emission.h
 *		Which events a command appends, remembered when its ledger rows go.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/command/emission.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_EMISSION_H
#define CQRS_EMISSION_H

#define CQRS_MAX_EMISSIONS 1000

/*
 * Some of the rows that are removed.
 */
typedef struct CqrsEmissions
{
	int			count;
	Datum	   *commands;
	Datum	   *ids;
	Datum	   *tokens;
} CqrsEmissions;

extern void cqrs_emissions_add(CqrsEmissions *emissions, Datum command, Datum id, Datum token);
extern void cqrs_emissions_remember(CqrsEmissions *emissions);

#endif							/* CQRS_EMISSION_H */
