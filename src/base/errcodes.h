/*-------------------------------------------------------------------------
 *
 * errcodes.h
 *		SQLSTATEs of class QC, for the conditions a client must branch on.
 *
 * Everything else uses a standard code.  The list is part of the contract:
 * a code, once released, keeps its meaning.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/errcodes.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_ERRCODES_H
#define CQRS_ERRCODES_H

/* a payload does not fit its type; DETAIL lists every fault */
#define ERRCODE_CQRS_INVALID_PAYLOAD		MAKE_SQLSTATE('Q','C','0','0','1')

/* expected_version does not hold; DETAIL gives both versions */
#define ERRCODE_CQRS_VERSION_CONFLICT		MAKE_SQLSTATE('Q','C','0','0','2')

/* the same command id with another command or payload */
#define ERRCODE_CQRS_COMMAND_ID_REUSED		MAKE_SQLSTATE('Q','C','0','0','3')

/* waiting for the transaction one is in */
#define ERRCODE_CQRS_WAIT_IN_OWN_TRANSACTION	MAKE_SQLSTATE('Q','C','0','0','4')

/* changing the rules of a running projection */
#define ERRCODE_CQRS_PROJECTION_NOT_DRAFT	MAKE_SQLSTATE('Q','C','0','0','5')

/* a rule that a replay could not repeat */
#define ERRCODE_CQRS_NOT_REPLAYABLE		MAKE_SQLSTATE('Q','C','0','0','6')

#endif							/* CQRS_ERRCODES_H */
