-- What rules can say, and which plans they get.  Driven without projections.
CREATE EXTENSION cqrs_engine_test;
CREATE SCHEMA rules;
CREATE TYPE rules.added AS (order_id bigint, qty int, price numeric, tags text[], type text);
SELECT cqrs_create_event_type('RulesAdded', 'rules.added');
CREATE TABLE rules.event (LIKE cqrs.event, PRIMARY KEY (position));
INSERT INTO rules.event
	SELECT i, '1', 'order-' || i % 3, 'order', i, CASE WHEN i % 4 = 0 THEN 'RulesOther' ELSE 'RulesAdded' END, 1,
		   jsonb_build_object('order_id', i % 3, 'qty', i, 'price', 1.50, 'tags', jsonb_build_array('a', i), 'type', 'x'),
		   NULL, NULL, '2026-01-01 00:00Z'
	  FROM generate_series(1, 20) i;
CREATE SCHEMA build;
SET search_path = build, pg_catalog, pg_temp;
CREATE TABLE o (order_id bigint PRIMARY KEY, items int CHECK (items < 60), total numeric(8,2), note text, tags text[]);
CREATE TABLE log (position bigint, what text);

-- one of each kind
CREATE FUNCTION rules.handler(event cqrs.event) RETURNS void LANGUAGE plpgsql AS
	$$BEGIN INSERT INTO build.log VALUES (event.position, 'function'); END$$;
SELECT * FROM public.engine_apply(
	array['sql', 'sql', 'function', 'batch'], array['RulesAdded', '*', 'RulesOther', '*'],
	array[$$INSERT INTO o VALUES (event.order_id, event.qty, event.price, event.type, event.tags)
			ON CONFLICT (order_id) DO UPDATE SET items = o.items + excluded.items, total = o.total + event.price * event.qty$$,
		  $$UPDATE o SET note = event.stream_id || '/' || (event.data->>'type') WHERE order_id = event.stream_id::int;
			INSERT INTO log SELECT event.position, 'seen ' || items FROM o WHERE order_id = 1 AND event.version % 7 = 0$$,
		  'rules.handler(cqrs.event)',
		  $$INSERT INTO log SELECT max(position), stream_id FROM events GROUP BY stream_id$$],
	'rules.event', 6);
SELECT * FROM o ORDER BY 1;
SELECT * FROM log ORDER BY 1, 2;

-- an index refuses a value that a later event of the batch makes short again
CREATE TABLE indexed (id int PRIMARY KEY, c text);
CREATE INDEX ON indexed (c);
INSERT INTO indexed VALUES (1, 'x');
TRUNCATE rules.event;
INSERT INTO rules.event
	SELECT i, '1', 'long-1', 'long', i, 'RulesLong', 1,
		   jsonb_build_object('c', CASE i WHEN 2 THEN (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 200) n) ELSE 'short' || i END),
		   NULL, NULL, '2026-01-01 00:00Z'
	  FROM generate_series(1, 3) i;
SELECT failed, sqlstate FROM public.engine_apply(array['sql'], array['RulesLong'],
	array[$$UPDATE indexed SET c = event.data->>'c' WHERE id = 1$$], 'rules.event', 10);
SELECT * FROM indexed;
-- a long value that stays where it is, and another column of the same index
CREATE TABLE both_long (id int PRIMARY KEY, a text, b text);
ALTER TABLE both_long ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL;
CREATE INDEX ON both_long (a, b);
INSERT INTO both_long SELECT 1, string_agg(md5(n::text), ''), 'x' FROM generate_series(1, 80) n;
UPDATE rules.event SET data = jsonb_build_object('c', CASE position WHEN 2 THEN (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 10) n) ELSE 'short' || position END);
SELECT failed, sqlstate FROM public.engine_apply(array['sql'], array['RulesLong'],
	array[$$UPDATE both_long SET b = event.data->>'c' WHERE id = 1$$], 'rules.event', 10);
SELECT length(a), b FROM both_long;
-- a row that is deleted and inserted again, and one that comes and goes
SELECT * FROM public.engine_apply(array['sql'], array['RulesLong'],
	array[$$DELETE FROM indexed WHERE id = 1; INSERT INTO indexed VALUES (1, 'again ' || event.version);
			INSERT INTO indexed VALUES (2, 'x'); DELETE FROM indexed WHERE id = 2$$], 'rules.event', 10);
SELECT * FROM indexed;

-- a change that moves a row to another key by way of a generated column
CREATE TABLE member (email text, n int, k text GENERATED ALWAYS AS (lower(email)) STORED PRIMARY KEY);
INSERT INTO member VALUES ('A@x', 1), ('B@x', 2);
TRUNCATE rules.event;
INSERT INTO rules.event
	SELECT i, '1', 'member-1', 'member', i, 'RulesMoved', 1, d::jsonb, NULL, NULL, '2026-01-01 00:00Z'
	  FROM unnest(array['{"old": "a@x", "new": "C@x"}', '{"old": "c@x", "new": "b@X"}', '{"old": "c@x", "new": "D@x"}']) WITH ORDINALITY AS e(d, i);
SELECT * FROM public.engine_apply(array['sql'], array['RulesMoved'],
	array[$$UPDATE member SET email = event.data->>'new' WHERE k = event.data->>'old'$$], 'rules.event', 10);
SELECT * FROM member ORDER BY n;

-- keys that are made otherwise than they are read, by a batch that does its folds in several parts
CREATE TABLE big (id oid PRIMARY KEY, n int);
CREATE TABLE signed (id int PRIMARY KEY, n int);
CREATE TABLE truth (id bool PRIMARY KEY, n int);
CREATE TABLE aside (id int PRIMARY KEY);
INSERT INTO big VALUES (4294967295, 0), (7, 0);
INSERT INTO signed VALUES (-1, 0), (7, 0);
INSERT INTO truth VALUES (true, 0);
TRUNCATE rules.event;
INSERT INTO rules.event
	SELECT i, '1', 'key-1', 'key', i, 'RulesKey', 1, jsonb_build_object('k', CASE WHEN i % 3 = 0 THEN 7 ELSE 4294967295 END), NULL, NULL, '2026-01-01 00:00Z'
	  FROM generate_series(1, 6) i;
SELECT * FROM public.engine_apply(array['sql'], array['RulesKey'],
	array[$$UPDATE big SET n = n + 1 WHERE id = (event.data->>'k')::oid; UPDATE signed SET n = n + 1 WHERE id = (event.data->>'k')::oid::int;
			UPDATE truth SET n = n + 1 WHERE id = (event.data ? 'k');
			INSERT INTO big VALUES (((event.data->>'k')::bigint - 1)::oid, 1) ON CONFLICT (id) DO UPDATE SET n = big.n + 1;
			INSERT INTO aside VALUES (event.version); SELECT count(*) FROM aside$$], 'rules.event', 10);
SELECT id::text, n FROM big UNION ALL SELECT id::text, n FROM signed UNION ALL SELECT id::text, n FROM truth;

-- constraints that look at tables: they see what the events before have done
CREATE FUNCTION rules.seats(int) RETURNS bigint STABLE LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM build.seat WHERE g = $1); END';
CREATE FUNCTION rules.seats_there(int) RETURNS bigint STABLE LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM build.there WHERE g = $1); END';
CREATE FUNCTION rules.is_parent(int) RETURNS boolean STABLE LANGUAGE plpgsql AS 'BEGIN RETURN EXISTS (SELECT FROM build.parent WHERE id = $1); END';
CREATE DOMAIN rules.free AS int CHECK (rules.seats_there(VALUE) < 3);
CREATE DOMAIN rules.parent AS int CHECK (rules.is_parent(VALUE));
CREATE DOMAIN rules.small AS int CHECK (VALUE < 50);
CREATE TABLE seat (id int PRIMARY KEY, g int, CHECK (rules.seats(g) < 3));
CREATE TABLE there (id int PRIMARY KEY, g rules.free);
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE son (position bigint, parent int CHECK (rules.is_parent(parent)));
CREATE TABLE daughter (position bigint, parent rules.parent);
CREATE TABLE several (id int PRIMARY KEY, parents rules.parent[]);
CREATE TABLE harmless (id int PRIMARY KEY, n int CHECK (n > length('a')), s rules.small, c text CHECK (c ~ '^[a-z]*$' OR date_part('day', c::timestamptz) = 1));
INSERT INTO parent SELECT generate_series(1, 6);
TRUNCATE rules.event;
INSERT INTO rules.event
	SELECT i, '1', 'seat-1', 'seat', i, 'RulesSeat', 1, '{}', NULL, NULL, '2026-01-01 00:00Z' FROM generate_series(1, 5) i;
SELECT * FROM public.engine_apply(array['sql'], array['RulesSeat'],
	array['INSERT INTO seat VALUES (event.version, 1)'], 'rules.event', 10);
SELECT * FROM public.engine_apply(array['sql'], array['RulesSeat'],
	array['INSERT INTO there VALUES (event.version, 1)'], 'rules.event', 10);
SELECT * FROM public.engine_apply(array['sql', 'sql'], array['RulesSeat', 'RulesSeat'],
	array['DELETE FROM parent WHERE id = event.version + 1', 'INSERT INTO son VALUES (event.position, event.version)'], 'rules.event', 10);
SELECT * FROM public.engine_apply(array['sql', 'sql'], array['RulesSeat', 'RulesSeat'],
	array['INSERT INTO parent VALUES (event.version) ON CONFLICT DO NOTHING', 'INSERT INTO daughter VALUES (event.position, event.version)'], 'rules.event', 10);
SELECT (SELECT count(*) FROM seat), (SELECT count(*) FROM there), (SELECT count(*) FROM son), (SELECT count(*) FROM daughter);

-- ... however the value of a domain is made: by a function, in a field of the event, in a list of columns
CREATE FUNCTION rules.loose_there(int) RETURNS bigint STABLE LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM build.loose WHERE g = $1); END';
CREATE DOMAIN rules.few AS int CHECK (rules.loose_there(VALUE) < 3);
CREATE TYPE rules.one_few AS (g rules.few);
CREATE TABLE loose (id int PRIMARY KEY, g int);
SELECT cqrs_create_event_type('RulesFew', 'rules.one_few');
SELECT * FROM public.engine_apply(array['sql'], array['RulesSeat'],
	array[$$INSERT INTO loose VALUES (event.version, (jsonb_populate_record(NULL::rules.one_few, '{"g": 1}')).g)$$], 'rules.event', 10);
TRUNCATE loose;
SELECT * FROM public.engine_apply(array['sql', 'sql'], array['RulesSeat', 'RulesSeat'],
	array['INSERT INTO loose VALUES (event.version, 1)', $$INSERT INTO log SELECT g FROM jsonb_to_record('{"g": 1}') AS x(g rules.few)$$], 'rules.event', 10);
UPDATE rules.event SET type = 'RulesFew', data = '{"g": 1}';
TRUNCATE loose;
SELECT * FROM public.engine_apply(array['sql', 'sql'], array['RulesFew', 'RulesFew'],
	array['INSERT INTO loose VALUES (event.version, 1)', 'INSERT INTO log VALUES (event.g)'], 'rules.event', 10);
TRUNCATE loose;
SELECT * FROM public.engine_apply(array['sql'], array['RulesFew'],
	array['INSERT INTO loose VALUES (event.version, event.g)'], 'rules.event', 10);
SELECT count(*) FROM loose;

-- plans, and why
CREATE FUNCTION plan(rule text) RETURNS SETOF text LANGUAGE sql AS
	$$SELECT plan || coalesce(': ' || reason, '') FROM public.engine_explain(array['sql'], array['RulesAdded'], array[rule])$$;
CREATE TABLE child (id int PRIMARY KEY, o bigint REFERENCES o);
CREATE TABLE uniq (id int PRIMARY KEY, c int UNIQUE);
CREATE TABLE deferred (id int PRIMARY KEY DEFERRABLE);
CREATE TABLE expr (id int PRIMARY KEY, c int);
CREATE INDEX ON expr ((1 / c));
CREATE TABLE part (id int PRIMARY KEY) PARTITION BY LIST (id);
CREATE TABLE pair (a int, b text, n int, g int GENERATED ALWAYS AS (n + 1) STORED, PRIMARY KEY (b, a));
CREATE VIEW view AS SELECT * FROM pair;
CREATE FUNCTION rules.reads(int) RETURNS int STABLE LANGUAGE sql AS 'SELECT max($1) FROM build.log';
SELECT plan('UPDATE pair SET n = event.qty WHERE a = event.qty AND b = event.stream');
SELECT plan('UPDATE pair SET n = n + event.qty WHERE a = event.qty AND b = event.stream_id AND n > 3');
SELECT plan('UPDATE pair SET n = event.qty WHERE a = event.qty');
SELECT plan('UPDATE pair SET a = 1 WHERE a = event.qty AND b = event.type');
SELECT plan('UPDATE pair SET n = 1 WHERE a = event.price AND b = event.type');
SELECT plan('DELETE FROM pair WHERE event.order_id = a AND b = event.type');
SELECT plan('DELETE FROM view WHERE a = 1 AND b = ''x''');
SELECT plan('INSERT INTO pair VALUES (1, event.stream, 2) ON CONFLICT DO NOTHING');
SELECT plan('INSERT INTO pair VALUES (1, event.stream, 2), (2, event.stream, 2)');
SELECT plan('INSERT INTO pair VALUES (1, event.stream, 2) RETURNING a');
SELECT plan('INSERT INTO pair SELECT 1, note FROM o');
SELECT plan('INSERT INTO pair VALUES (1, event.stream, rules.reads(2))');
SELECT plan('INSERT INTO pair VALUES (1, event.stream, (SELECT count(*) FROM o))');
SELECT plan('INSERT INTO log VALUES (1)');
SELECT plan('INSERT INTO o VALUES (event.order_id)');
SELECT plan('INSERT INTO child VALUES (1)');
SELECT plan('INSERT INTO uniq VALUES (1)');
SELECT plan('INSERT INTO deferred VALUES (1)');
SELECT plan('INSERT INTO expr VALUES (1)');
SELECT plan('INSERT INTO part VALUES (1)');
SELECT plan('UPDATE member SET n = 1 WHERE k = event.type');
SELECT plan('DELETE FROM member WHERE k = event.type');
SELECT plan('INSERT INTO member VALUES (event.type)');
SELECT plan('DELETE FROM seat WHERE id = 1');
SELECT plan('INSERT INTO several VALUES (1)');
SELECT plan('INSERT INTO parent VALUES ((event.data->>''n'')::rules.parent)');
SELECT plan('INSERT INTO parent VALUES ((jsonb_populate_record(NULL::rules.one_few, event.data)).g)');
SELECT plan('INSERT INTO harmless VALUES (1, 2, event.qty, event.type)');
SELECT plan('INSERT INTO rules.event SELECT * FROM rules.event');
-- a table in the statement hides the event
SELECT plan('INSERT INTO log SELECT event.position, event.nosuch FROM rules.event');
SELECT plan('INSERT INTO log SELECT event.position, e.type FROM rules.event e WHERE e.position < event.position');

-- faults
SELECT plan('UPDATE o SET items = event.qyt WHERE order_id = 1');
SELECT plan('UPDATE o SET items = event.* WHERE order_id = 1');
SELECT plan('UPDATE o SET items = (event).qty WHERE order_id = 1');
SELECT plan('UPDATE o SET items = event.data.qty WHERE order_id = 1');
SELECT plan('UPDATE o SET items = event.qty.more WHERE order_id = 1');
SELECT plan('UPDATE o SET itms = 1');
SELECT plan('SELECT 1; UPDAT o');
SELECT plan('');
SELECT plan('SELECT 1; DROP TABLE o');
SELECT plan('SELECT 1 AS x INTO y');
SELECT plan('INSERT INTO pair VALUES (1, ''x'') ON CONFLICT (n) DO NOTHING');
SELECT * FROM public.engine_explain(array['sql'], array['*'], array['INSERT INTO log VALUES (event.qty)']);
SELECT * FROM public.engine_explain(array['function'], array['*'], array['pg_catalog.abs(int)']);
SELECT * FROM public.engine_explain(array['function'], array['*'], array['nosuch(cqrs.event)']);
SELECT * FROM public.engine_explain(array['batch'], array['*'], array['SELECT event.position FROM events']);
SELECT * FROM public.engine_explain(array['batch'], array['*'], array['SELECT 1; SELECT 2']);

-- what cannot be replayed
CREATE SEQUENCE seq;
CREATE TABLE volatile (id int PRIMARY KEY, at timestamptz DEFAULT now(), r float DEFAULT random(), n int DEFAULT nextval('seq'));
CREATE TABLE identity (id int GENERATED ALWAYS AS IDENTITY, n int);
SELECT plan('INSERT INTO log VALUES (1, now()::text)');
SELECT plan('INSERT INTO log VALUES (1, current_date::text)');
SELECT plan('INSERT INTO log VALUES (1, current_user)');
SELECT plan('INSERT INTO log VALUES (random() * 10)');
SELECT plan('UPDATE log SET what = gen_random_uuid() WHERE position = 1');
SELECT plan('SELECT cqrs_emit(''b-1'', ''Followed'')');
SELECT plan('SELECT cqrs_try_send(''Follow'')');
SELECT plan('UPDATE log SET what = cqrs_command_id() WHERE position = 1');
SELECT plan('UPDATE log SET what = cqrs_actor() WHERE position = 1');
SELECT plan('INSERT INTO log SELECT nextval(''seq'') FROM o');
SELECT plan('INSERT INTO log VALUES (1, current_setting(''work_mem''))');
SELECT plan('INSERT INTO log VALUES (1, age(event.recorded_at)::text)');
SELECT plan('INSERT INTO log VALUES (1, current_database())');
SELECT plan('INSERT INTO log VALUES (1, has_table_privilege(''pg_class'', ''SELECT'')::text)');
SELECT plan('INSERT INTO log VALUES (1, (timetz ''10:00+02'' AT TIME ZONE ''Europe/Berlin'')::text)');
SELECT plan('INSERT INTO log VALUES (1, (event.recorded_at AT TIME ZONE ''Europe/Berlin'')::text)');
SELECT plan('INSERT INTO log SELECT 1, what FROM log TABLESAMPLE bernoulli (50)');
SELECT plan('INSERT INTO log VALUES (cqrs_emit(''a-1'', ''b''))');
SELECT plan('INSERT INTO log VALUES (cqrs_stream_version(''a-1''))');
SELECT plan('INSERT INTO volatile (id, r, n) VALUES (1, 1, 1)');
SELECT plan('INSERT INTO volatile (id, at, n) VALUES (1, event.recorded_at, 1)');
SELECT plan('INSERT INTO volatile (id, at, r) VALUES (1, event.recorded_at, 1)');
SELECT plan('INSERT INTO volatile VALUES (1, event.recorded_at, 1, 1)');
SELECT plan('INSERT INTO identity (n) VALUES (1)');
SELECT plan('INSERT INTO volatile VALUES (1, ''now'', 1, 1)');
SELECT plan('INSERT INTO volatile VALUES (1, NULL, 1, date_part(''year'', ''Today''::date)::int)');
SELECT plan('UPDATE volatile SET at = timestamptz ''tomorrow 12:00Z'' WHERE id = 1');
SELECT plan('UPDATE volatile SET n = 1 WHERE at > E''y\x65sterday'' AND id = 1');
SELECT plan('DELETE FROM volatile WHERE at = ANY (''{2020-01-01, now}'')');
SELECT plan('DELETE FROM volatile WHERE tstzrange($$[today,)$$) @> at');
SELECT plan('DELETE FROM volatile WHERE at <@ tstzrange $$[today,)$$');
SELECT plan('INSERT INTO log VALUES (1, (SELECT max(t) FROM (VALUES (time ''10:00''), (''NOW'')) AS v(t))::text)');
CREATE DOMAIN rules.on_day AS date;
CREATE TYPE rules.meeting AS (at timestamptz, n int);
SELECT plan('INSERT INTO volatile VALUES (1, (''("now ",1)''::rules.meeting).at, 1, 1)');
SELECT plan('DELETE FROM volatile WHERE at::date = ANY (''{today}''::rules.on_day[])');
SELECT plan('DELETE FROM volatile WHERE at > ''now''::text::timestamptz');
SELECT plan('INSERT INTO volatile VALUES (1, ''epoch'', 1, 1), (2, ''1 Nov 2020 12:00Z'', 1, 1)');
SELECT plan('DELETE FROM volatile WHERE at > U&''now''');
SELECT plan('INSERT INTO volatile VALUES (1, ''infinity'', 1, length(''now''))');

RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA build CASCADE;
DROP SCHEMA rules CASCADE;
DELETE FROM cqrs.event_type WHERE name IN ('RulesAdded', 'RulesFew');
DROP EXTENSION cqrs_engine_test;
