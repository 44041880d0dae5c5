/*-------------------------------------------------------------------------
 *
 * emission.c
 *		Which events a command appends, remembered when its ledger rows go.
 *
 * NOTES
 *		As long as a row is in the ledger, its events can be found by its id.
 *		What a command is known to append shall not be forgotten with the row.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/command/emission.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "base/plans.h"
#include "command/emission.h"

/*
 * A row that appended events.  Beyond so many, others have to do.
 */
void
cqrs_emissions_add(CqrsEmissions *emissions, Datum command, Datum id, Datum token)
{
	int			n = emissions->count;

	if (n == CQRS_MAX_EMISSIONS)
		return;
	if (n == 0)
	{
		emissions->commands = palloc(CQRS_MAX_EMISSIONS * sizeof(Datum));
		emissions->ids = palloc(CQRS_MAX_EMISSIONS * sizeof(Datum));
		emissions->tokens = palloc(CQRS_MAX_EMISSIONS * sizeof(Datum));
	}
	emissions->commands[n] = datumCopy(command, false, -1);
	emissions->ids[n] = datumCopy(id, false, UUID_LEN);
	emissions->tokens[n] = datumCopy(token, false, -1);
	emissions->count++;
}

void
cqrs_emissions_remember(CqrsEmissions *emissions)
{
	int			n = emissions->count;
	Datum		values[3];

	if (n == 0)
		return;
	values[0] = PointerGetDatum(construct_array(emissions->commands, n, TEXTOID, -1, false, TYPALIGN_INT));
	values[1] = PointerGetDatum(construct_array(emissions->ids, n, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	values[2] = PointerGetDatum(construct_array(emissions->tokens, n, TEXTOID, -1, false, TYPALIGN_INT));
	SPI_connect();
	cqrs_plan_execute(CQRS_PLAN_REMEMBER_EMISSIONS, values, NULL);
	SPI_finish();
}
