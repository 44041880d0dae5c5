-- One projection, and the same done by hand for the pollers.
CREATE SCHEMA shop;
SELECT cqrs_create_projection('counts', 'shop', 'CREATE TABLE counts (stream text PRIMARY KEY, n bigint, last bigint)');
SELECT cqrs_on('counts', 'Counted', $$
	INSERT INTO counts VALUES (event.stream, 1, event.version)
	ON CONFLICT (stream) DO UPDATE SET n = counts.n + 1, last = event.version $$);
SELECT cqrs_start('counts');

CREATE FUNCTION count_it(payload jsonb) RETURNS bigint LANGUAGE plpgsql AS
	$$ BEGIN RETURN cqrs_emit('counter-' || (payload ->> 'n'), 'Counted'); END $$;
SELECT cqrs_create_command('Count', 'count_it(jsonb)');

CREATE TABLE polled (stream text PRIMARY KEY, n bigint, last bigint);
CREATE TABLE polled_position (position bigint);
INSERT INTO polled_position VALUES (0);
CREATE FUNCTION poll() RETURNS bigint LANGUAGE sql AS $$
	WITH new AS MATERIALIZED (SELECT position, stream, version FROM cqrs.event
		WHERE position > (SELECT position FROM polled_position)),
	moved AS (UPDATE polled_position SET position = (SELECT max(position) FROM new) WHERE EXISTS (SELECT FROM new))
	INSERT INTO polled SELECT stream, count(*), max(version) FROM new GROUP BY stream
	ON CONFLICT (stream) DO UPDATE SET n = polled.n + excluded.n, last = excluded.last
	RETURNING 1 $$;

-- Who appends looks in a loop, at ours or at what is done by hand.  The loop keeps
-- a core busy, so that what is seen is seen at once.
CREATE PROCEDURE emit_and_look(stream_name text) LANGUAGE plpgsql AS $$
DECLARE
	version bigint := cqrs_emit(stream_name, 'Counted');
BEGIN
	COMMIT;
	LOOP
		EXIT WHEN EXISTS (SELECT FROM shop.counts WHERE stream = stream_name AND last >= version);
		COMMIT;
	END LOOP;
END $$;
CREATE PROCEDURE emit_and_look_by_hand(stream_name text, notify boolean) LANGUAGE plpgsql AS $$
DECLARE
	version bigint := cqrs_emit(stream_name, 'Counted');
BEGIN
	IF notify THEN
		PERFORM pg_notify('events', '');
	END IF;
	COMMIT;
	LOOP
		EXIT WHEN EXISTS (SELECT FROM polled WHERE stream = stream_name AND last >= version);
		COMMIT;
	END LOOP;
END $$;
