-- How users test a projection: given events, when they are projected, then
-- rows.  All in one transaction that is rolled back, with no worker.
BEGIN;
\ir ../../examples/testing/given_when_then.sql
SELECT plan(14);

CREATE SCHEMA shop;
SELECT lives_ok($test$
	SELECT cqrs_create_projection('order_summary', 'shop', $$
		CREATE TABLE order_summary (order_id bigint PRIMARY KEY, customer text, items int NOT NULL, total numeric NOT NULL, status text)
	$$);
	SELECT cqrs_on('order_summary', 'OrderCreated', $$
		INSERT INTO order_summary VALUES ((event.data->>'order_id')::bigint, event.data->>'customer', 0, 0, 'created') $$);
	SELECT cqrs_on('order_summary', 'ItemAdded', $$
		UPDATE order_summary SET items = items + (event.data->>'qty')::int,
			   total = total + (event.data->>'qty')::int * (event.data->>'price')::numeric
		 WHERE order_id = (event.data->>'order_id')::bigint $$);
	SELECT cqrs_on('order_summary', 'OrderShipped', $$
		UPDATE order_summary SET status = 'shipped' WHERE order_id = (event.data->>'order_id')::bigint $$);
	SELECT cqrs_start('order_summary');
$test$, 'a projection is described and started');

SELECT given('order-1',
	'OrderCreated {"order_id": 1, "customer": "Ann"}',
	'ItemAdded {"order_id": 1, "qty": 2, "price": 10.50}',
	'ItemAdded {"order_id": 1, "qty": 1, "price": 4}',
	'OrderShipped {"order_id": 1}');
SELECT then_no_rows('SELECT * FROM shop.order_summary');
SELECT is(when_projected('order_summary'), 4::bigint, 'own, uncommitted events are applied');
SELECT then_rows('SELECT * FROM shop.order_summary',
	'{"order_id": 1, "customer": "Ann", "items": 3, "total": 25.00, "status": "shipped"}');
SELECT is(when_projected('order_summary'), 0::bigint, 'and applied once');

-- Orders do not get in each other's way.
SELECT given('order-2', 'OrderCreated {"order_id": 2, "customer": "Bo"}');
SELECT given('order-3', 'OrderCreated {"order_id": 3, "customer": "Cy"}');
SELECT given('order-2', 'ItemAdded {"order_id": 2, "qty": 1, "price": 1}', 'SomethingElse');
SELECT when_projected();
SELECT then_rows('SELECT * FROM shop.order_summary ORDER BY order_id',
	'{"order_id": 1}', '{"order_id": 2, "items": 1}', '{"order_id": 3, "items": 0}');

-- An event that cannot be applied holds up its own stream only.
SELECT given('order-2', 'ItemAdded {"order_id": 2, "qty": "two", "price": 1}', 'OrderShipped {"order_id": 2}');
SELECT given('order-3', 'OrderShipped {"order_id": 3}');
SELECT is(when_projected('order_summary'), 1::bigint, 'the others go on');
SELECT then_parked('order_summary', 'order-2 4', 'order-2 5');
SELECT then_rows('SELECT status FROM shop.order_summary ORDER BY order_id',
	'{"status": "shipped"}', '{"status": "created"}', '{"status": "shipped"}');
SELECT is(cqrs_retry_parked('order_summary'), 0::bigint, 'trying again does not help');
SELECT is(cqrs_discard_parked('order_summary'), 2::bigint, 'they are given up');
SELECT then_parked('order_summary');

-- A savepoint is a new start, too.
SAVEPOINT before;
SELECT given('order-4', 'OrderCreated {"order_id": 4}');
SELECT when_projected();
ROLLBACK TO before;
SELECT given('order-5', 'OrderCreated {"order_id": 5}');
SELECT is(when_projected(), 1::bigint, 'what was rolled back is gone');
SELECT then_rows('SELECT order_id FROM shop.order_summary WHERE order_id > 3', '{"order_id": 5}');

SELECT * FROM finish();
ROLLBACK;
