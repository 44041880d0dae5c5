-- The list of orders is to show how many pieces are on each.  The events have
-- said so all along: the read model is built anew from the first event, beside
-- the one that serves, and takes its place.
SET ROLE shop_owner;
-- some more history
SELECT count(cqrs_send('CreateOrder', '{"customer_id": 3, "ship_to": "York, England"}')) FROM generate_series(1, 1000);
SELECT cqrs_wait();

-- A draft with the tables and rules of now; what is different is said again.
SELECT cqrs_revise('order_summary', tables => $$
	CREATE TABLE order_summary (
		order_id bigint PRIMARY KEY,
		customer_id bigint NOT NULL,
		customer_name text NOT NULL,
		status text NOT NULL,
		items integer NOT NULL DEFAULT 0,
		total numeric NOT NULL DEFAULT 0,
		pieces integer NOT NULL DEFAULT 0
	);
	CREATE INDEX ON order_summary (customer_id);
$$);
SELECT cqrs_on('order_summary', 'ItemAdded', $$
	UPDATE order_summary SET items = items + 1, total = total + event.qty * event.price, pieces = pieces + event.qty
	WHERE order_id = event.order_id $$);
SELECT cqrs_start('order_summary');

-- Meanwhile readers read, and commands are sent.  No reader waits, finds half of
-- it, or finds less than before.
DO $$
DECLARE
	orders bigint := 1008;
	found record;
BEGIN
	LOOP
		PERFORM cqrs_send('CreateOrder', '{"customer_id": 3, "ship_to": "York, England"}');
		COMMIT;
		SELECT count(*) AS orders, sum(total) AS total INTO found FROM shop.order_summary;
		ASSERT found.orders >= orders AND found.total = 900.00, format('found %s', found);
		orders := found.orders;
		EXIT WHEN NOT EXISTS (SELECT FROM cqrs.build_progress);
	END LOOP;
END $$;
SELECT projection, state, live_build, next_build FROM cqrs.projection_status WHERE projection = 'order_summary';

-- The new column is there, for the application and for the query, too.  Rights
-- on the view are what they were.
SET ROLE shop_app;
SELECT cqrs_wait();
SELECT * FROM shop.order_summary WHERE order_id <= 8 ORDER BY order_id;
SELECT q FROM cqrs_query('FindOrders', '{"min_total": 200, "status": "shipped"}') AS q;

-- Is a read model what its events make of it?  No row: it is.
SET ROLE shop_owner;
SELECT * FROM cqrs_check('order_summary');

-- Nothing changed, and built anew; the previous build is kept, in case one wants
-- it back.
SELECT cqrs_rebuild('customer_orders', keep_previous => '1 hour');
DO $$ BEGIN WHILE EXISTS (SELECT FROM cqrs.build_progress) LOOP COMMIT; PERFORM pg_sleep(0.01); END LOOP; END $$;
SELECT live_build FROM cqrs.projection_status WHERE projection = 'customer_orders';
SELECT cqrs_revert('customer_orders');
SELECT live_build FROM cqrs.projection_status WHERE projection = 'customer_orders';
