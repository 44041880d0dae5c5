-- Helpers for tests of commands and projections with pgTAP, in the style given /
-- when / then.  Include this file in a test (\ir), inside its transaction; the
-- ROLLBACK at the end of the test takes the helpers with it.
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

-- Commands.  Given that these were accepted: what has happened before.
--   SELECT given_sent('CreateOrder', '{"customer_id": 1}');
CREATE FUNCTION given_when_then.given_sent(command text, payload jsonb DEFAULT '{}') RETURNS text
	LANGUAGE sql AS $$ SELECT format('# given %s %s: %s', command, payload, cqrs_send(command, payload)) $$;

-- When a command is sent.  Its outcome is remembered for what follows.
CREATE FUNCTION given_when_then.when_sent(command text, payload jsonb DEFAULT '{}') RETURNS text
	LANGUAGE sql AS $$
	SELECT format('# when %s %s', command, payload)
	 WHERE set_config('given_when_then.outcome', to_jsonb(cqrs_try_send(command, payload))::text, true) IS NOT NULL
$$;

CREATE FUNCTION given_when_then.outcome() RETURNS cqrs.command_result
	LANGUAGE sql AS $$ SELECT jsonb_populate_record(NULL::cqrs.command_result, current_setting('given_when_then.outcome')::jsonb) $$;

-- Then it is accepted, and these events are what it has caused, in this order:
-- each a type, or a type and what its data must contain; without any, none.
--   SELECT then_events('OrderCreated {"customer_id": 1}', 'OrderPaid');
CREATE FUNCTION given_when_then.then_events(VARIADIC wanted text[] DEFAULT '{}') RETURNS text
	LANGUAGE plpgsql AS $$
DECLARE
	o cqrs.command_result := outcome();
	event record;
	wanted_data jsonb;
	found_events text[] := '{}';
BEGIN
	IF NOT o.ok THEN
		RETURN fail('then ' || array_to_string(wanted, ', ')) || E'\n' || diag(format('rejected: %s: %s', o.sqlstate, o.message));
	END IF;
	FOR event IN SELECT type, payload FROM cqrs.outbox WHERE command_id = o.command_id ORDER BY id LOOP
		-- only the keys that are asked for
		wanted_data := nullif(regexp_replace(wanted[cardinality(found_events) + 1], '^[^{]*', ''), '');
		found_events := found_events || concat_ws(' ', event.type,
			(SELECT jsonb_object_agg(k, v) FROM jsonb_each(event.payload) f (k, v) WHERE wanted_data ? k)::text);
	END LOOP;
	RETURN is(found_events,
			  ARRAY(SELECT concat_ws(' ', btrim(split_part(w, '{', 1)), nullif(regexp_replace(w, '^[^{]*', ''), '')::jsonb::text)
					FROM unnest(wanted) WITH ORDINALITY AS u (w, n) ORDER BY n),
			  'then ' || array_to_string(wanted, ', '));
END $$;

-- Then it is rejected with this SQLSTATE and message.
CREATE FUNCTION given_when_then.then_rejected(sqlstate text, message text) RETURNS text
	LANGUAGE sql AS $$
	SELECT is((SELECT coalesce(o.sqlstate || ': ' || o.message, 'accepted') FROM outcome() AS o),
			  then_rejected.sqlstate || ': ' || then_rejected.message, 'then rejected: ' || then_rejected.message)
$$;
