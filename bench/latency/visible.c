/*
 * visible.c
 *		From the commit of an event to the moment when somebody else knows that the
 *		read model shows it.
 *
 * usage: visible wait|listen RATE SECONDS CONNINFO
 *
 * "wait": a second connection is in cqrs_wait() for the token when the
 * transaction commits.  "listen": the second connection LISTENs, and does the
 * projection of setup.sql from outside when it is notified.  Prints, for each
 * event, the milliseconds from sending the COMMIT, and from its return.
 */
#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void
fail(PGconn *conn)
{
	fprintf(stderr, "%s", PQerrorMessage(conn));
	exit(1);
}

static double
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000.0 + ts.tv_nsec / 1000000.0;
}

static void
sleep_until_ms(double at)
{
	struct timespec ts = {.tv_sec = (time_t) (at / 1000)};

	ts.tv_nsec = (long) ((at - ts.tv_sec * 1000.0) * 1000000);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static PGconn *
connect_to(const char *conninfo)
{
	PGconn	   *conn = PQconnectdb(conninfo);

	if (PQstatus(conn) != CONNECTION_OK)
		fail(conn);
	return conn;
}

/*
 * The value of the only field, if there is one; to be freed.
 */
static char *
run(PGconn *conn, const char *sql)
{
	PGresult   *result = PQexec(conn, sql);
	char	   *value = NULL;

	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
		fail(conn);
	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
		value = strdup(PQgetvalue(result, 0, 0));
	PQclear(result);
	return value;
}

static void
prepare(PGconn *conn, const char *name, const char *sql)
{
	PGresult   *result = PQprepare(conn, name, sql, 0, NULL);

	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(conn);
	PQclear(result);
}

static void
send(PGconn *conn, const char *name, const char *argument)
{
	if (!PQsendQueryPrepared(conn, name, argument != NULL, &argument, NULL, NULL, 0))
		fail(conn);
	PQflush(conn);
}

/*
 * Takes the results that have arrived.  True when the statement has ended.
 */
static bool
has_ended(PGconn *conn)
{
	PGresult   *result;

	while (!PQisBusy(conn))
	{
		result = PQgetResult(conn);
		if (result == NULL)
			return true;
		if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
			fail(conn);
		PQclear(result);
	}
	return false;
}

static bool
is_notified(PGconn *conn)
{
	PGnotify   *notify = PQnotifies(conn);

	if (notify == NULL)
		return false;
	PQfreemem(notify);
	return true;
}

/*
 * One event.  The writer is in its transaction, and the other one waits.
 */
static void
measure(PGconn *writer, PGconn *other, bool listens)
{
	bool		waits_for_notify = listens;
	double		sent = now_ms();
	double		returned = 0;
	double		visible = 0;

	send(writer, "commit", NULL);
	while (returned == 0 || visible == 0)
	{
		struct pollfd fds[2] = {{.fd = PQsocket(writer), .events = POLLIN},
		{.fd = PQsocket(other), .events = POLLIN}};

		poll(fds, 2, -1);
		if (fds[0].revents && !PQconsumeInput(writer))
			fail(writer);
		if (fds[1].revents && !PQconsumeInput(other))
			fail(other);
		if (returned == 0 && has_ended(writer))
			returned = now_ms();
		if (waits_for_notify)
		{
			if (!is_notified(other))
				continue;
			waits_for_notify = false;
			send(other, "apply", NULL);
		}
		else if (visible == 0 && has_ended(other))
			visible = now_ms();
	}
	printf("%.4f %.4f\n", visible - sent, visible - returned);
}

int
main(int argc, char **argv)
{
	bool		listens = argc > 4 && strcmp(argv[1], "listen") == 0;
	double		period = argc > 4 ? 1000.0 / atof(argv[2]) : 0;
	int			count = argc > 4 ? (int) (atof(argv[2]) * atof(argv[3])) : 0;
	double		next;
	PGconn	   *writer;
	PGconn	   *other;

	if (count <= 0)
	{
		fprintf(stderr, "usage: visible wait|listen RATE SECONDS CONNINFO\n");
		return 1;
	}
	writer = connect_to(argv[4]);
	other = connect_to(argv[4]);
	prepare(writer, "append", listens ?
			"SELECT cqrs_emit('counter-' || (random() * 99)::int, 'Counted'), pg_notify('events', '')" :
			"SELECT cqrs_emit('counter-' || (random() * 99)::int, 'Counted')");
	prepare(writer, "commit", "COMMIT");
	free(run(other, "SET plan_cache_mode = force_generic_plan"));
	if (listens)
		free(run(other, "LISTEN events"));
	prepare(other, "apply", listens ? "SELECT poll()" : "SELECT cqrs_wait($1)");

	next = now_ms();
	for (int i = 0; i < count; i++)
	{
		char	   *token;

		sleep_until_ms(next += period);
		free(run(writer, "BEGIN"));
		free(run(writer, "EXECUTE append"));
		if (!listens)
		{
			token = run(writer, "SELECT cqrs_token()");
			send(other, "apply", token);
			free(token);
			/* the other one shall be asleep by the time of the commit */
			sleep_until_ms(now_ms() + period / 4);
		}
		measure(writer, other, listens);
	}
	PQfinish(writer);
	PQfinish(other);
	return 0;
}
