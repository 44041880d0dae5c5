/*-------------------------------------------------------------------------
 *
 * rights.h
 *		Rights: parts of the SQL surface that are granted together.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/rights.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_RIGHTS_H
#define CQRS_RIGHTS_H

extern bool cqrs_may_watch(Oid role);

#endif							/* CQRS_RIGHTS_H */
