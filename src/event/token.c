/*-------------------------------------------------------------------------
 *
 * token.c
 *		Tokens: names of transactions that appended events.
 *
 * NOTES
 *		"Has the read side seen it?" is a question about a transaction.  Its id
 *		alone would mean another one in a restored database, or on a server
 *		that was promoted without it, so a token says also in which
 *		incarnation of the log and on which timeline it was given out.
 *
 *		A session notes the transactions in which it appends.  A note is taken
 *		back when all that the transaction has appended is rolled back, to a
 *		savepoint or with the transaction.  What becomes of one that is prepared
 *		is asked when somebody wants the token.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/token.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/xid8.h"

#include "base/compat.h"
#include "event/incarnation.h"
#include "event/token.h"

PG_FUNCTION_INFO_V1(cqrs_token);

/* a token as text is shorter */
#define MAX_TEXT 64

/* how many transactions we remember; those that were prepared may be rolled back later */
#define NOTED 8

static CqrsToken noted[NOTED];
static int	last_noted = 0;

/* the outermost subtransaction of the running transaction that has appended, if any */
static SubTransactionId appended_in = InvalidSubTransactionId;

static CqrsWait wait_function = NULL;

static void xact_ended(XactEvent event, void *arg);
static void subxact_ended(SubXactEvent event, SubTransactionId subid,
						  SubTransactionId parent, void *arg);
static void take_back(void);
static bool parse(const char *string, CqrsToken *token);
static char *token_text(const CqrsToken *token);
static bool may_be_waited_for(FullTransactionId xid);

/*
 * Called by each append: this transaction has events.
 */
void
cqrs_token_note(FullTransactionId xid)
{
	static bool is_registered = false;

	/* subtransactions that are in one that has appended end before it */
	if (FullTransactionIdEquals(noted[last_noted].xid, xid))
		return;
	if (!is_registered)
	{
		RegisterXactCallback(xact_ended, NULL);
		RegisterSubXactCallback(subxact_ended, NULL);
		is_registered = true;
	}
	last_noted = (last_noted + 1) % NOTED;
	noted[last_noted].xid = xid;
	noted[last_noted].incarnation = cqrs_incarnation_current();
	noted[last_noted].timeline = GetWALInsertionTimeLine();
	appended_in = GetCurrentSubTransactionId();
}

static void
xact_ended(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			appended_in = InvalidSubTransactionId;
			break;
		case XACT_EVENT_ABORT:
			take_back();
			break;
		default:
			break;
	}
}

static void
subxact_ended(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	if (subid != appended_in)
		return;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		appended_in = parent;
	else if (event == SUBXACT_EVENT_ABORT_SUB)
		take_back();
}

/*
 * What the running transaction has appended, if anything, is rolled back: the
 * note before counts again.
 */
static void
take_back(void)
{
	if (appended_in == InvalidSubTransactionId)
		return;
	noted[last_noted].xid = InvalidFullTransactionId;
	last_noted = (last_noted + NOTED - 1) % NOTED;
	appended_in = InvalidSubTransactionId;
}

/*
 * The token of the running transaction, NULL when it has no events.
 */
char *
cqrs_token_of_transaction(void)
{
	return appended_in == InvalidSubTransactionId ? NULL : token_text(&noted[last_noted]);
}

/*
 * The token of the running transaction, or else of the last one of this session
 * that appended and was not rolled back; NULL when there is none.
 */
char *
cqrs_token_current(void)
{
	for (int i = 0; i < NOTED; i++)
	{
		const CqrsToken *token = &noted[(last_noted + NOTED - i) % NOTED];

		if (FullTransactionIdIsValid(token->xid) && may_be_waited_for(token->xid))
			return token_text(token);
	}
	return NULL;
}

/*
 * Reads a token that somebody gives us.
 */
void
cqrs_token_read(const char *string, CqrsToken *token)
{
	if (!parse(string, token))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid token: \"%.*s\"", 
						pg_mbcliplen(string, strlen(string), MAX_TEXT), string),
				 errhint("Tokens come from cqrs_token(), cqrs_try_send() and cqrs_execute().")));
}

static bool
parse(const char *string, CqrsToken *token)
{
	unsigned int incarnation;
	unsigned int timeline;
	unsigned long long xid;
	int			end = 0;

	if (strlen(string) > MAX_TEXT || strspn(string, "0123456789-") != strlen(string) ||
		sscanf(string, "%10u-%10u-%20llu%n", &incarnation, &timeline, &xid, &end) != 3 ||
		string[end] != '\0' || incarnation == 0 || incarnation > PG_INT32_MAX ||
		timeline == 0 || xid == 0 || xid > PG_INT64_MAX)
		return false;
	token->incarnation = (int32) incarnation;
	token->timeline = timeline;
	token->xid = FullTransactionIdFromU64(xid);
	/* signs, and numbers that are too large, are read as something else */
	return strcmp(token_text(token), string) == 0;
}

/*
 * Upper layers register at load how to wait.
 */
void
cqrs_wait_register(CqrsWait function)
{
	wait_function = function;
}

/*
 * NULL when nobody can wait.
 */
CqrsWait
cqrs_wait_function(void)
{
	return wait_function;
}

/*
 * cqrs_token() -> text
 */
Datum
cqrs_token(PG_FUNCTION_ARGS)
{
	char	   *token = cqrs_token_current();

	if (token == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(token));
}

static char *
token_text(const CqrsToken *token)
{
	char	   *text = palloc(MAX_TEXT);
	char	   *end = text;

	/* each command asks for it, and psprintf() takes ten times as long */
	end += pg_ultoa_n(token->incarnation, end);
	*end++ = '-';
	end += pg_ultoa_n(token->timeline, end);
	*end++ = '-';
	end += pg_ulltoa_n(U64FromFullTransactionId(token->xid), end);
	*end = '\0';
	return text;
}

/*
 * Is it running, prepared or committed?  What is so old that the server does
 * not know any more is not worth waiting for.
 */
static bool
may_be_waited_for(FullTransactionId xid)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum		status;

	if (FullTransactionIdEquals(xid, GetTopFullTransactionIdIfAny()))
		return true;
	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = FullTransactionIdGetDatum(xid);
	fcinfo->args[0].isnull = false;
	status = pg_xact_status(fcinfo);
	return !fcinfo->isnull && strcmp(TextDatumGetCString(status), "aborted") != 0;
}
