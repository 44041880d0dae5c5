/*
 * A read model kept by a program outside of the database, which is told of new
 * events by NOTIFY: what people build when polling is too slow.
 *
 * One process appends an event, with a NOTIFY in the same transaction, at a steady
 * rate; the other LISTENs, applies what is new, and notifies back.  Prints, in
 * milliseconds, how long each append took until its process knew that the read
 * model has it.
 *
 * usage: listen RATE SECONDS
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static PGconn *
connect_and_listen(const char *channel, const char *name, const char *statement)
{
	PGconn	   *conn = PQconnectdb("");
	char		listen[64];

	snprintf(listen, sizeof(listen), "LISTEN %s", channel);
	if (PQstatus(conn) != CONNECTION_OK ||
		PQresultStatus(PQexec(conn, listen)) != PGRES_COMMAND_OK ||
		PQresultStatus(PQprepare(conn, name, statement, 0, NULL)) != PGRES_COMMAND_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(conn));
		exit(1);
	}
	return conn;
}

static void
run(PGconn *conn, const char *name)
{
	PGresult   *res = PQexecPrepared(conn, name, 0, NULL, NULL, NULL, 0);

	if (PQresultStatus(res) != PGRES_TUPLES_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(conn));
		exit(1);
	}
	PQclear(res);
}

/* sleeps until somebody notifies */
static void
wait_for_notify(PGconn *conn)
{
	PGnotify   *notify;
	int			found = 0;

	for (;;)
	{
		while ((notify = PQnotifies(conn)) != NULL)
		{
			PQfreemem(notify);
			found = 1;
		}
		if (found)
			return;

		struct pollfd fd = {PQsocket(conn), POLLIN, 0};

		poll(&fd, 1, -1);
		if (!PQconsumeInput(conn))
			exit(1);
	}
}

int
main(int argc, char **argv)
{
	double		pause = 1000.0 / atof(argv[1]);
	int			count = atof(argv[1]) * atof(argv[2]);
	PGconn	   *conn;
	double		due;

	if (fork() == 0)
	{
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		conn = connect_and_listen("appended", "apply", "SELECT poll(), pg_notify('applied', '')");
		for (;;)
		{
			wait_for_notify(conn);
			run(conn, "apply");
		}
	}

	conn = connect_and_listen("applied", "append",
							  "SELECT cqrs_emit('counter-' || floor(random() * 100)::int, 'Counted'), pg_notify('appended', '')");
	usleep(300 * 1000);			/* the other process connects */
	due = now_ms();
	for (int i = 0; i < count; i++)
	{
		double		start;

		if (due > now_ms())
			usleep((due - now_ms()) * 1000);
		start = now_ms();
		run(conn, "append");
		wait_for_notify(conn);
		printf("%.4f\n", now_ms() - start);
		due += pause;
	}
	return 0;
}
