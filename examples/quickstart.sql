-- A small shop: a command changes tables and emits events, a read model follows.

-- The write side: normalized tables.
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text NOT NULL, shipped boolean NOT NULL DEFAULT false);
CREATE TABLE items (order_id bigint REFERENCES orders, product text, qty integer, price numeric, PRIMARY KEY (order_id, product));

-- What can happen, and what it says.  Data that does not fit is refused.
CREATE TYPE order_placed AS (order_id bigint, customer text);
CREATE TYPE item_added AS (order_id bigint, product text, qty integer, price numeric);
SELECT cqrs_create_event_type('OrderPlaced', 'order_placed', 'A customer has placed an order');
SELECT cqrs_create_event_type('ItemAdded', 'item_added', 'Something was put into an order');

-- Commands: intent in, an identifier out.  A handler checks the rules, changes the
-- tables and emits events, all in one transaction.
CREATE DOMAIN quantity AS integer NOT NULL CHECK (VALUE > 0);
CREATE TYPE place_order AS (customer text);
CREATE TYPE add_item AS (order_id bigint, product text, qty quantity, price numeric);

CREATE FUNCTION place_order(c place_order) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	new_id bigint;
BEGIN
	INSERT INTO orders (customer) VALUES (c.customer) RETURNING id INTO new_id;
	PERFORM cqrs_emit('order-' || new_id, 'OrderPlaced', jsonb_build_object('order_id', new_id, 'customer', c.customer));
	RETURN new_id;
END $$;

CREATE FUNCTION add_item(c add_item) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM orders WHERE id = c.order_id AND NOT shipped FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'order % is not open', c.order_id;
	END IF;
	INSERT INTO items VALUES (c.order_id, c.product, c.qty, c.price);
	PERFORM cqrs_emit('order-' || c.order_id, 'ItemAdded', to_jsonb(c));
	RETURN c.order_id;
END $$;

REVOKE EXECUTE ON FUNCTION place_order(place_order), add_item(add_item) FROM PUBLIC;
SELECT cqrs_create_command('PlaceOrder', 'place_order(place_order)', description => 'Place an order');
SELECT cqrs_create_command('AddItem', 'add_item(add_item)', description => 'Put a product into an order');

-- The read side: what a page shows, one row an order.  A rule is the SQL that one
-- event needs; many events are applied at once.
CREATE SCHEMA shop;
SELECT cqrs_create_projection('order_summary', read_schema => 'shop', tables => $$
	CREATE TABLE order_summary (order_id bigint PRIMARY KEY, customer text, items integer, total numeric)
$$);
SELECT cqrs_on('order_summary', 'OrderPlaced', $$
	INSERT INTO order_summary VALUES (event.order_id, event.customer, 0, 0)
$$);
SELECT cqrs_on('order_summary', 'ItemAdded', $$
	UPDATE order_summary SET items = items + event.qty, total = total + event.qty * event.price
	WHERE order_id = event.order_id
$$);
SELECT cqrs_start('order_summary');

-- Send commands.
SELECT cqrs_send('PlaceOrder', '{"customer": "Ada"}') AS order_id;
SELECT cqrs_send('AddItem', '{"order_id": 1, "product": "tea", "qty": 2, "price": 3.50}');
SELECT cqrs_send('AddItem', '{"order_id": 1, "product": "cup", "qty": 1, "price": 8.00}');

-- A rejected command changes nothing.  All faults of a payload come at once; rules
-- of the business are the handler's.
\set ON_ERROR_STOP off
SELECT cqrs_send('AddItem', '{"order_id": 1, "product": "pot", "qty": 0, "colour": "red"}');
SELECT cqrs_send('AddItem', '{"order_id": 2, "product": "pot", "qty": 1, "price": 20}');
\set ON_ERROR_STOP on

-- The read model has followed.
SELECT cqrs_wait();
SELECT * FROM shop.order_summary;

-- What happened to order 1, and the whole outbox as Debezium's router wants it.
SELECT version, type, data FROM cqrs_stream('order-1');
SELECT id, aggregatetype, aggregateid, type, payload FROM cqrs.outbox ORDER BY id;
