-- Describing projections, starting and dropping them.
CREATE ROLE regress_cqrs_alice;
CREATE ROLE regress_cqrs_bob;
CREATE SCHEMA shop;
GRANT USAGE, CREATE ON SCHEMA shop TO regress_cqrs_alice;
GRANT EXECUTE ON FUNCTION cqrs_create_projection, cqrs_on(text, text, text), cqrs_on(text, text, regprocedure),
	cqrs_on_batch, cqrs_off, cqrs_start, cqrs_pause, cqrs_resume, cqrs_drop_projection, cqrs_catch_up, cqrs_explain,
	cqrs_retry_parked, cqrs_discard_parked TO regress_cqrs_alice, regress_cqrs_bob;
GRANT USAGE ON SCHEMA cqrs TO regress_cqrs_alice;

-- Arguments.
SELECT f.* FROM (VALUES
	($$SELECT cqrs_create_projection(NULL, 'shop', '')$$),
	($$SELECT cqrs_create_projection('p', NULL, '')$$),
	($$SELECT cqrs_create_projection('p', 'shop', NULL)$$),
	($$SELECT cqrs_create_projection('', 'shop', '')$$),
	($$SELECT cqrs_create_projection('pg_p', 'shop', '')$$),
	($$SELECT cqrs_create_projection(repeat('p', 53), 'shop', '')$$),
	($$SELECT cqrs_create_projection(E'p\n', 'shop', '')$$),
	($$SELECT cqrs_create_projection('p', 'nowhere', '')$$),
	($$SELECT cqrs_create_projection('p', 'shop', '', on_error => 'retry')$$),
	($$SELECT cqrs_create_projection('p', 'shop', '', mode => 'sync')$$),
	($$SELECT cqrs_on('nope', 'T', 'SELECT 1')$$),
	($$SELECT cqrs_on_batch('nope', '{T}', 'SELECT 1')$$),
	($$SELECT cqrs_start('nope')$$),
	($$SELECT cqrs_drop_projection('nope')$$),
	($$SELECT cqrs_catch_up('nope')$$),
	($$SELECT cqrs_catch_up(max_events => -1)$$),
	($$SELECT cqrs_explain('nope')$$)) s (statement), LATERAL fails(statement) f;

-- A draft.
SET ROLE regress_cqrs_alice;
SELECT cqrs_create_projection('orders', 'shop', $$
	CREATE TABLE orders (id bigint PRIMARY KEY, customer text, items int DEFAULT 0, total numeric DEFAULT 0);
	CREATE INDEX ON orders (customer);
	CREATE TABLE _by_day (day date PRIMARY KEY, orders int);
	CREATE VIEW large_orders AS SELECT * FROM orders WHERE total > 100;
	CREATE FUNCTION half(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 2';
$$, description => 'What customers ask for');
SELECT * FROM fails($$SELECT cqrs_create_projection('orders', 'shop', '')$$);

-- A literal is a text; a function is named by regprocedure.
SELECT cqrs_on('orders', 'OrderPlaced', $$ INSERT INTO orders (id, customer) VALUES ((event.data->>'id')::bigint, event.data->>'customer') $$);
SELECT cqrs_on('orders', 'ItemPut', $$ SELECT 1 $$);
SELECT cqrs_on('orders', 'ItemPut', $$ UPDATE orders SET items = items + 1, total = total + half(2 * (event.data->>'price')::numeric)
	WHERE id = (event.data->>'id')::bigint $$);
SELECT cqrs_on('orders', 'Noise', 'SELECT 1');
SELECT cqrs_off('orders', 'Noise');
SELECT cqrs_on_batch('orders', '{BatchB,BatchA,BatchB}', 'SELECT 1 FROM events');
SELECT cqrs_on_batch('orders', '{BatchA,BatchB}', 'INSERT INTO _by_day SELECT recorded_at::date, count(*) FROM events GROUP BY 1 ON CONFLICT (day) DO UPDATE SET orders = _by_day.orders + excluded.orders');
SELECT cqrs_off('orders', 'BatchB');
CREATE FUNCTION shop.on_closed(event cqrs.event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM orders WHERE id = (event.data->>'id')::bigint;
END $$;
SELECT cqrs_on('orders', 'OrderClosed', 'shop.on_closed(cqrs.event)'::regprocedure);
SELECT f.* FROM (VALUES
	($$SELECT cqrs_off('orders', 'Noise')$$),
	($$SELECT cqrs_on('orders', NULL, 'SELECT 1')$$),
	($$SELECT cqrs_on('orders', '', 'SELECT 1')$$),
	($$SELECT cqrs_on('orders', 'T', NULL::text)$$),
	($$SELECT cqrs_on('orders', 'T', NULL::regprocedure)$$),
	($$SELECT cqrs_on('orders', 'T', 'pg_catalog.lower(text)'::regprocedure)$$),
	($$SELECT cqrs_on_batch('orders', '{}', 'SELECT 1')$$),
	($$SELECT cqrs_on_batch('orders', '{T,NULL}', 'SELECT 1')$$),
	($$SELECT cqrs_catch_up('orders')$$),
	($$SELECT cqrs_pause('orders')$$),
	($$SELECT cqrs_resume('orders')$$),
	($$SELECT cqrs_retry_parked('orders')$$)) s (statement), LATERAL fails(statement) f;
RESET ROLE;
SELECT number, kind, event_types, rule, handler_owner FROM cqrs.rule WHERE projection = 'orders' ORDER BY number;

-- Nothing exists of a draft; to explain it leaves nothing, too.
SET ROLE regress_cqrs_alice;
SELECT * FROM cqrs_explain('orders');
SELECT to_regnamespace('orders$1'), to_regclass('shop.orders');

-- Others keep their hands off, also from finding out by waiting.
RESET ROLE;
SET ROLE regress_cqrs_bob;
SELECT f.state, f.message FROM (VALUES
	($$SELECT cqrs_create_projection('mine', 'shop', '')$$),
	($$SELECT cqrs_on('orders', 'T', 'SELECT 1')$$),
	($$SELECT cqrs_off('orders', 'OrderPlaced')$$),
	($$SELECT cqrs_start('orders')$$),
	($$SELECT cqrs_explain('orders')$$),
	($$SELECT cqrs_drop_projection('orders')$$)) s (statement), LATERAL fails(statement) f;
RESET ROLE;

-- Started, also by a superuser, all is the owner's; a name with "_" is not shown.
SELECT cqrs_start('orders');
SELECT n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner) AS owner
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname IN ('shop', 'orders$1') AND c.relkind IN ('r', 'v') ORDER BY 1, 2;
SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'orders$1';
SELECT state, live_build, next_build, events_behind = (SELECT count(*) FROM cqrs.event) AS all_behind, events_applied, events_parked, last_error, progress
  FROM cqrs.projection_status WHERE projection = 'orders';
SET ROLE regress_cqrs_alice;
SELECT * FROM cqrs_explain('orders');

-- Its rules cannot be changed now.
SELECT f.* FROM (VALUES
	($$SELECT cqrs_on('orders', 'T', 'SELECT 1')$$),
	($$SELECT cqrs_on('orders', 'T', 'shop.on_closed(cqrs.event)'::regprocedure)$$),
	($$SELECT cqrs_on_batch('orders', '{T}', 'SELECT 1')$$),
	($$SELECT cqrs_off('orders', 'OrderPlaced')$$),
	($$SELECT cqrs_start('orders')$$)) s (statement), LATERAL fails(statement) f;
RESET ROLE;

-- Events make rows.
SELECT cqrs_catch_up('orders');
SELECT cqrs_emit('order-1', 'OrderPlaced', '{"id": 1, "customer": "Ann"}');
SELECT cqrs_emit('order-1', 'ItemPut', '{"id": 1, "price": 70.5}');
SELECT cqrs_emit('order-1', 'ItemPut', '{"id": 1, "price": 40}');
SELECT cqrs_emit('order-2', 'OrderPlaced', '{"id": 2, "customer": "Bo"}');
SELECT cqrs_emit('order-2', 'NotForUs');
SELECT cqrs_emit('order-2', 'OrderClosed', '{"id": 2}');
SELECT cqrs_emit('order-1', 'BatchA');
SELECT events_behind FROM cqrs.projection_status WHERE projection = 'orders';
SET ROLE regress_cqrs_alice;
SELECT cqrs_catch_up('orders', 0);
SELECT cqrs_catch_up('orders', 2);
SELECT * FROM shop.orders;
SELECT cqrs_catch_up('orders');
SELECT cqrs_catch_up('orders');
SELECT * FROM shop.orders ORDER BY id;
SELECT * FROM shop.large_orders;
SELECT orders FROM "orders$1"._by_day;
RESET ROLE;
SELECT events_behind, seconds_behind FROM cqrs.projection_status WHERE projection = 'orders';

-- A paused projection stays where it is; both are idempotent.
SELECT cqrs_pause('orders');
SELECT cqrs_pause('orders');
SELECT cqrs_emit('order-3', 'OrderPlaced', '{"id": 3}');
SELECT cqrs_catch_up('orders');
SELECT cqrs_catch_up();
SELECT state, events_behind FROM cqrs.projection_status WHERE projection = 'orders';
SELECT cqrs_resume('orders');
SELECT cqrs_resume('orders');
SELECT cqrs_catch_up();

-- What others build on it is not dropped in silence.
CREATE VIEW shop.on_top AS SELECT count(*) FROM shop.orders;
SELECT * FROM fails($$SELECT cqrs_drop_projection('orders')$$);
DROP VIEW shop.on_top;
CREATE VIEW shop.on_top AS SELECT count(*) FROM "orders$1".orders;
SELECT state, message, detail FROM fails($$SELECT cqrs_drop_projection('orders')$$);
DROP VIEW shop.on_top;
SET ROLE regress_cqrs_alice;
SELECT cqrs_drop_projection('orders');
RESET ROLE;
SELECT to_regnamespace('orders$1'), to_regclass('shop.orders'), to_regclass('shop.large_orders');
SELECT (SELECT count(*) FROM cqrs.projection), (SELECT count(*) FROM cqrs.build), (SELECT count(*) FROM cqrs.rule),
	(SELECT count(*) FROM cqrs.cursor WHERE name LIKE 'orders%');

-- Faults of a draft show at the start, with the rule and the place in its
-- text, and nothing is left behind.
\set VERBOSITY default
SET ROLE regress_cqrs_alice;
SELECT cqrs_create_projection('faulty', 'shop', 'CREATE TABLE faulty (a int PRIMARY KEY); CREATE TABEL oops ()');
SELECT cqrs_start('faulty');
SELECT cqrs_drop_projection('faulty');
SELECT cqrs_create_projection('faulty', 'shop', 'CREATE TABLE faulty (a int PRIMARY KEY); CREATE TABLE b (x nowhere)');
SELECT cqrs_start('faulty');
SELECT cqrs_drop_projection('faulty');
SELECT cqrs_create_projection('faulty', 'shop', 'CREATE TABLE faulty (a int PRIMARY KEY); COMMIT');
SELECT cqrs_start('faulty');
SELECT cqrs_drop_projection('faulty');
SELECT cqrs_create_projection('faulty', 'shop', 'CREATE TABLE faulty (a int PRIMARY KEY); COPY faulty FROM STDIN');
SELECT cqrs_start('faulty');
SELECT cqrs_drop_projection('faulty');
SELECT cqrs_create_projection('faulty', 'shop', 'CREATE TEMP TABLE faulty (a int PRIMARY KEY)');
SELECT cqrs_start('faulty');
SELECT cqrs_drop_projection('faulty');
SELECT cqrs_create_projection('faulty', 'shop', 'CREATE TABLE faulty (a int PRIMARY KEY)');
SELECT cqrs_on('faulty', 'Good', 'INSERT INTO faulty VALUES (1)');
SELECT cqrs_on('faulty', 'Bad', 'INSERT INTO faulty VALUES (1, 2)');
SELECT cqrs_start('faulty');
SELECT cqrs_on('faulty', 'Bad', 'INSERT INTO faulty SELECT 1 FROM nowhere');
SELECT cqrs_start('faulty');
SELECT cqrs_on('faulty', 'Bad', 'shop.on_closed(cqrs.event)');
SELECT cqrs_start('faulty');
SELECT cqrs_on('faulty', 'Bad', 'INSERT INTO faulty VALUES (event.qty)');
SELECT cqrs_start('faulty');
SELECT cqrs_on('faulty', 'Bad', 'INSERT INTO faulty VALUES (extract(year FROM now()))');
SELECT cqrs_start('faulty');
SELECT cqrs_off('faulty', 'Bad');
RESET ROLE;
SELECT to_regnamespace('faulty$1'), to_regclass('shop.faulty');
SELECT state, live_build FROM cqrs.projection_status WHERE projection = 'faulty';

-- Somebody else's relation is in the way of a view, or of the schema.
CREATE TABLE shop.faulty ();
SELECT cqrs_start('faulty');
DROP TABLE shop.faulty;
CREATE SCHEMA "faulty$1";
SELECT cqrs_start('faulty');
DROP SCHEMA "faulty$1";
SELECT cqrs_start('faulty');

-- A build that was dropped behind our back is noticed.
DROP SCHEMA "faulty$1" CASCADE;
SELECT cqrs_emit('f-1', 'Good');
SELECT cqrs_catch_up('faulty');
SELECT state, last_error FROM cqrs.projection_status WHERE projection = 'faulty';
SELECT cqrs_catch_up('faulty');
SELECT cqrs_drop_projection('faulty');

-- Names need quoting everywhere, or break out nowhere.
CREATE SCHEMA "sh""op";
SELECT cqrs_create_projection('a"b''c$$; --', 'sh"op', 'CREATE TABLE "t""x; --" (a int PRIMARY KEY)');
SELECT cqrs_on('a"b''c$$; --', 'Quo"te''d', 'INSERT INTO "t""x; --" VALUES (1)');
SELECT cqrs_start('a"b''c$$; --');
SELECT cqrs_emit('q-1', 'Quo"te''d');
SELECT cqrs_catch_up('a"b''c$$; --');
SELECT * FROM "sh""op"."t""x; --";
SELECT cqrs_drop_projection('a"b''c$$; --');
DROP SCHEMA "sh""op";

-- A partitioned table is shown as one; a materialized view and a projection
-- without tables are fine.
SELECT cqrs_create_projection('parts', 'shop', 'CREATE TABLE parts (a int, b int, PRIMARY KEY (a)) PARTITION BY HASH (a);
	CREATE TABLE part_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE part_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	CREATE MATERIALIZED VIEW sums AS SELECT sum(b) FROM parts');
SELECT cqrs_on('parts', '*', 'INSERT INTO parts VALUES (event.position, 1)');
SELECT cqrs_start('parts');
SELECT cqrs_catch_up('parts') = (SELECT count(*) FROM cqrs.event) AS all_events;
SELECT count(*) = (SELECT count(*) FROM cqrs.event) AS all_rows FROM shop.parts;
SELECT * FROM shop.sums;
SELECT cqrs_drop_projection('parts');
SELECT cqrs_create_projection('nothing', 'shop', '');
SELECT cqrs_start('nothing');
SELECT cqrs_catch_up('nothing');
SELECT cqrs_drop_projection('nothing');

-- Two batch rules that have become rules for the same types are replaced as one.
SELECT cqrs_create_projection('twice', 'shop', 'CREATE TABLE twice (n int)');
SELECT cqrs_on_batch('twice', '{TwA,TwB}', 'INSERT INTO twice SELECT 1 FROM events');
SELECT cqrs_on('twice', 'TwB', 'INSERT INTO twice VALUES (2)');
SELECT cqrs_on_batch('twice', '{TwB}', 'INSERT INTO twice SELECT 3 FROM events');
SELECT cqrs_on_batch('twice', '{TwC}', 'INSERT INTO twice SELECT 4 FROM events');
SELECT cqrs_off('twice', 'TwA');
SELECT number, kind, event_types, rule FROM cqrs.rule WHERE projection = 'twice' ORDER BY number;
SELECT cqrs_on_batch('twice', '{TwB}', 'INSERT INTO twice SELECT 5 FROM events');
SELECT number, kind, event_types, rule FROM cqrs.rule WHERE projection = 'twice' ORDER BY number;
SELECT cqrs_drop_projection('twice');

DROP FUNCTION shop.on_closed(cqrs.event);
DROP SCHEMA shop;
DROP OWNED BY regress_cqrs_alice, regress_cqrs_bob;
DROP ROLE regress_cqrs_alice, regress_cqrs_bob;
