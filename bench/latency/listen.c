/*
 * listen.c
 *		The projection of setup.sql done from outside: a client that LISTENs,
 *		and when it is notified applies what lies behind its position.
 *
 * usage: listen CONNINFO
 */
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

static void
check(PGconn *conn, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(conn));
		exit(1);
	}
	PQclear(result);
}

static void
wait_for_news(PGconn *conn)
{
	int			notified = 0;
	PGnotify   *notify;

	for (;;)
	{
		struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN};

		while ((notify = PQnotifies(conn)) != NULL)
		{
			notified = 1;
			PQfreemem(notify);
		}
		if (notified)
			return;
		poll(&fd, 1, -1);
		if (!PQconsumeInput(conn))
		{
			fprintf(stderr, "%s", PQerrorMessage(conn));
			exit(1);
		}
	}
}

int
main(int argc, char **argv)
{
	PGconn	   *conn = PQconnectdb(argc > 1 ? argv[1] : "");

	if (PQstatus(conn) != CONNECTION_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(conn));
		return 1;
	}
	check(conn, PQexec(conn, "SET synchronous_commit = off; SET plan_cache_mode = force_generic_plan"));
	check(conn, PQexec(conn, "LISTEN events"));
	check(conn, PQprepare(conn, "apply", "SELECT poll()", 0, NULL));
	for (;;)
	{
		check(conn, PQexecPrepared(conn, "apply", 0, NULL, NULL, NULL, 0));
		wait_for_news(conn);
	}
}
