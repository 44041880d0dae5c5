-- A million events in the log, 100 orders open at a time, a projection of them, and the
-- same table kept by hand.
SET client_min_messages = warning;
CREATE SCHEMA shop;
CREATE SCHEMA hand;
CREATE TYPE shop.order_created AS (order_id bigint, customer_name text);
CREATE TYPE shop.item_added AS (order_id bigint, product_id int, qty int, price numeric);
CREATE TYPE shop.order_shipped AS (order_id bigint);
SELECT cqrs_create_event_type('OrderCreated', 'shop.order_created'),
	   cqrs_create_event_type('ItemAdded', 'shop.item_added'),
	   cqrs_create_event_type('OrderShipped', 'shop.order_shipped');
SELECT count(cqrs_emit('order-' || id,
		   CASE k WHEN 1 THEN 'OrderCreated' WHEN 10 THEN 'OrderShipped' ELSE 'ItemAdded' END,
		   CASE k WHEN 1 THEN jsonb_build_object('order_id', id, 'customer_name', 'customer ' || id % 1000)
				  WHEN 10 THEN jsonb_build_object('order_id', id)
				  ELSE jsonb_build_object('order_id', id, 'product_id', (id * 7 + k) % 500, 'qty', (id + k) % 5 + 1,
										  'price', round((id * 13 + k) % 10000 / 100.0, 2)) END))
  FROM (SELECT block, k, o, block * 100 + o AS id
		  FROM generate_series(0, :orders / 100 - 1) block, generate_series(1, 10) k, generate_series(0, 99) o
		 ORDER BY block, k, o) x;
SELECT cqrs_create_projection('orders', 'shop', $$
	CREATE TABLE order_summary (order_id bigint PRIMARY KEY, customer_name text, items int, total numeric, status text);
	CREATE INDEX order_summary_customer ON order_summary (customer_name);
	CREATE INDEX order_summary_total ON order_summary (status, total);
$$);
SELECT cqrs_on('orders', 'OrderCreated', $$INSERT INTO order_summary VALUES (event.order_id, event.customer_name, 0, 0, 'created')$$);
SELECT cqrs_on('orders', 'ItemAdded', $$UPDATE order_summary SET items = items + event.qty, total = total + event.qty * event.price WHERE order_id = event.order_id$$);
SELECT cqrs_on('orders', 'OrderShipped', $$UPDATE order_summary SET status = 'shipped' WHERE order_id = event.order_id$$);
SELECT cqrs_start('orders');

CREATE TABLE hand.order_summary (order_id bigint PRIMARY KEY, customer_name text, items int, total numeric, status text);
CREATE INDEX order_summary_customer ON hand.order_summary (customer_name);
CREATE INDEX order_summary_total ON hand.order_summary (status, total);

-- What people do by hand: empty the table, and fill it again by sets.
CREATE PROCEDURE hand.refill(batch int) LANGUAGE plpgsql AS $$
DECLARE
	n bigint := 0;
	last bigint := (SELECT max(position) FROM cqrs.event);
BEGIN
	DELETE FROM hand.order_summary;
	COMMIT;
	WHILE n < last LOOP
		INSERT INTO hand.order_summary AS o
			SELECT (data->>'order_id')::bigint,
				   max(data->>'customer_name') FILTER (WHERE type = 'OrderCreated'),
				   coalesce(sum((data->>'qty')::int) FILTER (WHERE type = 'ItemAdded'), 0),
				   coalesce(sum((data->>'qty')::int * (data->>'price')::numeric) FILTER (WHERE type = 'ItemAdded'), 0),
				   CASE WHEN bool_or(type = 'OrderShipped') THEN 'shipped' ELSE 'created' END
			  FROM cqrs.event
			 WHERE position > n AND position <= n + batch AND category = 'order'
			 GROUP BY 1
		ON CONFLICT (order_id) DO UPDATE
			SET items = o.items + excluded.items,
				total = o.total + excluded.total,
				status = CASE WHEN excluded.status = 'shipped' THEN 'shipped' ELSE o.status END;
		n := n + batch;
		COMMIT;
	END LOOP;
	ANALYZE hand.order_summary;
END $$;

-- Until the new build is in place.
CREATE PROCEDURE shop.rebuild(name text) LANGUAGE plpgsql AS $$
DECLARE
	before int := (SELECT live_build FROM cqrs.projection WHERE projection.name = rebuild.name);
BEGIN
	PERFORM cqrs_rebuild(name);
	LOOP
		COMMIT;
		EXIT WHEN (SELECT live_build FROM cqrs.projection WHERE projection.name = rebuild.name) <> before;
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;

-- One that is live meanwhile
SELECT cqrs_create_projection('counts', 'shop', 'CREATE TABLE counts (stream text PRIMARY KEY, n bigint)');
SELECT cqrs_on('counts', 'Counted', $$INSERT INTO counts VALUES (event.stream, 1) ON CONFLICT (stream) DO UPDATE SET n = counts.n + 1$$);
SELECT cqrs_start('counts');
CALL hand.refill(10000);
