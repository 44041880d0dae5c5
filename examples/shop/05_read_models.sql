-- The read side: one table a page, with everything on it that the page shows.
-- Rules are the SQL that one event needs.
SET ROLE shop_owner;

-- A page that lists orders.
SELECT cqrs_create_projection('order_summary', read_schema => 'shop', tables => $$
	CREATE TABLE order_summary (
		order_id bigint PRIMARY KEY,
		customer_id bigint NOT NULL,
		customer_name text NOT NULL,
		status text NOT NULL,
		items integer NOT NULL DEFAULT 0,
		total numeric NOT NULL DEFAULT 0
	);
	CREATE INDEX ON order_summary (customer_id);
$$, description => 'A page that lists orders');
SELECT cqrs_on('order_summary', 'OrderCreated', $$
	INSERT INTO order_summary (order_id, customer_id, customer_name, status)
	VALUES (event.order_id, event.customer_id, event.customer_name, 'open') $$);
SELECT cqrs_on('order_summary', 'ItemAdded', $$
	UPDATE order_summary SET items = items + 1, total = total + event.qty * event.price
	WHERE order_id = event.order_id $$);
SELECT cqrs_on('order_summary', 'OrderSubmitted', $$
	UPDATE order_summary SET status = 'submitted' WHERE order_id = event.order_id $$);
SELECT cqrs_on('order_summary', 'OrderShipped', $$
	UPDATE order_summary SET status = 'shipped' WHERE order_id = event.order_id $$);
SELECT cqrs_on('order_summary', 'OrderCancelled', $$
	UPDATE order_summary SET status = 'cancelled' WHERE order_id = event.order_id $$);
SELECT cqrs_on('order_summary', 'CustomerRenamed', $$
	UPDATE order_summary SET customer_name = event.name WHERE customer_id = event.customer_id $$);
SELECT cqrs_start('order_summary');

-- The page of one order: its items are in it, with the names of the products.
SELECT cqrs_create_projection('order_detail', read_schema => 'shop', tables => $$
	CREATE TABLE order_detail (
		order_id bigint PRIMARY KEY,
		customer_id bigint NOT NULL,
		customer_name text NOT NULL,
		ship_to text NOT NULL,
		status text NOT NULL,
		items jsonb NOT NULL DEFAULT '[]',
		total numeric NOT NULL DEFAULT 0,
		carrier text,
		tracking_number text
	);
	CREATE INDEX ON order_detail (customer_id);
$$, description => 'The page of one order');
SELECT cqrs_on('order_detail', 'OrderCreated', $$
	INSERT INTO order_detail (order_id, customer_id, customer_name, ship_to, status)
	VALUES (event.order_id, event.customer_id, event.customer_name, event.ship_to, 'open') $$);
SELECT cqrs_on('order_detail', 'ItemAdded', $$
	UPDATE order_detail
	SET items = items || jsonb_build_object('product', event.product, 'qty', event.qty, 'price', event.price),
		total = total + event.qty * event.price
	WHERE order_id = event.order_id $$);
SELECT cqrs_on('order_detail', 'ShippingAddressChanged', $$
	UPDATE order_detail SET ship_to = event.ship_to WHERE order_id = event.order_id $$);
SELECT cqrs_on('order_detail', 'OrderSubmitted', $$
	UPDATE order_detail SET status = 'submitted' WHERE order_id = event.order_id $$);
SELECT cqrs_on('order_detail', 'OrderShipped', $$
	UPDATE order_detail SET status = 'shipped', carrier = event.carrier, tracking_number = event.tracking_number
	WHERE order_id = event.order_id $$);
SELECT cqrs_on('order_detail', 'OrderCancelled', $$
	UPDATE order_detail SET status = 'cancelled' WHERE order_id = event.order_id $$);
SELECT cqrs_on('order_detail', 'CustomerRenamed', $$
	UPDATE order_detail SET customer_name = event.name WHERE customer_id = event.customer_id $$);
SELECT cqrs_start('order_detail');

-- What a customer has ordered.  An order counts from the day it is submitted,
-- and no longer when it is cancelled; it stays the first or last one.
SELECT cqrs_create_projection('customer_orders', read_schema => 'shop', tables => $$
	CREATE TABLE customer_orders (
		customer_id bigint PRIMARY KEY,
		customer_name text NOT NULL,
		orders bigint NOT NULL,
		total_spent numeric NOT NULL,
		average numeric GENERATED ALWAYS AS (round(total_spent / nullif(orders, 0), 2)) STORED,
		first_order date NOT NULL,
		last_order date NOT NULL
	)
$$, description => 'What a customer has ordered');
SELECT cqrs_on('customer_orders', 'OrderSubmitted', $$
	INSERT INTO customer_orders AS c (customer_id, customer_name, orders, total_spent, first_order, last_order)
	VALUES (event.customer_id, event.customer_name, 1, event.total, event.submitted_on, event.submitted_on)
	ON CONFLICT (customer_id) DO UPDATE
	SET orders = c.orders + 1, total_spent = c.total_spent + excluded.total_spent,
		first_order = least(c.first_order, excluded.first_order), last_order = greatest(c.last_order, excluded.last_order) $$);
SELECT cqrs_on('customer_orders', 'OrderCancelled', $$
	UPDATE customer_orders SET orders = orders - 1, total_spent = total_spent - event.total
	WHERE customer_id = event.customer_id AND event.submitted_on IS NOT NULL $$);
SELECT cqrs_on('customer_orders', 'CustomerRenamed', $$
	UPDATE customer_orders SET customer_name = event.name WHERE customer_id = event.customer_id $$);
SELECT cqrs_start('customer_orders');

-- What is to be packed, by where it goes.  Rules may call functions; those that
-- are IMMUTABLE give the same rows when the events are applied again.
CREATE FUNCTION shop.zone_of(address text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	CASE btrim(split_part(address, ',', -1))
		WHEN 'England', 'Scotland', 'Wales' THEN RETURN 'home';
		WHEN 'France', 'Italy', 'Norway' THEN RETURN 'Europe';
	END CASE;
END $$;
SELECT cqrs_create_projection('shipping_dashboard', read_schema => 'shop', tables => $$
	CREATE TABLE shipping_dashboard (
		order_id bigint PRIMARY KEY,
		zone text NOT NULL,
		ship_to text NOT NULL,
		customer_id bigint NOT NULL,
		customer_name text NOT NULL,
		pieces integer NOT NULL,
		submitted_on date NOT NULL
	);
	CREATE INDEX ON shipping_dashboard (zone, submitted_on);
$$, description => 'Orders that wait to be shipped');
SELECT cqrs_on('shipping_dashboard', 'OrderSubmitted', $$
	INSERT INTO shipping_dashboard VALUES (event.order_id, shop.zone_of(event.ship_to), event.ship_to,
		event.customer_id, event.customer_name, event.pieces, event.submitted_on) $$);
SELECT cqrs_on('shipping_dashboard', 'ShippingAddressChanged', $$
	UPDATE shipping_dashboard SET zone = shop.zone_of(event.ship_to), ship_to = event.ship_to
	WHERE order_id = event.order_id $$);
SELECT cqrs_on('shipping_dashboard', 'OrderShipped', $$
	DELETE FROM shipping_dashboard WHERE order_id = event.order_id $$);
SELECT cqrs_on('shipping_dashboard', 'OrderCancelled', $$
	DELETE FROM shipping_dashboard WHERE order_id = event.order_id $$);
SELECT cqrs_on('shipping_dashboard', 'CustomerRenamed', $$
	UPDATE shipping_dashboard SET customer_name = event.name WHERE customer_id = event.customer_id $$);
SELECT cqrs_start('shipping_dashboard');

-- Sales a day, with the three products that brought most.  A batch rule: one
-- statement for as many events as there are.  Tables whose names begin with "_"
-- are the projection's own; what the shop sees is the view.
SELECT cqrs_create_projection('daily_sales', read_schema => 'shop', tables => $$
	CREATE TABLE _day (
		day date PRIMARY KEY,
		orders bigint NOT NULL,
		revenue numeric NOT NULL
	);
	CREATE TABLE _day_product (
		day date,
		product text,
		qty bigint NOT NULL,
		revenue numeric NOT NULL,
		PRIMARY KEY (day, product)
	);
	CREATE VIEW daily_sales AS
	SELECT d.day, d.orders, d.revenue, round(d.revenue / nullif(d.orders, 0), 2) AS average,
		   (SELECT jsonb_agg(jsonb_build_object('product', t.product, 'qty', t.qty, 'revenue', t.revenue)
							 ORDER BY t.revenue DESC, t.product)
			FROM (SELECT * FROM _day_product p WHERE p.day = d.day AND p.qty > 0
				  ORDER BY p.revenue DESC, p.product LIMIT 3) t) AS top_products
	FROM _day d;
$$, description => 'Orders, revenue, average and top products of a day');
SELECT cqrs_on_batch('daily_sales', ARRAY['OrderSubmitted', 'OrderCancelled'], $$
	WITH sale AS (
		SELECT (data->>'submitted_on')::date AS day, (data->>'total')::numeric AS total, data->'items' AS items,
			   CASE type WHEN 'OrderSubmitted' THEN 1 ELSE -1 END AS sign
		FROM events
		WHERE data->>'submitted_on' IS NOT NULL
	), by_day AS (
		INSERT INTO _day AS d
		SELECT day, sum(sign), sum(sign * total) FROM sale GROUP BY day
		ON CONFLICT (day) DO UPDATE SET orders = d.orders + excluded.orders, revenue = d.revenue + excluded.revenue
	)
	INSERT INTO _day_product AS p
	SELECT s.day, i.product, sum(s.sign * i.qty), sum(s.sign * i.qty * i.price)
	FROM sale s, jsonb_to_recordset(s.items) AS i (product text, qty integer, price numeric)
	GROUP BY s.day, i.product
	ON CONFLICT (day, product) DO UPDATE SET qty = p.qty + excluded.qty, revenue = p.revenue + excluded.revenue $$);
SELECT cqrs_start('daily_sales');

-- How each rule is executed.  A fold changes rows in memory and writes each once
-- a batch; a statement is executed for each event.
SELECT p.name AS projection, e.*
FROM unnest(ARRAY['order_summary', 'order_detail', 'customer_orders', 'shipping_dashboard', 'daily_sales']) AS p (name),
	 cqrs_explain(p.name) AS e;
