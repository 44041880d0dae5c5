#!/usr/bin/python3
"""A projection outside of the database: one statement for each event, 500
events a transaction, over psycopg2.  An argument limits the number of events."""
import sys

import psycopg2

limit = int(sys.argv[1]) if len(sys.argv) > 1 else None
reader = psycopg2.connect("")
conn = psycopg2.connect("")
events = reader.cursor(name="events")
events.itersize = 500
events.execute("SELECT type, data FROM bench.event ORDER BY position LIMIT %s", (limit,))
c = conn.cursor()
c.execute("SET synchronous_commit = off")
for n, (kind, data) in enumerate(events, 1):
    if kind == "OrderCreated":
        c.execute("INSERT INTO bench.order_summary VALUES (%(order_id)s, %(customer_name)s, 0, 0, 'created')", data)
    elif kind == "ItemAdded":
        c.execute("UPDATE bench.order_summary SET items = items + %(qty)s, total = total + %(qty)s * %(price)s::numeric"
                  " WHERE order_id = %(order_id)s", data)
    else:
        c.execute("UPDATE bench.order_summary SET status = 'shipped' WHERE order_id = %(order_id)s", data)
    if n % 500 == 0:
        conn.commit()
conn.commit()
