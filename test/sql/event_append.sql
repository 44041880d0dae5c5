-- Appending to streams and reading them back.
SELECT cqrs_emit('order-1', 'OrderCreated', '{"customer": "Ada"}');
SELECT cqrs_emit('order-1', 'ItemAdded');
SELECT cqrs_emit('order-1', 'ItemAdded', '{"qty": 2}', metadata => '{"by": "Bob"}');
SELECT cqrs_append('order-1', ARRAY['ItemAdded', 'OrderShipped'], ARRAY['{"qty": 3}', '{}']::jsonb[]);
SELECT stream, category, version, type, schema_version, data, metadata, command_id
  FROM cqrs_stream('order-1');
SELECT version, type FROM cqrs_stream('order-1', 2, 3);
SELECT version, type FROM cqrs_stream('order-1', from_version => 5);
SELECT version, type FROM cqrs_stream('order-1', max_count => 0);
SELECT count(*) FROM cqrs_stream('no such stream');
SELECT count(*) FROM cqrs_stream(NULL);
SELECT cqrs_stream_version('order-1'), cqrs_stream_version('nothing'), cqrs_stream_version(NULL);

-- Positions rise with versions, and all is of one top-level transaction.
SELECT count(*), bool_and(e.position > p.position) AS rising
  FROM cqrs_stream('order-1') e JOIN cqrs_stream('order-1') p ON p.version = e.version - 1;
BEGIN;
SELECT cqrs_emit('xid-1', 'A');
SAVEPOINT s;
SELECT cqrs_emit('xid-1', 'B');
SELECT version, xid = pg_current_xact_id() AS is_top_level FROM cqrs_stream('xid-1');
COMMIT;

-- A category is what comes before the first dash; the outbox splits it off.
SELECT cqrs_emit('a-b-c', 'T'), cqrs_emit('plain', 'T'), cqrs_emit('end-', 'T');
SELECT aggregatetype, aggregateid, type, payload, version
  FROM cqrs.outbox WHERE stream IN ('a-b-c', 'plain', 'end-') ORDER BY id;
-- The trace context is a key of the metadata, by the name that Debezium has for it.
SELECT cqrs_emit('trace-1', 'T', '{"tracingspancontext": "of the data"}', metadata => '{"tracingspancontext": "a=1", "traceparent": "00-1"}'),
	cqrs_emit('trace-1', 'T', '{"tracingspancontext": "of the data"}'), cqrs_emit('trace-1', 'T', metadata => '{"traceparent": "00-1"}');
SELECT version, tracingspancontext, metadata FROM cqrs.outbox WHERE stream = 'trace-1' ORDER BY id;

-- A parallel worker may read streams, and sees what its transaction has appended.
BEGIN;
SELECT cqrs_emit('parallel-1', 'T'), cqrs_emit('parallel-1', 'T');
SELECT count(set_config(name, 'on', true)) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
EXPLAIN (COSTS OFF) SELECT count(*), max(version) FROM cqrs_stream('parallel-1');
SELECT count(*), max(version) FROM cqrs_stream('parallel-1');
EXPLAIN (COSTS OFF) SELECT cqrs_stream_version('parallel-1'), cqrs.payload_fields('cqrs.command_result');
SELECT cqrs_stream_version('parallel-1'), jsonb_array_length(cqrs.payload_fields('cqrs.command_result'));
COMMIT;

-- Expected versions
SELECT cqrs_emit('v-1', 'A', expected_version => 0);
SELECT cqrs_emit('v-1', 'A', expected_version => 1);
SELECT cqrs_append('v-1', ARRAY['B', 'C'], ARRAY['{}', '{}']::jsonb[], 2);
SELECT * FROM fails($$SELECT cqrs_emit('v-1', 'A', expected_version => 0)$$) \gx
SELECT * FROM fails($$SELECT cqrs_emit('v-1', 'A', expected_version => 7)$$) \gx
SELECT * FROM fails($$SELECT cqrs_emit('v-2', 'A', expected_version => 1)$$) \gx
SELECT * FROM fails($$SELECT cqrs_append('v-1', ARRAY['B'], ARRAY['{}']::jsonb[], 3)$$) \gx
SELECT * FROM fails($$SELECT cqrs_emit('v-1', 'A', expected_version => -1)$$) \gx
SELECT cqrs_stream_version('v-1'), cqrs_stream_version('v-2');

-- Nothing to append: the version is checked all the same, nothing is created.
SELECT cqrs_append('v-1', '{}', '{}', 4);
SELECT cqrs_append('v-9', '{}', '{}');
SELECT * FROM fails($$SELECT cqrs_append('v-1', '{}', '{}', 3)$$) \gx
SELECT count(*) FROM cqrs.stream WHERE stream = 'v-9';

-- What a stream or type cannot be called
SELECT f.* FROM unnest(ARRAY['', ' ', 'a ', ' a', '-1', E'a\nb', E'a\tb', E'\x7f', repeat('x', 513)]) n,
	LATERAL fails(format('SELECT cqrs_emit(%L, %L)', n, 'T')) f;
SELECT f.* FROM unnest(ARRAY['', ' ', 'a ', E'a\nb', repeat('x', 129)]) n,
	LATERAL fails(format('SELECT cqrs_emit(%L, %L)', 's', n)) f;
SELECT cqrs_emit(repeat('x', 512), repeat('x', 128));
-- ... but quotes, dollars and percents are names like others
SELECT cqrs_emit($$"; drop table x; -- $1 %s \! ''$$, $$"; '' %d$$);
SELECT count(*) FROM cqrs_stream($$"; drop table x; -- $1 %s \! ''$$);

-- Nulls
SELECT * FROM fails('SELECT cqrs_emit(NULL, ''T'')');
SELECT * FROM fails('SELECT cqrs_emit(''s'', NULL)');
SELECT * FROM fails('SELECT cqrs_emit(''s'', ''T'', NULL)');
SELECT * FROM fails('SELECT cqrs_append(NULL, ''{}'', ''{}'')');
SELECT * FROM fails('SELECT cqrs_append(''s'', NULL, ''{}'')');
SELECT * FROM fails('SELECT cqrs_append(''s'', ''{}'', NULL)');
SELECT * FROM fails('SELECT cqrs_append(''s'', ''{A,NULL}'', ARRAY[''{}'', ''{}'']::jsonb[])');
SELECT * FROM fails('SELECT cqrs_append(''s'', ''{A,B}'', ARRAY[''{}'', NULL]::jsonb[])');
SELECT * FROM fails('SELECT cqrs_append(''s'', ''{A,B}'', ARRAY[''{}'']::jsonb[])');
SELECT * FROM fails('SELECT cqrs_append(''s'', ''{{A,B}}'', ARRAY[''{}'', ''{}'']::jsonb[])');
SELECT * FROM fails('SELECT count(*) FROM cqrs_stream(''s'', 1, -1)');

-- JSON: null is a value, of duplicate keys the last one counts, \u0000 cannot
-- be stored, big numbers keep their digits.
SELECT cqrs_emit('json-1', 'T', 'null'), cqrs_emit('json-1', 'T', '[1, 2]'),
	cqrs_emit('json-1', 'T', '{"a": 1, "a": 2}'), cqrs_emit('json-1', 'T', '{"n": 1.2300, "e": 1e30}');
SELECT * FROM fails($$SELECT cqrs_emit('json-1', 'T', '{"a": "\u0000"}')$$);
SELECT * FROM fails($$SELECT cqrs_emit('json-1', 'T', '{"a": "\ud800"}')$$);
SELECT version, data FROM cqrs_stream('json-1');

-- Metadata is an object or nothing.
SELECT * FROM fails($$SELECT cqrs_emit('json-1', 'T', metadata => '[1]')$$);
SELECT * FROM fails($$SELECT cqrs_emit('json-1', 'T', metadata => '"x"')$$);
SELECT cqrs_emit('json-1', 'T', metadata => NULL), cqrs_emit('json-1', 'T', metadata => '{}');
SELECT version, metadata FROM cqrs_stream('json-1', 5);

-- Nobody changes what has happened, not even the owner.
SELECT * FROM fails('UPDATE cqrs.event SET type = ''x''');
SELECT * FROM fails('DELETE FROM cqrs.event');
SELECT * FROM fails('TRUNCATE cqrs.event');
SELECT * FROM fails('SELECT cqrs.refuse_change()');
SELECT * FROM fails('SELECT cqrs.invalidate()');

-- Triggers on INSERT would be passed by, so the append says no.
CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER t BEFORE INSERT ON cqrs.event FOR EACH ROW EXECUTE FUNCTION pass();
SELECT * FROM fails($$SELECT cqrs_emit('s-1', 'T')$$) \gx
DROP TRIGGER t ON cqrs.event;
DROP FUNCTION pass();

-- Read-only transactions
BEGIN READ ONLY;
SELECT * FROM fails($$SELECT cqrs_emit('s-1', 'T')$$);
SELECT * FROM fails($$SELECT cqrs_append('s-1', '{}', '{}')$$);
SELECT cqrs_stream_version('v-1');
COMMIT;

-- An event may be large, up to a limit.
SELECT cqrs_emit('big-1', 'T', jsonb_build_object('x', repeat('0123456789', 1000000)));
SELECT length(data ->> 'x') FROM cqrs_stream('big-1');
SET cqrs.max_event_size = '1MB';
SELECT * FROM fails($$SELECT cqrs_emit('big-1', 'T', jsonb_build_object('x', repeat('x', 1024 * 1024)))$$) \gx
SELECT * FROM fails($$SELECT cqrs_emit('big-1', 'T', metadata => jsonb_build_object('x', repeat('x', 1024 * 1024)))$$) \gx
SELECT * FROM fails($$SELECT cqrs_append('big-1', '{A,B}', ARRAY['{}', jsonb_build_object('x', repeat('x', 1024 * 1024))])$$) \gx
RESET cqrs.max_event_size;
SELECT cqrs_stream_version('big-1');

-- Ten thousand events of one transaction on one stream, one by one and at once
BEGIN;
SELECT max(cqrs_emit('many-1', 'T', to_jsonb(n))) FROM generate_series(1, 10000) n;
SELECT cqrs_append('many-1', array_agg('T'::text), array_agg(to_jsonb(n))) FROM generate_series(10001, 20000) n;
COMMIT;
SELECT count(*), bool_and(data = to_jsonb(version)) FROM cqrs_stream('many-1');

-- Savepoints: what is rolled back has never been, versions have no holes.
BEGIN;
SELECT cqrs_emit('save-1', 'kept 1');
SAVEPOINT a;
SELECT cqrs_emit('save-1', 'lost'), cqrs_emit('save-2', 'lost');
ROLLBACK TO a;
SELECT cqrs_emit('save-1', 'kept 2');
SAVEPOINT b;
SELECT cqrs_emit('save-1', 'kept 3');
RELEASE b;
SELECT cqrs_emit('save-2', 'kept 1');
COMMIT;
SELECT stream, version, type FROM cqrs_stream('save-1') UNION ALL
SELECT stream, version, type FROM cqrs_stream('save-2');

-- Ten thousand subtransactions, every third of them rolled back
DO $$
BEGIN
	FOR i IN 1..10000 LOOP
		BEGIN
			PERFORM cqrs_emit('sub-1', 'T', to_jsonb(i));
			IF i % 3 = 0 THEN
				RAISE EXCEPTION 'no';
			END IF;
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
	END LOOP;
END $$;
SELECT count(*), max(version), count(DISTINCT xid), bool_and(data::int % 3 <> 0) FROM cqrs_stream('sub-1');

-- Columns that the owner of our tables has added are null.
BEGIN;
ALTER TABLE cqrs.event ADD COLUMN note text;
ALTER TABLE cqrs.cursor ADD COLUMN note text;
ALTER TABLE cqrs.parked_event ADD COLUMN note text;
ALTER TABLE cqrs.ledger ADD COLUMN note text;
SELECT cqrs_create_projection('noted', 'public', 'CREATE TABLE noted (n bigint)');
SELECT cqrs_on('noted', 'Noted', 'INSERT INTO noted VALUES (6 / (event.version - 2))');
SELECT cqrs_start('noted');
SELECT cqrs_append('noted-1', array_fill('Noted'::text, '{3}'), array_fill('{}'::jsonb, '{3}')), cqrs_emit('noted-2', 'Noted');
SELECT cqrs_catch_up('noted');
SELECT * FROM noted ORDER BY n;
SELECT stream, version, note FROM cqrs.parked_event WHERE projection = 'noted' ORDER BY position;
SELECT stream, version, note FROM cqrs.event WHERE category = 'noted' ORDER BY position;
CREATE FUNCTION noted(p jsonb) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT 1; END;
SELECT cqrs_create_command('Noted', 'noted(jsonb)');
SELECT cqrs_send('Noted', '{}', '01234567-89ab-7def-8123-456789abcdef'), cqrs_send('Noted');
SELECT command, note FROM cqrs.ledger WHERE command = 'Noted';
ROLLBACK;
