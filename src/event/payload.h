/*-------------------------------------------------------------------------
 *
 * payload.h
 *		Payloads: is this JSON a value of that composite type?
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/payload.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_PAYLOAD_H
#define CQRS_PAYLOAD_H

#include "utils/jsonb.h"

/*
 * Checks a payload against a composite type.  Any fault is an error QC001 that
 * lists all of them, one to a line of DETAIL, each with its path.  "what" and
 * "name" say what the payload is of: "event type", "ItemAdded".
 *
 * Code of users in the type, in constraints of domains, runs as "owner", who has
 * brought the type into play; InvalidOid when there is no such role any more.
 */
extern void cqrs_payload_check(Oid type, Oid owner, Jsonb *payload,
							   const char *what, const char *name);

/*
 * The same, and gives the value, allocated in the current memory context.  The
 * current user has asked for it: code of users runs as him.
 */
extern Datum cqrs_payload_convert(Oid type, Jsonb *payload, const char *what, const char *name);

/*
 * For what takes no parameters: an object without keys will do.
 */
extern void cqrs_payload_check_empty(Jsonb *payload, const char *what, const char *name);

#endif							/* CQRS_PAYLOAD_H */
