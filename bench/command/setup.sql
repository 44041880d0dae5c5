-- The write side of a shop, and AddItem: by hand, and as a command.
DROP SCHEMA IF EXISTS bench CASCADE;
DROP EXTENSION IF EXISTS cqrs CASCADE;
CREATE EXTENSION cqrs;
CREATE SCHEMA bench;
SET search_path TO bench;
SET client_min_messages TO warning;

CREATE TABLE orders (order_id bigint PRIMARY KEY, version int NOT NULL DEFAULT 0) WITH (fillfactor = 50);
CREATE TABLE products (product_id bigint PRIMARY KEY, price numeric(10,2) NOT NULL);
CREATE TABLE order_items (order_id bigint NOT NULL REFERENCES orders, line int NOT NULL,
	product_id bigint NOT NULL REFERENCES products, qty int NOT NULL CHECK (qty > 0),
	price numeric(10,2) NOT NULL, PRIMARY KEY (order_id, line));
INSERT INTO orders SELECT generate_series(1, 100000);
INSERT INTO products SELECT i, i FROM generate_series(1, 1000) i;

-- the outbox that a team writes by hand
CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stream text NOT NULL, type text NOT NULL,
	data jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now());

-- how the orders came to be: the first event of each
INSERT INTO outbox (stream, type, data)
	SELECT 'order-' || order_id, 'OrderCreated', jsonb_build_object('order_id', order_id) FROM orders;
SELECT count(cqrs_emit('order-' || order_id, 'OrderCreated', jsonb_build_object('order_id', order_id))) FROM orders;

-- (c) by hand: validates, does the write-side statements, one row into the outbox
CREATE FUNCTION add_item_by_hand(p jsonb) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	_order bigint;
	_product bigint;
	_qty int;
	_price numeric;
	_line int;
BEGIN
	IF jsonb_typeof(p) <> 'object' OR NOT p ?& '{order_id,product_id,qty}' OR p - '{order_id,product_id,qty}'::text[] <> '{}' THEN
		RAISE EXCEPTION 'fields must be order_id, product_id and qty';
	END IF;
	_order := (p->>'order_id')::bigint;
	_product := (p->>'product_id')::bigint;
	_qty := (p->>'qty')::int;
	IF _order IS NULL OR _product IS NULL OR _qty IS NULL OR _qty <= 0 THEN
		RAISE EXCEPTION 'order_id and product_id must be given, and qty must be positive';
	END IF;

	UPDATE bench.orders SET version = version + 1 WHERE order_id = _order RETURNING version INTO _line;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no order %', _order;
	END IF;
	INSERT INTO bench.order_items (order_id, line, product_id, qty, price)
		SELECT _order, _line, product_id, _qty, price FROM bench.products WHERE product_id = _product
		RETURNING price INTO _price;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no product %', _product;
	END IF;
	INSERT INTO bench.outbox (stream, type, data)
		VALUES ('order-' || _order, 'ItemAdded', p || jsonb_build_object('line', _line, 'price', _price));
	RETURN _line;
END $$;

-- the same as a command: the payload's type says what is valid
CREATE DOMAIN id AS bigint NOT NULL;
CREATE DOMAIN qty AS int NOT NULL CHECK (VALUE > 0);
CREATE TYPE add_item AS (order_id id, product_id id, qty qty);
CREATE FUNCTION add_item(p add_item) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	_price numeric;
	_line int;
	_version bigint;
BEGIN
	UPDATE bench.orders SET version = version + 1 WHERE order_id = p.order_id RETURNING version INTO _line;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no order %', p.order_id;
	END IF;
	INSERT INTO bench.order_items (order_id, line, product_id, qty, price)
		SELECT p.order_id, _line, product_id, p.qty, price FROM bench.products WHERE product_id = p.product_id
		RETURNING price INTO _price;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no product %', p.product_id;
	END IF;
	_version := cqrs_emit('order-' || p.order_id, 'ItemAdded',
		cqrs_payload() || jsonb_build_object('line', _line, 'price', _price));
	RETURN _line;
END $$;

-- for the dispatch alone
CREATE FUNCTION nothing(p jsonb) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE FUNCTION nothing_typed(p add_item) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
DO $$
BEGIN
	PERFORM cqrs_create_command('AddItem', 'bench.add_item(bench.add_item)');
	PERFORM cqrs_create_command('Nothing', 'bench.nothing(jsonb)');
	PERFORM cqrs_create_command('NothingTyped', 'bench.nothing_typed(bench.add_item)');
END $$;
VACUUM ANALYZE;
