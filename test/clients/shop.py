"""The shop as an application in Python sees it.

usage: shop.py psycopg|psycopg2 direct|pooled HOST

DIRECT is where the server itself listens, for what the owner of the shop does.
"""

import importlib
import json
import os
import sys
import threading
import time
import traceback
import uuid

driver_name, mode, host = sys.argv[1:4]
driver = importlib.import_module(driver_name)
pooled = mode == "pooled"
version_3 = driver_name == "psycopg"


def connect(user="shop_app", where=host, autocommit=True, **options):
    if version_3 and pooled and where == host:
        # What the documentation of psycopg says for pgbouncer in this mode.
        options["prepare_threshold"] = None
    connection = driver.connect(host=where, port=5432, user=user, dbname=os.environ["PGDATABASE"], **options)
    connection.autocommit = autocommit
    return connection


app = connect()
owner = connect(user="postgres", where=os.environ["DIRECT"])
failed = False


def rows(sql, *params, connection=None):
    cursor = (connection or app).cursor()
    cursor.execute(sql, params)
    return cursor.fetchall()


def value(sql, *params, connection=None):
    ((result,),) = rows(sql, *params, connection=connection)
    return result


def send(command, connection=None, **payload):
    return value("SELECT cqrs_send(%s, %s::jsonb)", command, json.dumps(payload), connection=connection)


def error(function, *args, **kwargs):
    """The SQLSTATE, the message and the detail that a client gets."""
    try:
        function(*args, **kwargs)
    except driver.Error as e:
        return (e.sqlstate if version_3 else e.pgcode), e.diag.message_primary, e.diag.message_detail
    return None, "no error", None


def new_order():
    return int(send("CreateOrder", customer_id=1, ship_to="York, England"))


def submitted_order():
    order = new_order()
    send("AddItem", order_id=order, product_id=2, qty=2)
    send("SubmitOrder", order_id=order)
    return order


def in_threads(n, work):
    threads = [threading.Thread(target=work) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def equal(found, wanted):
    assert found == wanted, f"found {found!r}, wanted {wanted!r}"


def check(function):
    global failed
    name = f"{driver_name} {mode}: {function.__doc__}"
    try:
        function()
        print("ok -", name, flush=True)
    except Exception:
        traceback.print_exc(file=sys.stdout)
        print("not ok -", name, flush=True)
        failed = True


@check
def results():
    "a command returns its identifier, as text"
    order = send("CreateOrder", customer_id=1, ship_to="York, England")
    assert isinstance(order, str) and order.isdigit(), order
    equal(send("AddItem", order_id=int(order), product_id=1, qty=1), order)


@check
def sqlstates():
    "rejections are errors with a SQLSTATE, a message and a detail"
    order = new_order()
    state, message, detail = error(send, "AddItem", order_id=order, product_id=2, qty=0, colour="red")
    equal(state, "QC001")
    equal(detail.splitlines()[-1], "colour: unknown field")
    equal(error(send, "ShipOrder", order_id=order, carrier="x", tracking_number="y")[:2], ("P0001", f"order {order} is open"))
    equal(error(send, "SubmitOrder", order_id=-1)[:2], ("P0002", "order -1 does not exist"))
    equal(error(send, "Nonsense")[0], "42704")
    equal(error(rows, "SELECT cqrs_emit('order-1', 'OrderShipped')")[0], "42501")
    equal(error(rows, "SELECT * FROM shop_write.customer")[0], "42501")
    equal(error(rows, "SELECT cqrs_query('FindOrders', %s::jsonb)", '{"sort": "no; DROP"}')[0], "QC001")
    equal(error(rows, "SELECT cqrs_wait('nonsense')")[0], "22023")


@check
def classes_of_errors():
    "standard codes are the driver's own classes of errors"
    try:
        send("Nonsense")
        raise AssertionError("no error")
    except driver.errors.UndefinedObject:
        pass
    try:
        rows("SELECT cqrs_emit('order-1', 'OrderShipped')")
        raise AssertionError("no error")
    except driver.errors.InsufficientPrivilege:
        pass


@check
def try_send():
    "cqrs_try_send() answers with a row"
    sql = "SELECT ok, id, token IS NOT NULL, sqlstate, message FROM cqrs_try_send(%s, %s::jsonb)"
    order = new_order()
    equal(rows(sql, "AddItem", json.dumps({"order_id": order, "product_id": 1, "qty": 1})), [(True, str(order), True, None, None)])
    ((ok, id, _, state, message),) = rows(sql, "ShipOrder", json.dumps({"order_id": order, "carrier": "x", "tracking_number": "y"}))
    equal((ok, id, state, message), (False, None, "P0001", f"order {order} is open"))


@check
def idempotence():
    "a command is retried with its id, also on another connection"
    sql = "SELECT cqrs_send('CreateOrder', %s::jsonb, command_id => %s::uuid)"
    payload, id = json.dumps({"customer_id": 1, "ship_to": "York, England"}), str(uuid.uuid4())
    before = value('SELECT count(*) FROM shop_write."order"', connection=owner)
    order = value(sql, payload, id)
    equal(value(sql, payload, id), order)
    equal(value(sql, payload, id, connection=connect()), order)
    equal(value('SELECT count(*) FROM shop_write."order"', connection=owner), before + 1)
    equal(error(rows, sql, json.dumps({"customer_id": 2, "ship_to": "York, England"}), id)[0], "QC003")


@check
def idempotence_at_the_same_time():
    "the same command from eight connections at once is done once"
    payload, id, answers = json.dumps({"customer_id": 1, "ship_to": "York, England"}), str(uuid.uuid4()), []

    def work():
        answers.append(value("SELECT cqrs_send('CreateOrder', %s::jsonb, command_id => %s::uuid)", payload, id, connection=connect()))

    in_threads(8, work)
    equal((len(answers), len(set(answers))), (8, 1))


@check
def lost_connection():
    "a connection is lost while a command runs: the retry does it, once"
    sql = "SELECT cqrs_send('CreateOrder', %s::jsonb, command_id => %s::uuid)"
    payload, id = json.dumps({"customer_id": 2, "ship_to": "York, England"}), str(uuid.uuid4())
    before = value('SELECT count(*) FROM shop_write."order"', connection=owner)
    blocker = connect(user="postgres", where=os.environ["DIRECT"], autocommit=False)
    rows("SELECT * FROM shop_write.customer WHERE id = 2 FOR UPDATE", connection=blocker)
    problems = []
    thread = threading.Thread(target=lambda: problems.append(error(rows, sql, payload, id, connection=connect())))
    thread.start()
    for _ in range(600):
        if value("""SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE usename = 'shop_app' AND wait_event_type = 'Lock'""", connection=owner):
            break
        time.sleep(0.1)
    thread.join()
    blocker.rollback()
    blocker.close()
    assert problems and problems[0][1] != "no error", problems
    equal(value('SELECT count(*) FROM shop_write."order"', connection=owner), before)
    order = value(sql, payload, id, connection=connect())
    equal(value(sql, payload, id, connection=connect()), order)
    equal(value('SELECT count(*) FROM shop_write."order"', connection=owner), before + 1)


@check
def transactions():
    "a command is part of the client's transaction, and leaves with it"
    connection = connect(autocommit=False)
    order = int(send("CreateOrder", connection=connection, customer_id=1, ship_to="York, England"))
    connection.rollback()
    equal(error(send, "AddItem", order_id=order, product_id=1, qty=1)[0], "P0002")
    equal(error(send, "SubmitOrder", connection=connection, order_id=order)[0], "P0002")
    connection.rollback()
    order = int(send("CreateOrder", connection=connection, customer_id=1, ship_to="York, England"))
    send("AddItem", connection=connection, order_id=order, product_id=1, qty=1)
    connection.commit()
    equal(send("SubmitOrder", order_id=order), str(order))
    connection.close()


@check
def token():
    "a token from one connection is waited for on another"
    connection = connect(autocommit=False)
    for n in range(5):
        order = int(send("CreateOrder", connection=connection, customer_id=2, ship_to="York, England"))
        # In the same transaction: afterwards a pooler may give us another session.
        token = value("SELECT cqrs_token()", connection=connection)
        connection.commit()
        equal(value("SELECT cqrs_wait(%s, timeout => '1min')", token), True)
        equal(rows("SELECT status FROM shop.order_summary WHERE order_id = %s", order), [("open",)])
    connection.close()


@check
def execute():
    "CALL cqrs_execute() sends, commits and waits in one round trip"
    order = new_order()
    sql = "CALL cqrs_execute('AddItem', %s::jsonb, timeout => '1min')"
    ((id, token, synced),) = rows(sql, json.dumps({"order_id": order, "product_id": 3, "qty": 2}))
    equal((id, synced), (str(order), True))
    equal(float(value("SELECT total FROM shop.order_detail WHERE order_id = %s", order)), 8.5)
    equal(value("SELECT cqrs_wait(%s, timeout => '1min')", token), True)
    equal(error(rows, sql, json.dumps({"order_id": order, "product_id": 3, "qty": 2}))[0], "P0001")
    connection = connect(autocommit=False)
    equal(error(rows, sql, "{}", connection=connection)[0], "2D000")
    connection.close()


@check
def queries():
    "queries give JSON, pages, and what a token promises"
    ((order, token),) = rows("SELECT id, token FROM cqrs_try_send('CreateOrder', %s::jsonb)",
                             json.dumps({"customer_id": 1, "ship_to": "Zürich, Switzerland"}))
    found = value("SELECT * FROM cqrs_query('GetOrder', %s::jsonb, token => %s, timeout => '1min')", json.dumps({"order_id": order}), token)
    equal((found["order_id"], found["ship_to"], found["items"]), (int(order), "Zürich, Switzerland", []))
    ((items, total, page, size),) = rows("SELECT * FROM cqrs_query_page('FindOrders', %s::jsonb, 2, 3)", '{"sort": "-order_id"}')
    equal((len(items), page, size), (3, 2, 3))
    assert total > 6, total


@check
def waiting_in_vain():
    "a wait that is in vain ends at its timeout, with a warning or an error"
    rows("SELECT cqrs_pause('order_summary')", connection=owner)
    try:
        token = value("SELECT token FROM cqrs_try_send('CreateOrder', %s::jsonb)", json.dumps({"customer_id": 1, "ship_to": "York"}))
        equal(value("SELECT cqrs_wait(%s, ARRAY['order_detail'], '1min')", token), True)
        equal(value("SELECT cqrs_wait(%s, ARRAY['order_summary'], '50ms')", token), False)
    finally:
        rows("SELECT cqrs_resume('order_summary')", connection=owner)
    equal(value("SELECT cqrs_wait(%s, timeout => '1min')", token), True)


@check
def cancelling():
    "a wait can be cancelled, by a timeout or by the client"
    blocker = connect(user="postgres", where=os.environ["DIRECT"], autocommit=False)
    rows('SELECT 1 FROM (SELECT pg_catalog.pg_advisory_xact_lock(1)) AS x', connection=blocker)
    blocker.cursor().execute('LOCK TABLE "order_summary$1".order_summary IN ACCESS EXCLUSIVE MODE')
    try:
        token = value("SELECT token FROM cqrs_try_send('CreateOrder', %s::jsonb)", json.dumps({"customer_id": 1, "ship_to": "York"}))
        connection = connect(autocommit=False)
        connection.cursor().execute("SET LOCAL statement_timeout = '200ms'")
        equal(error(rows, "SELECT cqrs_wait(%s, ARRAY['order_summary'], '20s')", token, connection=connection)[0], "57014")
        connection.rollback()
        equal(error(rows, "SELECT cqrs_query('FindOrders', token => %s, timeout => '50ms')", token)[0], "55P03")
        timer = threading.Timer(0.2, connection.cancel)
        timer.start()
        equal(error(rows, "SELECT cqrs_wait(%s, ARRAY['order_summary'], '20s')", token, connection=connection)[0], "57014")
        timer.join()
        connection.close()
    finally:
        blocker.rollback()
        blocker.close()
    equal(value("SELECT cqrs_wait(%s, timeout => '1min')", token), True)


@check
def many_at_once():
    "many clients at once: all is done, once, and the read side agrees"
    before = float(value("SELECT sum(stock) FROM shop_write.product", connection=owner))
    orders, problems = [], []

    def work():
        try:
            connection = connect()
            for n in range(5):
                order = int(send("CreateOrder", connection=connection, customer_id=3, ship_to="York, England"))
                # in different orders, which must not deadlock
                for product in (1, 2, 3) if n % 2 else (3, 2, 1):
                    send("AddItem", connection=connection, order_id=order, product_id=product, qty=2)
                send("SubmitOrder", connection=connection, order_id=order)
                orders.append(order)
            connection.close()
        except Exception as e:
            problems.append(e)

    in_threads(8, work)
    equal(problems, [])
    equal(len(set(orders)), 40)
    equal(float(value("SELECT sum(stock) FROM shop_write.product", connection=owner)), before - 40 * 6)
    token = value("SELECT token FROM cqrs_try_send('CreateOrder', %s::jsonb)", json.dumps({"customer_id": 1, "ship_to": "York"}))
    equal(value("SELECT cqrs_wait(%s, timeout => '1min')", token), True)
    equal(rows("SELECT count(*), sum(total) FROM shop.order_summary WHERE order_id = ANY (%s) AND status = 'submitted'", orders)[0][0], 40)


@check
def prepared_statements():
    "prepared statements, executed again and again"
    if not version_3:
        # psycopg2 prepares nothing by itself; a transaction keeps the session.
        connection = connect(autocommit=False)
        cursor = connection.cursor()
        cursor.execute("PREPARE create_order (jsonb) AS SELECT cqrs_send('CreateOrder', $1)")
        for n in range(10):
            cursor.execute("EXECUTE create_order (%s)", (json.dumps({"customer_id": 1, "ship_to": f"York {n}"}),))
            assert cursor.fetchone()[0].isdigit()
        cursor.execute("DEALLOCATE create_order")
        connection.commit()
        connection.close()
        return
    connection = connect()
    cursor = connection.cursor()
    orders = set()
    for n in range(10):
        cursor.execute("SELECT cqrs_send('CreateOrder', %s::jsonb)", (json.dumps({"customer_id": 1, "ship_to": f"York {n}"}),),
                       prepare=None if pooled else True)
        orders.add(cursor.fetchone()[0])
        cursor.execute("SELECT * FROM cqrs_query('GetOrder', %s::jsonb, token => cqrs_token())" if not pooled
                       else "SELECT * FROM cqrs_query('GetOrder', %s::jsonb)", (json.dumps({"order_id": int(max(orders, key=int))}),),
                       prepare=None if pooled else True, binary=bool(n % 2))
        for (found,) in cursor.fetchall():
            equal(found["ship_to"], f"York {n}")
    equal(len(orders), 10)
    connection.close()


@check
def cursors():
    "a query is read through a cursor, a few rows at a time"
    connection = connect(autocommit=False)
    cursor = connection.cursor(name="orders")
    cursor.execute("SELECT cqrs_query('FindOrders', '{\"sort\": \"order_id\"}')")
    first, more = cursor.fetchmany(3), cursor.fetchmany(3)
    ids = [row[0]["order_id"] for row in first + more]
    equal((len(ids), ids), (6, sorted(ids)))
    cursor.close()
    # the transaction may write again
    send("CreateOrder", connection=connection, customer_id=1, ship_to="York")
    connection.commit()
    connection.close()


@check
def pipelines():
    "commands in a pipeline: one round trip for many"
    if not version_3:
        cursor = app.cursor()
        cursor.execute(";".join(["SELECT cqrs_send('CreateOrder', '{\"customer_id\": 1, \"ship_to\": \"York\"}')"] * 3))
        assert cursor.fetchone()[0].isdigit()
        return
    connection = connect()
    with connection.pipeline():
        cursors = [connection.execute("SELECT cqrs_send('CreateOrder', %s::jsonb)",
                                      (json.dumps({"customer_id": 1, "ship_to": "York"}),)) for _ in range(10)]
    equal(len({cursor.fetchone()[0] for cursor in cursors}), 10)
    connection.close()


sys.exit(failed)
