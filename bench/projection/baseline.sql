-- The engine: a transaction for each batch.
CREATE PROCEDURE bench.engine(kinds text[], types text[], texts text[], batch int) LANGUAGE plpgsql AS $$
DECLARE
	done bigint := 0;
	last bigint := (SELECT max(position) FROM bench.event);
BEGIN
	WHILE done < last LOOP
		done := public.engine_bench(kinds, types, texts, 'bench.event', batch, done);
		COMMIT;
	END LOOP;
END $$;

-- What people write by hand, on the same tables.
--
-- set_based: one statement for each batch of events, which sums up what the
-- events of an order add before it touches the order's row.
CREATE PROCEDURE bench.set_based(batch int) LANGUAGE plpgsql AS $$
DECLARE
	n bigint := 0;
	last bigint := (SELECT max(position) FROM bench.event);
BEGIN
	WHILE n < last LOOP
		INSERT INTO bench.order_summary AS o
			SELECT (data->>'order_id')::bigint,
				   max(data->>'customer_name') FILTER (WHERE type = 'OrderCreated'),
				   coalesce(sum((data->>'qty')::int) FILTER (WHERE type = 'ItemAdded'), 0),
				   coalesce(sum((data->>'qty')::int * (data->>'price')::numeric) FILTER (WHERE type = 'ItemAdded'), 0),
				   CASE WHEN bool_or(type = 'OrderShipped') THEN 'shipped' ELSE 'created' END
			  FROM bench.event
			 WHERE position > n AND position <= n + batch
			 GROUP BY 1
		ON CONFLICT (order_id) DO UPDATE
			SET items = o.items + excluded.items,
				total = o.total + excluded.total,
				status = CASE WHEN excluded.status = 'shipped' THEN 'shipped' ELSE o.status END;
		n := n + batch;
		COMMIT;
	END LOOP;
END $$;

-- The same when all events add to orders that exist.
CREATE PROCEDURE bench.set_based_update(batch int) LANGUAGE plpgsql AS $$
DECLARE
	n bigint := 0;
	last bigint := (SELECT max(position) FROM bench.event);
BEGIN
	WHILE n < last LOOP
		UPDATE bench.order_summary o
		   SET items = o.items + e.items, total = o.total + e.total
		  FROM (SELECT (data->>'order_id')::bigint AS order_id,
					   sum((data->>'qty')::int) AS items,
					   sum((data->>'qty')::int * (data->>'price')::numeric) AS total
				  FROM bench.event
				 WHERE position > n AND position <= n + batch
				 GROUP BY 1) e
		 WHERE o.order_id = e.order_id;
		n := n + batch;
		COMMIT;
	END LOOP;
END $$;

-- row_by_row: one statement for each event.
CREATE PROCEDURE bench.row_by_row(batch int) LANGUAGE plpgsql AS $$
DECLARE
	e bench.event;
	n bigint := 0;
BEGIN
	FOR e IN SELECT * FROM bench.event ORDER BY position LOOP
		CASE e.type
			WHEN 'OrderCreated' THEN
				INSERT INTO bench.order_summary
					VALUES ((e.data->>'order_id')::bigint, e.data->>'customer_name', 0, 0, 'created');
			WHEN 'ItemAdded' THEN
				UPDATE bench.order_summary
				   SET items = items + (e.data->>'qty')::int,
					   total = total + (e.data->>'qty')::int * (e.data->>'price')::numeric
				 WHERE order_id = (e.data->>'order_id')::bigint;
			WHEN 'OrderShipped' THEN
				UPDATE bench.order_summary SET status = 'shipped'
				 WHERE order_id = (e.data->>'order_id')::bigint;
			ELSE
		END CASE;
		n := n + 1;
		IF n % batch = 0 THEN
			COMMIT;
		END IF;
	END LOOP;
END $$;
