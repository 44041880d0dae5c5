-- Helpers for tests of projections with pgTAP, in the style given / when /
-- then.  Include this file in a test (\ir), inside its transaction; the ROLLBACK
-- at the end of the test takes the helpers with it.
CREATE SCHEMA given_when_then;
SELECT set_config('search_path', 'given_when_then, ' || current_setting('search_path'), true);

-- Given these events: each one is a type, or a type and its data:
--   SELECT given('order-7', 'OrderCreated {"order_id": 7}', 'OrderPaid');
-- They are appended, in this order, to one stream.
CREATE FUNCTION given_when_then.given(stream text, VARIADIC events text[]) RETURNS text
	LANGUAGE sql AS $$
	SELECT '# given ' || array_to_string(events, ', ') || ': version ' || cqrs_append(stream,
		(SELECT array_agg(split_part(e, ' ', 1) ORDER BY n) FROM unnest(events) WITH ORDINALITY u (e, n)),
		(SELECT array_agg(coalesce(nullif(substr(e, length(split_part(e, ' ', 1)) + 2), ''), '{}')::jsonb ORDER BY n)
		   FROM unnest(events) WITH ORDINALITY u (e, n)))
$$;

-- When the projection has seen them.  Without a name: when all have.
CREATE FUNCTION given_when_then.when_projected(projection text DEFAULT NULL) RETURNS bigint
	LANGUAGE sql AS 'SELECT cqrs_catch_up(projection)';

-- Then a query gives these rows, in this order: each a JSON object, compared
-- with what row_to_json makes of a row; other columns do not matter.
--   SELECT then_rows('SELECT * FROM shop.orders ORDER BY order_id', '{"order_id": 7, "status": "paid"}');
CREATE FUNCTION given_when_then.then_rows(query text, VARIADIC wanted jsonb[]) RETURNS text
	LANGUAGE plpgsql AS $$
DECLARE
	row_found jsonb;
	found_rows jsonb[] := '{}';
BEGIN
	FOR row_found IN EXECUTE format('SELECT to_jsonb(q) FROM (%s) q', query) LOOP
		-- only the keys that are asked for
		SELECT jsonb_object_agg(k, v) INTO row_found FROM jsonb_each(row_found) f (k, v)
		 WHERE coalesce(array_length(found_rows, 1), 0) >= coalesce(array_length(wanted, 1), 0)
			OR wanted[coalesce(array_length(found_rows, 1), 0) + 1] ? k;
		found_rows := found_rows || row_found;
	END LOOP;
	RETURN is(found_rows, wanted, 'then: ' || query);
END $$;

CREATE FUNCTION given_when_then.then_no_rows(query text) RETURNS text
	LANGUAGE sql AS 'SELECT is_empty(query, ''then nothing: '' || query)';

-- Then the projection could not apply these events, or they wait behind one of
-- their stream: 'order-7 3' is version 3 of that stream.  None: nothing is parked.
CREATE FUNCTION given_when_then.then_parked(projection text, VARIADIC events text[] DEFAULT '{}') RETURNS text
	LANGUAGE sql AS $$
	SELECT is(coalesce((SELECT array_agg(p.stream || ' ' || p.version ORDER BY p.position)
						  FROM cqrs.projection_parked p WHERE p.projection = then_parked.projection), '{}'), events,
			  'then parked by ' || projection)
$$;
