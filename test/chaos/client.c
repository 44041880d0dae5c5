/*
 * client.c
 *		A client that keeps a history of what it wanted and what became of it.
 *
 *	client write ID SEED HISTORY CONNINFO LEVEL
 *		Appends uniquely numbered events and sends commands, until SIGTERM.
 *		LEVEL is how long its transactions stay open at most, in milliseconds.
 *
 *	client loop SQLFILE SEED OUTPUT CONNINFO PAUSE
 *		Executes the same SQL again and again, with a pause of up to PAUSE
 *		milliseconds, until SIGTERM, and writes down what rows it gives, and at
 *		the end how often it went well: "done TIMES".
 *		Errors are passed over, as in a program that tries again.
 *
 * A line of a history, with tabs in between:
 *
 *	intent TRANSACTION N STREAM KIND	event number N is going to be appended
 *	never TRANSACTION N STREAM KIND		the same, to be rolled back to a savepoint
 *	ok|failed|unknown TRANSACTION		what became of the transaction
 *	ill TRANSACTION MESSAGE				the server broke a promise
 *
 * A transaction is "failed" when the server said so, or the connection was lost
 * before the end was asked for; "unknown" when it was lost after that.  The
 * end of a prepared transaction is in its name: whoever comes upon one that
 * ends in "c" has to commit it, in "r" to roll it back.
 */
#include <libpq-fe.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_NUMBERS 64

static volatile sig_atomic_t stopping = 0;
static const char *conninfo;
static FILE *output;
static uint64_t random_state;
static PGconn *conn;
static int	connections;

/* the writer */
static int64_t id;
static int64_t next_number;
static int64_t next_transaction;
static int	longest_hold;
static char sqlstate[6];

static void
stop(int signal)
{
	(void) signal;
	stopping = 1;
}

static unsigned
draw(unsigned below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned) ((random_state >> 11) % below);
}

static void
sleep_ms(int ms)
{
	struct timespec ts = {ms / 1000, (ms % 1000) * 1000000L};

	if (ms > 0)
		nanosleep(&ts, NULL);
}

/* now and then: not at all, a little, or for long */
static void
hold(void)
{
	switch (draw(4))
	{
		case 0:
			sleep_ms(draw(longest_hold + 1));
			break;
		case 1:
			sleep_ms(draw(5));
			break;
	}
}

static bool
connected(void)
{
	return conn && PQstatus(conn) == CONNECTION_OK;
}

/* waits for the server as long as it takes; false when told to stop */
static bool
be_connected(bool even_when_stopping)
{
	while (!connected())
	{
		if (stopping && !even_when_stopping)
			return false;
		if (conn)
			PQfinish(conn);
		conn = PQconnectdb(conninfo);
		if (connected())
		{
			PGresult   *result = PQexec(conn, "SET client_min_messages = error; SET lock_timeout = '3s'");

			PQclear(result);
			connections++;
		}
		else
			sleep_ms(50);
	}
	return true;
}

/* true when it went well; the first field, if there is one, is copied */
static bool
run(const char *sql, char *first, size_t size)
{
	PGresult   *result = PQexec(conn, sql);
	ExecStatusType status = PQresultStatus(result);
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	bool		good = (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK);

	snprintf(sqlstate, sizeof(sqlstate), "%s", state ? state : "");
	if (first)
		snprintf(first, size, "%s", good && PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
	/* COMMIT of a transaction that has failed is answered by ROLLBACK */
	if (good && strcmp(sql, "COMMIT") == 0 && strcmp(PQcmdStatus(result), "COMMIT") != 0)
		good = false;
	PQclear(result);
	return good;
}

static bool
runf(const char *format,...)
{
	char		sql[8192];
	va_list		args;

	va_start(args, format);
	vsnprintf(sql, sizeof(sql), format, args);
	va_end(args);
	return run(sql, NULL, 0);
}

static void
note(const char *what, int64_t transaction)
{
	fprintf(output, "%s\t%lld\n", what, (long long) transaction);
	fflush(output);
}

static void
note_event(const char *what, int64_t transaction, int64_t number, const char *stream, const char *kind)
{
	fprintf(output, "%s\t%lld\t%lld\t%s\t%s\n", what, (long long) transaction,
			(long long) number, stream, kind);
}

/* streams of a while ago get no more events, so that they stay short */
static void
draw_stream(char *stream, size_t size)
{
	int			epoch = (int) (time(NULL) / 30 % 100000);

	if (draw(10) == 0)
		snprintf(stream, size, "hot-%d", epoch);
	else
		snprintf(stream, size, "s%u-%d-%u", draw(4), epoch, draw(12));
}

/*
 * Appends one event, or a few at once.  "source" changes with each connection:
 * events of one source, if any, come into the log in this order.
 */
static bool
append(int64_t transaction, const char *fate, bool own_source)
{
	char		stream[64];
	char		types[512] = "";
	char		datas[4096] = "";
	int			count = draw(3) == 0 ? 1 + draw(8) : 1;

	/* what is prepared may stay locked for long, so it has streams of its own */
	if (own_source)
		snprintf(stream, sizeof(stream), "p%lld-%lld", (long long) id, (long long) transaction);
	else
		draw_stream(stream, sizeof(stream));
	for (int i = 0; i < count; i++)
	{
		int64_t		n = next_number++;
		const char *kind = draw(1000) == 0 ? "Bad" : "E";
		int64_t		source = own_source ? n : id * 1000000 + connections;
		size_t		length = strlen(datas);

		note_event(fate, transaction, n, stream, kind);
		snprintf(types + strlen(types), sizeof(types) - strlen(types), "%s%s", i ? "," : "", kind);
		snprintf(datas + length, sizeof(datas) - length, "%s'{\"n\": %lld, \"w\": %lld}'",
				 i ? "," : "", (long long) n, (long long) source);
	}
	if (count == 1)
		return runf("SELECT cqrs_emit('%s', '%s', %s)", stream, types, datas);
	return runf("SELECT cqrs_append('%s', '{%s}', ARRAY[%s]::jsonb[])", stream, types, datas);
}

static bool
fill_transaction(int64_t transaction, bool own_source)
{
	int			steps = 1 + draw(3);

	for (int i = 0; i < steps; i++)
	{
		if (draw(3) == 0)
		{
			/* a savepoint, perhaps in a savepoint, and perhaps rolled back */
			bool		taken_back = draw(2) == 0;

			if (!run("SAVEPOINT a", NULL, 0))
				return false;
			hold();
			if (!append(transaction, taken_back ? "never" : "intent", own_source))
				return false;
			hold();
			if (!run(taken_back ? "ROLLBACK TO a" : "RELEASE a", NULL, 0))
				return false;
		}
		else
		{
			/* something else first, so that the order of xids is not that of positions */
			if (draw(2) == 0 && !runf("INSERT INTO chaos.business VALUES (%lld)", (long long) transaction))
				return false;
			hold();
			if (!append(transaction, "intent", own_source))
				return false;
			hold();
		}
	}
	return true;
}

/* the end, as it has been asked for */
static void
finish(int64_t transaction, const char *end, bool certain)
{
	if (run(end, NULL, 0))
		note(certain ? "ok" : "unknown", transaction);
	else
		note(connected() ? "failed" : "unknown", transaction);
}

static void
finish_prepared(int64_t transaction, bool left)
{
	bool		commit = draw(3) != 0;
	char		name[64];

	snprintf(name, sizeof(name), "chaos-%lld-%c", (long long) transaction, commit ? 'c' : 'r');
	if (!runf("PREPARE TRANSACTION '%s'", name))
	{
		note(connected() || !commit ? "failed" : "unknown", transaction);
		return;
	}

	/* from here on it is sure what will become of it */
	note(commit ? "ok" : "failed", transaction);
	hold();
	if (!left)
		runf("%s PREPARED '%s'", commit ? "COMMIT" : "ROLLBACK", name);
}

static void
do_transaction(void)
{
	static const char *const levels[] = {"READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"};
	int64_t		transaction = next_transaction++;
	unsigned	kind = draw(20);
	bool		prepared = kind < 3;
	bool		certain = kind != 3;

	if (!runf("BEGIN ISOLATION LEVEL %s", levels[draw(4)]) ||
		(!certain && !run("SET LOCAL synchronous_commit = off", NULL, 0)) ||
		!fill_transaction(transaction, prepared))
	{
		note("failed", transaction);
		if (connected())
			run("ROLLBACK", NULL, 0);
	}
	else if (prepared)
		finish_prepared(transaction, kind == 0);
	else if (kind == 4)
	{
		run("ROLLBACK", NULL, 0);
		note("failed", transaction);
	}
	else
		finish(transaction, "COMMIT", certain);
}

/*
 * A command is sent until there is an answer, under the same id.
 */
static void
do_command(void)
{
	int64_t		transaction = next_transaction++;
	int64_t		n = next_number++;
	char		stream[64];
	char		answer[64];
	char		sql[1024];
	bool		rejected = draw(8) == 0;
	int			tries = 0;

	draw_stream(stream, sizeof(stream));
	note_event("intent", transaction, n, stream, "Booked");
	snprintf(sql, sizeof(sql),
			 "SELECT cqrs_send('Book', '{\"n\": %lld, \"w\": %lld, \"stream\": \"%s\", \"reject\": %s, \"hold\": %u}',"
			 " '%08x-0000-7000-8000-%012llx')",
			 (long long) n, (long long) n, stream, rejected ? "true" : "false", draw(30),
			 (unsigned) id, (unsigned long long) n);

	for (;;)
	{
		be_connected(true);
		if (run(sql, answer, sizeof(answer)))
		{
			if (rejected || strtoll(answer, NULL, 10) != n)
				fprintf(output, "ill\t%lld\tcommand %lld was answered by \"%s\"\n",
						(long long) transaction, (long long) n, answer);
			note("ok", transaction);

			/* once more: the same answer, and no effect */
			if (draw(5) == 0 && run(sql, answer, sizeof(answer)) && strtoll(answer, NULL, 10) != n)
				fprintf(output, "ill\t%lld\tcommand %lld was answered by \"%s\" the second time\n",
						(long long) transaction, (long long) n, answer);
			return;
		}
		/* its own answer is final; all else may pass, but not without end */
		if (connected() && strcmp(sqlstate, "CH001") == 0)
		{
			note("failed", transaction);
			return;
		}
		if (stopping && ++tries > 100)
		{
			fprintf(output, "ill\t%lld\tcommand %lld got no answer but \"%s\"\n",
					(long long) transaction, (long long) n, sqlstate);
			note("unknown", transaction);
			return;
		}
		sleep_ms(50);
	}
}

static void
write_history(void)
{
	next_number = id * 1000000000LL + 1;
	next_transaction = id * 1000000000LL + 1;
	while (!stopping && be_connected(false))
	{
		if (draw(4) == 0)
			do_command();
		else
			do_transaction();
		sleep_ms(draw(25));
	}
}

static char *
read_file(const char *name)
{
	FILE	   *file = fopen(name, "r");
	char	   *text = calloc(1, 1 << 20);

	if (file == NULL || fread(text, 1, (1 << 20) - 1, file) == 0)
		exit(1);
	fclose(file);
	return text;
}

static void
loop(const char *sql, int pause)
{
	int64_t		times = 0;

	while (!stopping && be_connected(false))
	{
		PGresult   *result = PQexec(conn, sql);

		for (int row = 0; PQresultStatus(result) == PGRES_TUPLES_OK && row < PQntuples(result); row++)
		{
			for (int i = 0; i < PQnfields(result); i++)
				fprintf(output, "%s%s", i ? "\t" : "", PQgetvalue(result, row, i));
			fprintf(output, "\n");
			fflush(output);
		}
		times += (PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK);
		PQclear(result);
		if (connected() && PQtransactionStatus(conn) != PQTRANS_IDLE)
			run("ROLLBACK", NULL, 0);
		sleep_ms(draw(pause + 1));
	}
	fprintf(output, "done %lld\n", (long long) times);
}

int
main(int argc, char **argv)
{
	if (argc != 7)
		return 2;
	signal(SIGTERM, stop);
	signal(SIGPIPE, SIG_IGN);
	random_state = strtoull(argv[3], NULL, 10) * 2654435761ULL + 88172645463325252ULL;
	output = fopen(argv[4], "a");
	conninfo = argv[5];
	if (output == NULL)
		return 1;

	if (strcmp(argv[1], "write") == 0)
	{
		id = atoll(argv[2]);
		random_state += id * 7919;
		longest_hold = atoi(argv[6]);
		write_history();
	}
	else
		loop(read_file(argv[2]), atoi(argv[6]));
	fclose(output);
	return 0;
}
