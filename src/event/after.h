/*-------------------------------------------------------------------------
 *
 * after.h
 *		What is to happen in the same transaction once events have been appended.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/after.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_AFTER_H
#define CQRS_AFTER_H

/*
 * Upper layers register here, at load.  The functions are called after each
 * append outside of a command, and once at the end of a command, which calls
 * cqrs_after_events() itself when its handler has returned.
 */
typedef void (*CqrsAfterEvents) (void);

extern void cqrs_after_events_register(CqrsAfterEvents function);
extern void cqrs_after_events(void);

#endif							/* CQRS_AFTER_H */
