-- The write side of a shop, and AddItem four ways.
DROP SCHEMA IF EXISTS bench CASCADE;
DROP EXTENSION IF EXISTS cqrs CASCADE;
CREATE EXTENSION cqrs;
CREATE SCHEMA bench;
SET search_path TO bench;

CREATE TABLE orders (order_id bigint PRIMARY KEY, version int NOT NULL DEFAULT 0) WITH (fillfactor = 50);
CREATE TABLE order_items (order_id bigint NOT NULL, line bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	product_id bigint NOT NULL, qty int NOT NULL);
INSERT INTO orders SELECT generate_series(1, 100000);

-- the outbox that a team writes by hand
CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stream text NOT NULL, type text NOT NULL,
	data jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now());

-- (c) by hand: validates, writes, one row into the outbox
CREATE FUNCTION add_item_by_hand(p jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	_order bigint;
	_product bigint;
	_qty int;
	_line bigint;
BEGIN
	IF NOT (p ? 'order_id' AND p ? 'product_id' AND p ? 'qty') THEN
		RAISE EXCEPTION 'missing field';
	END IF;
	_order := (p->>'order_id')::bigint;
	_product := (p->>'product_id')::bigint;
	_qty := (p->>'qty')::int;
	IF _qty <= 0 THEN
		RAISE EXCEPTION 'qty must be positive';
	END IF;
	UPDATE bench.orders SET version = version + 1 WHERE order_id = _order;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'no such order';
	END IF;
	INSERT INTO bench.order_items (order_id, product_id, qty) VALUES (_order, _product, _qty) RETURNING line INTO _line;
	INSERT INTO bench.outbox (stream, type, data) VALUES ('order-' || _order, 'ItemAdded', p);
	RETURN _line;
END $$;

-- cqrs_send: the same statements, typed payload, event in the log, ledger
CREATE DOMAIN positive AS int NOT NULL CHECK (VALUE > 0);
CREATE DOMAIN ref AS bigint NOT NULL;
CREATE TYPE add_item AS (order_id ref, product_id ref, qty positive);
CREATE FUNCTION add_item(p add_item) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	_line bigint;
BEGIN
	UPDATE bench.orders SET version = version + 1 WHERE order_id = p.order_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'no such order';
	END IF;
	INSERT INTO bench.order_items (order_id, product_id, qty) VALUES (p.order_id, p.product_id, p.qty) RETURNING line INTO _line;
	PERFORM cqrs_emit('order-' || p.order_id, 'ItemAdded', to_jsonb(p));
	RETURN _line;
END $$;
SELECT cqrs_create_command('AddItem', 'add_item(add_item)');

-- for the dispatch alone
CREATE FUNCTION nothing(p jsonb) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE FUNCTION nothing_typed(p add_item) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
SELECT cqrs_create_command('Nothing', 'nothing(jsonb)');
SELECT cqrs_create_command('NothingTyped', 'nothing_typed(add_item)');
VACUUM ANALYZE orders;
