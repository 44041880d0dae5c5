-- Batch rules: what a statement can do with relation "events".  Without workers
-- the rules are applied by cqrs_catch_up().
SET client_min_messages = warning;
CREATE SCHEMA batch;
SELECT cqrs_emit('batch-a', 'BatchTold', '{"n": 1}', metadata => '{"m": 1}'), cqrs_emit('batch-b', 'BatchTold', '{"n": 2}'),
	cqrs_emit('batch-a', 'BatchTold', '{"n": 3}'), cqrs_emit('batch', 'BatchOther', '{"n": 4}');

-- The rows that a rule leaves, and what is told of events that it fails for.
CREATE FUNCTION batch.try(rule text, types text[] DEFAULT '{BatchTold,BatchOther}', more text DEFAULT '')
	RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cqrs_create_projection('batch', 'batch', 'CREATE TABLE seen (k text PRIMARY KEY, v text); ' || more);
	PERFORM cqrs_on_batch('batch', types, rule);
	PERFORM cqrs_start('batch');
	PERFORM cqrs_catch_up('batch');
	RETURN QUERY SELECT concat_ws(': ', k, v) FROM batch.seen ORDER BY k;
	RETURN QUERY SELECT 'parked: ' || message FROM cqrs.parked_event ORDER BY position;
	PERFORM cqrs_drop_projection('batch');
END $$;

-- no column, one, all
SELECT * FROM batch.try('INSERT INTO seen SELECT ''events'', count(*) FROM events');
SELECT * FROM batch.try('INSERT INTO seen SELECT stream_id || version, data->>''n'' FROM events');
SELECT * FROM batch.try($$
	INSERT INTO seen SELECT x.stream || x.version, concat_ws(' ', x.category, x.stream_id, x.type, x.schema_version, x.data, x.metadata,
		pg_typeof(x.position), pg_typeof(x.xid), pg_typeof(x.recorded_at), pg_typeof(x.command_id))
	  FROM (SELECT * FROM events) x $$, '{BatchTold}');

-- an event as one value, under other names of columns, too
SELECT * FROM batch.try($$
	INSERT INTO seen SELECT e.stream || e.version, to_jsonb(e) - '{position,xid,recorded_at}'::text[] FROM events e $$);
SELECT * FROM batch.try($$
	INSERT INTO seen SELECT e.n, (SELECT string_agg(key, ' ') FROM json_each(row_to_json(e))) FROM events AS e(p, x, s, c, n) WHERE s = 'batch-a' $$);
SELECT * FROM batch.try('INSERT INTO seen SELECT (e).type, count(e) FROM events e GROUP BY 1');
SELECT * FROM batch.try('INSERT INTO seen SELECT ''same'', count(DISTINCT (e.stream, e.version)) || '' '' || bool_and(e IS NOT DISTINCT FROM f) FROM events e JOIN events f USING (position)');

-- read several times, and again from the beginning
SELECT * FROM batch.try($$
	INSERT INTO seen SELECT e.stream || e.version, (SELECT count(*) FROM events f WHERE f.stream = e.stream AND f.version <= e.version) FROM events e $$);
SELECT * FROM batch.try($$
	INSERT INTO seen SELECT e.stream || e.version, f.n FROM events e, LATERAL (SELECT sum((data->>'n')::int) AS n FROM events WHERE position < e.position) f $$);
SELECT * FROM batch.try($$
	INSERT INTO seen SELECT e.stream || e.version || f.stream || f.version, e.data->>'n'
	  FROM events e JOIN events f ON (e.data->>'n')::int > (f.data->>'n')::int $$, '{BatchTold}');
SELECT * FROM batch.try($$
	WITH lasts AS (SELECT DISTINCT ON (stream) stream, data FROM events ORDER BY stream, version DESC),
		 firsts AS (SELECT DISTINCT ON (stream) stream, data FROM events ORDER BY stream, version)
	INSERT INTO seen SELECT stream, concat_ws('-', f.data, l.data) FROM firsts f JOIN lasts l USING (stream) $$);
-- in the order of positions
SELECT * FROM batch.try('INSERT INTO seen SELECT row_number() OVER (), stream || version FROM events');

-- beside rows of other tables, of which columns are asked for where the events are scanned: as if they were in a table
CREATE TABLE batch.place (name text, stream text PRIMARY KEY, c3 int, c4 int, c5 int, c6 int, c7 int, c8 int, c9 int, c10 int, c11 int, c12 int, c13 int, last text);
INSERT INTO batch.place (name, stream, last) VALUES ('A', 'batch-a', 'Anna'), ('B', 'batch-b', 'Bert'), ('C', 'batch-c', 'Carl');
CREATE FUNCTION batch.compare(query text, types text[] DEFAULT '{BatchTold,BatchOther}') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	plain text[];
	actual text[];
BEGIN
	EXECUTE format('SELECT array_agg(v::text ORDER BY v::text COLLATE "C") FROM (%s) v',
		regexp_replace(query, '\mevents\M', '(SELECT *, substr(stream, length(category) + 2) AS stream_id FROM cqrs.event WHERE type = ANY ($1))', 'g'))
		INTO plain USING types;
	SELECT array_agg(substr(t, strpos(t, ': ') + 2) ORDER BY substr(t, strpos(t, ': ') + 2) COLLATE "C") INTO actual
	  FROM batch.try(format('INSERT INTO seen SELECT row_number() OVER (), v FROM (%s) v', query), types) t;
	IF plain IS DISTINCT FROM actual THEN
		RETURN QUERY VALUES ('plain: ' || plain::text), ('batch rule: ' || actual::text);
	ELSE
		RETURN NEXT 'same: ' || cardinality(plain);
	END IF;
END $$;
SELECT batch.compare(q) FROM unnest(array[
	'SELECT p.stream, x.who, x.version FROM batch.place p LEFT JOIN LATERAL (SELECT p.name AS who, e.version FROM events e WHERE e.stream = p.stream) x ON true',
	'SELECT p.stream, x.who, x.version FROM batch.place p LEFT JOIN LATERAL (SELECT p.last AS who, e.version FROM events e WHERE e.stream = p.stream) x ON true',
	'SELECT p.stream, x.who, to_jsonb(x.e) - ''recorded_at'' FROM batch.place p LEFT JOIN LATERAL (SELECT p AS who, e FROM events e WHERE e.stream = p.stream) x ON true',
	'SELECT p.name, x.who, x.two FROM batch.place p LEFT JOIN LATERAL (SELECT p.name || e.stream_id AS who, p.last || f.version AS two FROM events e JOIN events f ON f.stream = e.stream AND f.version > e.version WHERE e.stream = p.stream) x ON true',
	'SELECT e.stream, x.a, x.b FROM events e LEFT JOIN LATERAL (SELECT e.version AS a, f.version AS b FROM events f WHERE f.stream = e.stream AND f.version < e.version) x ON true',
	'SELECT p.name, x.n FROM batch.place p, LATERAL (SELECT count(*) + length(p.last) AS n FROM events e WHERE e.stream = p.stream) x',
	'SELECT p.name, x.version, x.last FROM batch.place p, LATERAL (SELECT e.version, p.last FROM events e WHERE e.stream = p.stream ORDER BY e.version DESC LIMIT 1) x',
	'SELECT p.name FROM batch.place p WHERE EXISTS (SELECT FROM events e WHERE e.stream = p.stream AND e.version > length(p.name))',
	'SELECT p.name FROM batch.place p WHERE NOT EXISTS (SELECT FROM events e WHERE e.stream = p.stream)',
	'SELECT p.name, (SELECT string_agg(p.last || e.version, '','' ORDER BY e.version) FROM events e WHERE e.stream = p.stream) FROM batch.place p',
	'SELECT e.stream, x.name, x.version FROM events e LEFT JOIN LATERAL (SELECT p.name, e.version FROM batch.place p WHERE p.stream = e.stream) x ON true',
	'WITH w AS (SELECT * FROM events a), m AS MATERIALIZED (SELECT stream, version FROM events b) SELECT p.name, x.who, x.version, m.version AS m FROM batch.place p LEFT JOIN LATERAL (SELECT p.last AS who, w.version FROM w WHERE w.stream = p.stream) x ON true LEFT JOIN m USING (stream)',
	'SELECT p.name, x.who, y.whom, y.version FROM batch.place p LEFT JOIN LATERAL (SELECT p.last AS who, e.stream FROM events e WHERE e.stream = p.stream) x ON true LEFT JOIN LATERAL (SELECT x.who || p.name AS whom, f.version FROM events f WHERE f.stream = x.stream) y ON true']) q;
SELECT * FROM batch.try('INSERT INTO seen SELECT e.stream, e.ctid FROM events e');

-- UPDATE, DELETE and MERGE with the events themselves
SELECT * FROM batch.try('UPDATE seen SET v = v || e.version FROM events e WHERE k = e.stream AND e.version = 2', more => $$INSERT INTO seen VALUES ('batch-a', 'x'), ('batch-b', 'y');$$);
SELECT * FROM batch.try('DELETE FROM seen USING events e WHERE k = e.stream AND (e.data->>''n'')::int = 2', more => $$INSERT INTO seen VALUES ('batch-a', 'x'), ('batch-b', 'y');$$);
SELECT * FROM batch.try($$
	MERGE INTO seen USING (SELECT stream, count(*) AS n FROM events GROUP BY 1) e ON k = stream
	WHEN MATCHED THEN UPDATE SET v = v || n WHEN NOT MATCHED THEN INSERT VALUES (stream, n) $$, more => $$INSERT INTO seen VALUES ('batch-a', 'x');$$);

-- a trigger's transition table is another relation of that name
CREATE FUNCTION batch.count_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE "batch$1".seen SET v = v || ' in ' || (SELECT string_agg(k, ',' ORDER BY k) FROM events);
	RETURN NULL;
END $$;
SELECT * FROM batch.try('INSERT INTO seen SELECT stream, count(*) FROM events GROUP BY 1', more => $$
	CREATE TRIGGER count_rows AFTER INSERT ON seen REFERENCING NEW TABLE AS events FOR EACH STATEMENT EXECUTE FUNCTION batch.count_rows();$$);

-- a culprit, and what is the matter with it
SELECT * FROM batch.try('INSERT INTO seen SELECT stream || version, 6 / ((data->>''n'')::int - 2) FROM events');

-- values stored out of line and compressed; more than the memory that a batch may take
SELECT cqrs_emit('long-1', 'BatchLong', jsonb_build_object('a', string_agg(md5(i::text), ''))) FROM generate_series(1, 1000) i;
SELECT cqrs_emit('long-2', 'BatchLong', jsonb_build_object('a', repeat('x', 32000)));
SELECT * FROM batch.try('INSERT INTO seen SELECT stream, md5(data->>''a'') FROM events', '{BatchLong}');
SELECT md5(string_agg(md5(i::text), '')), md5(repeat('x', 32000)) FROM generate_series(1, 1000) i;
SET cqrs.batch_max_bytes = '64kB';
SELECT count(cqrs_emit('many-' || i % 7, 'BatchMany', jsonb_build_object('n', i, 'x', repeat('y', 100)))) FROM generate_series(1, 3000) i;
SELECT * FROM batch.try($$
	INSERT INTO seen AS s SELECT stream, sum((data->>'n')::int) FROM events GROUP BY 1
	ON CONFLICT (k) DO UPDATE SET v = s.v::int + excluded.v::int $$, '{BatchMany}');
RESET cqrs.batch_max_bytes;

DROP SCHEMA batch CASCADE;
