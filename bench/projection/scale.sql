-- What bench/projection/scale calls.
CREATE SCHEMA scale;
CREATE TYPE scale.order_created AS (order_id bigint, customer_name text);
CREATE TYPE scale.item_added AS (order_id bigint, product_id int, qty int, price numeric);
CREATE TYPE scale.order_shipped AS (order_id bigint);
SELECT cqrs_create_event_type('ScaleCreated', 'scale.order_created'),
	   cqrs_create_event_type('ScaleAdded', 'scale.item_added'),
	   cqrs_create_event_type('ScaleShipped', 'scale.order_shipped') \g /dev/null

-- Ten events each of so many orders, 100 open ones at a time, 1,000 events a call.
CREATE PROCEDURE scale.append(first_order bigint, orders bigint) LANGUAGE plpgsql AS $$
BEGIN
	FOR block IN first_order / 100 .. (first_order + orders) / 100 - 1 LOOP
		PERFORM cqrs_append('load-' || block, array_agg(type ORDER BY k, o), array_agg(data ORDER BY k, o))
		  FROM (SELECT k, o,
					   CASE k WHEN 1 THEN 'ScaleCreated' WHEN 10 THEN 'ScaleShipped' ELSE 'ScaleAdded' END AS type,
					   CASE k WHEN 1 THEN jsonb_build_object('order_id', id, 'customer_name', 'customer ' || id % 1000)
							  WHEN 10 THEN jsonb_build_object('order_id', id)
							  ELSE jsonb_build_object('order_id', id, 'product_id', (id * 7 + k) % 500, 'qty', (id + k) % 5 + 1,
													  'price', round((id * 13 + k) % 10000 / 100.0, 2)) END AS data
				  FROM (SELECT k, o, block * 100 + o AS id FROM generate_series(1, 10) k, generate_series(0, 99) o) x) y;
		IF block % 100 = 0 THEN
			COMMIT;
		END IF;
	END LOOP;
	COMMIT;
	ANALYZE cqrs.event;
END $$;

CREATE PROCEDURE scale.orders(name text, more text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE SCHEMA %I', 'read_' || name);
	PERFORM cqrs_create_projection(name, 'read_' || name, 'CREATE TABLE order_summary (order_id bigint PRIMARY KEY, customer_name text, items int, total numeric, status text);' || more);
	PERFORM cqrs_on(name, 'ScaleCreated', $rule$INSERT INTO order_summary VALUES (event.order_id, event.customer_name, 0, 0, 'created')$rule$);
	PERFORM cqrs_on(name, 'ScaleAdded', $rule$UPDATE order_summary SET items = items + event.qty, total = total + event.qty * event.price WHERE order_id = event.order_id$rule$);
	PERFORM cqrs_on(name, 'ScaleShipped', $rule$UPDATE order_summary SET status = 'shipped' WHERE order_id = event.order_id$rule$);
	PERFORM cqrs_start(name);
END $$;

CREATE PROCEDURE scale.nothing() LANGUAGE plpgsql AS $$
BEGIN
	CREATE SCHEMA read_nothing;
	PERFORM cqrs_create_projection('nothing', 'read_nothing', 'CREATE TABLE nothing (id bigint PRIMARY KEY)');
	PERFORM cqrs_on('nothing', 'ScaleNothing', 'INSERT INTO nothing VALUES (event.position)');
	PERFORM cqrs_start('nothing');
END $$;

-- rows: a row of its own for each event of the first million; large: rows that
-- take the whole of large events; batch: the same by a batch rule; parked: a
-- table that takes no rows.
CREATE PROCEDURE scale.memory(kind text) LANGUAGE plpgsql AS $$
DECLARE
	name text := 'memory_' || kind;
BEGIN
	EXECUTE format('CREATE SCHEMA %I', 'read_' || name);
	PERFORM cqrs_create_projection(name, 'read_' || name, 'CREATE TABLE seen (id bigint PRIMARY KEY, data jsonb)');
	IF kind = 'batch' THEN
		PERFORM cqrs_on_batch(name, '{ScaleLarge}', 'INSERT INTO seen SELECT position, data FROM events');
	ELSIF kind = 'large' THEN
		PERFORM cqrs_on(name, 'ScaleLarge', 'INSERT INTO seen VALUES (event.position, event.data)');
	ELSIF kind = 'parked' THEN
		PERFORM cqrs_on(name, 'ScaleParked', 'INSERT INTO seen VALUES (event.position, event.data)');
	ELSE
		PERFORM cqrs_on(name, 'ScaleAdded', 'INSERT INTO seen VALUES (event.position, event.data)');
	END IF;
	PERFORM cqrs_start(name);
	IF kind = 'parked' THEN
		EXECUTE format('ALTER TABLE %I.seen ADD CONSTRAINT broken CHECK (id < 0)', name || '$1');
	END IF;
END $$;
