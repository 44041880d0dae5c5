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
 */
extern void cqrs_payload_check(Oid type, Jsonb *payload, const char *what, const char *name);

/*
 * The same, and gives the value, allocated in the current memory context.
 */
extern Datum cqrs_payload_convert(Oid type, Jsonb *payload, const char *what, const char *name);

/*
 * For what takes no payload: an object without keys will do.
 */
extern void cqrs_payload_check_empty(Jsonb *payload, const char *what, const char *name);

#endif							/* CQRS_PAYLOAD_H */
