/*-------------------------------------------------------------------------
 *
 * only_waits.h
 *		Does a statement do nothing but wait?
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/only_waits.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_ONLY_WAITS_H
#define CQRS_ONLY_WAITS_H

#include "nodes/nodes.h"

extern bool cqrs_only_waits(const Node *call);
extern bool cqrs_let_go_of_snapshot(void);

#endif							/* CQRS_ONLY_WAITS_H */
