/*-------------------------------------------------------------------------
 *
 * replay_stop.h
 *		Replay that waits for who waits for it.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/worker/replay_stop.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_REPLAY_STOP_H
#define CQRS_REPLAY_STOP_H

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"
#include "storage/lock.h"

/*
 * What somebody has seen who looks again and again.  All zeros at first.
 */
typedef struct CqrsReplayStop
{
	bool		looked;
	XLogRecPtr	place;			/* where replay was last seen to stand for a snapshot */
	XLogRecPtr	let_go_at;		/* where it was when we had no snapshot any more */
	XLogRecPtr	not_for_us;		/* where it stands for somebody else's */
	VirtualTransactionId *others;	/* that it may wait for */
	int			nothers;
	TimestampTz stopped_at;
	TimestampTz alone_since;	/* the others were gone then, at the earliest */
} CqrsReplayStop;

extern void cqrs_replay_give_way(CqrsReplayStop *stop);
extern void cqrs_replay_let_go(CqrsReplayStop *stop);
extern void cqrs_replay_look_around(CqrsReplayStop *stop);

#endif							/* CQRS_REPLAY_STOP_H */
