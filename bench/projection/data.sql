-- One million events and an empty or a full read table.  Variable "rows": 0 for
-- local events (1 OrderCreated, 8 ItemAdded, 1 OrderShipped for each of 100,000
-- orders, 100 open orders at a time), else the number of orders in the table,
-- of which each ItemAdded picks one at random.  Variable "fillfactor": of the read table.
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS bench CASCADE;
CREATE SCHEMA bench;
CREATE TYPE bench.order_created AS (order_id bigint, customer_name text);
CREATE TYPE bench.item_added AS (order_id bigint, product_id int, qty int, price numeric);
CREATE TYPE bench.order_shipped AS (order_id bigint);
DELETE FROM cqrs.event_type WHERE name IN ('OrderCreated', 'ItemAdded', 'OrderShipped');
SELECT cqrs_create_event_type('OrderCreated', 'bench.order_created'),
	   cqrs_create_event_type('ItemAdded', 'bench.item_added'),
	   cqrs_create_event_type('OrderShipped', 'bench.order_shipped');
CREATE TABLE bench.event (LIKE cqrs.event, PRIMARY KEY (position));
\if :{?fillfactor}
\else
\set fillfactor 100
\endif
CREATE TABLE bench.order_summary (order_id bigint PRIMARY KEY, customer_name text, items int, total numeric, status text)
	WITH (fillfactor = :fillfactor);
SELECT setseed(0.5);
SELECT :rows = 0 AS local \gset
\if :local
INSERT INTO bench.event
	SELECT row_number() OVER (ORDER BY block, k, o), '1', 'order-' || id, 'order', k,
		   CASE k WHEN 1 THEN 'OrderCreated' WHEN 10 THEN 'OrderShipped' ELSE 'ItemAdded' END, 1,
		   CASE k WHEN 1 THEN jsonb_build_object('order_id', id, 'customer_name', 'customer ' || id % 1000)
				  WHEN 10 THEN jsonb_build_object('order_id', id)
				  ELSE jsonb_build_object('order_id', id, 'product_id', (id * 7 + k) % 500, 'qty', (id + k) % 5 + 1,
										  'price', round((id * 13 + k) % 10000 / 100.0, 2)) END,
		   NULL, NULL, '2026-01-01'
	  FROM (SELECT block, k, o, block * 100 + o AS id
			  FROM generate_series(0, 999) block, generate_series(1, 10) k, generate_series(0, 99) o) x
	 ORDER BY 1;
\else
INSERT INTO bench.order_summary
	SELECT i, 'customer ' || i % 1000, 0, 0, 'created' FROM generate_series(0, :rows - 1) i;
INSERT INTO bench.event
	SELECT i, '1', 'order-' || id, 'order', i, 'ItemAdded', 1,
		   jsonb_build_object('order_id', id, 'product_id', i % 500, 'qty', i % 5 + 1, 'price', round(i % 10000 / 100.0, 2)),
		   NULL, NULL, '2026-01-01'
	  FROM (SELECT i, floor(random() * :rows)::bigint AS id FROM generate_series(1, 1000000) i) x;
\endif
VACUUM ANALYZE bench.event;
VACUUM ANALYZE bench.order_summary;
