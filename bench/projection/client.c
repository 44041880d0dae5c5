/*
 * client.c
 *		A projection outside of the database: one statement for each event, 500
 *		events a transaction, over libpq.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
check(PGconn *conn, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(conn));
		exit(1);
	}
}

static void
execute(PGconn *conn, const char *sql)
{
	PGresult   *result = PQexec(conn, sql);

	check(conn, result);
	PQclear(result);
}

static void
apply(PGconn *conn, const PGresult *events, int row)
{
	const char *type = PQgetvalue(events, row, 0);
	const char *values[3];
	PGresult   *result;

	for (int i = 0; i < 3; i++)
		values[i] = PQgetvalue(events, row, i + 1);
	if (strcmp(type, "OrderCreated") == 0)
	{
		values[1] = PQgetvalue(events, row, 4);
		result = PQexecPrepared(conn, "created", 2, values, NULL, NULL, 0);
	}
	else if (strcmp(type, "ItemAdded") == 0)
		result = PQexecPrepared(conn, "added", 3, values, NULL, NULL, 0);
	else
		result = PQexecPrepared(conn, "shipped", 1, values, NULL, NULL, 0);
	check(conn, result);
	PQclear(result);
}

int
main(void)
{
	PGconn	   *conn = PQconnectdb("");
	PGconn	   *reader = PQconnectdb("");
	int			n;

	execute(conn, "SET synchronous_commit = off");
	PQclear(PQprepare(conn, "created", "INSERT INTO bench.order_summary VALUES ($1, $2, 0, 0, 'created')", 0, NULL));
	PQclear(PQprepare(conn, "added", "UPDATE bench.order_summary SET items = items + $2::int, total = total + $2::int * $3::numeric WHERE order_id = $1", 0, NULL));
	PQclear(PQprepare(conn, "shipped", "UPDATE bench.order_summary SET status = 'shipped' WHERE order_id = $1", 0, NULL));
	execute(reader, "BEGIN");
	execute(reader, "DECLARE c CURSOR FOR SELECT type, data->>'order_id', data->>'qty', data->>'price', data->>'customer_name' FROM bench.event ORDER BY position");
	do
	{
		PGresult   *events = PQexec(reader, "FETCH 500 FROM c");

		check(reader, events);
		n = PQntuples(events);
		execute(conn, "BEGIN");
		for (int i = 0; i < n; i++)
			apply(conn, events, i);
		execute(conn, "COMMIT");
		PQclear(events);
	} while (n > 0);
	PQfinish(reader);
	PQfinish(conn);
	return 0;
}
