-- What the calls of generate.pl meet: something of everything.
CREATE EXTENSION cqrs;
CREATE SCHEMA fuzz;
SET search_path = fuzz, public;
SET client_min_messages = warning;

CREATE DOMAIN fuzz.qty AS int NOT NULL CHECK (VALUE > 0);
CREATE TYPE fuzz.mood AS ENUM ('good', 'bad', 'a "b"');
CREATE TYPE fuzz.inner_type AS (a int, b text[], "odd name" jsonb);
CREATE TYPE fuzz.everything AS (i2 smallint, i4 int, i8 bigint, n numeric, n2 numeric(5,2), f4 real, f8 double precision, t text, v varchar(5),
	c char(3), b boolean, u uuid, d date, ts timestamp, tz timestamptz, iv interval, j jsonb, js json, ba bytea, q fuzz.qty, m fuzz.mood,
	r int4range, x fuzz.inner_type, xs fuzz.inner_type[], i4s int[], ts2 text[][], e inet, nm name, o oid, rc regclass);
CREATE TYPE fuzz.item AS (order_id bigint, name text, qty int, price numeric);

CREATE FUNCTION fuzz.handle(p jsonb) RETURNS text LANGUAGE sql AS $$SELECT cqrs_emit(coalesce(p->>'stream', 'fuzz-1'), coalesce(p->>'type', 'ItemAdded'), p)::text$$;
CREATE FUNCTION fuzz.handle_all(p fuzz.everything) RETURNS int LANGUAGE sql AS 'SELECT p.i4';
CREATE FUNCTION fuzz.handle_void(p fuzz.item) RETURNS void LANGUAGE plpgsql AS 'BEGIN PERFORM cqrs_emit(''order-'' || p.order_id, ''ItemAdded'', to_jsonb(p)); END';
CREATE FUNCTION fuzz.fail(p jsonb) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION USING errcode = coalesce(p->>''code'', ''P0001''), message = coalesce(p->>''message'', ''''); END';
CREATE FUNCTION fuzz.answer(p jsonb) RETURNS SETOF jsonb LANGUAGE sql STABLE AS 'SELECT jsonb_build_object(''n'', n) FROM generate_series(1, least(coalesce((p->>''n'')::int, 3), 1000)) n';
CREATE FUNCTION fuzz.answer_rows(p fuzz.item) RETURNS TABLE (r text, q int, p2 jsonb) LANGUAGE sql STABLE AS 'SELECT p.name, p.qty, to_jsonb(p)';
CREATE FUNCTION fuzz.answer_none() RETURNS fuzz.item LANGUAGE sql STABLE AS 'SELECT NULL::fuzz.item';
CREATE FUNCTION fuzz.on_event(e cqrs.event) RETURNS void LANGUAGE plpgsql AS 'BEGIN IF e.data ? ''boom'' THEN RAISE division_by_zero; END IF; END';

SELECT cqrs_create_event_type('ItemAdded', 'fuzz.item'), cqrs_create_event_type('Everything', 'fuzz.everything'), cqrs_create_event_type('Plain');
SELECT cqrs_create_command('Handle', 'fuzz.handle(jsonb)'), cqrs_create_command('HandleAll', 'fuzz.handle_all(fuzz.everything)'),
	cqrs_create_command('HandleVoid', 'fuzz.handle_void(fuzz.item)'), cqrs_create_command('Fail', 'fuzz.fail(jsonb)');
SELECT cqrs_create_query('Answer', 'fuzz.answer(jsonb)'), cqrs_create_query('AnswerRows', 'fuzz.answer_rows(fuzz.item)'), cqrs_create_query('AnswerNone', 'fuzz.answer_none()');

SELECT cqrs_create_projection('running', 'fuzz', 'CREATE TABLE running (id bigint PRIMARY KEY, name text, n int, total numeric); CREATE TABLE log (position bigint, what text)');
SELECT cqrs_on('running', 'ItemAdded', 'INSERT INTO running VALUES (event.order_id, event.name, 1, event.price) ON CONFLICT (id) DO UPDATE SET n = running.n + 1, total = running.total + event.qty * event.price');
SELECT cqrs_on('running', 'Plain', 'UPDATE running SET name = event.data->>''name'' WHERE id = (event.data->>''order_id'')::bigint');
SELECT cqrs_on('running', 'Everything', 'INSERT INTO log VALUES (event.position, event.x::text || event.i4s::text || event.r::text || event.m::text || event.q::text || event.tz::text)');
SELECT cqrs_on_batch('running', '{Other}', 'INSERT INTO log SELECT position, type FROM events');
SELECT cqrs_on('running', 'Called', 'fuzz.on_event(cqrs.event)'::regprocedure);
SELECT cqrs_start('running');
SELECT cqrs_create_projection('inline', 'fuzz', 'CREATE TABLE inl (id bigint PRIMARY KEY, n int)', mode => 'inline');
SELECT cqrs_on('inline', 'Inline', 'INSERT INTO inl VALUES (event.position, (event.data->>''n'')::int)'), cqrs_start('inline');
SELECT cqrs_create_projection('draft', 'fuzz', 'CREATE TABLE d (id bigint PRIMARY KEY, a int, b text)');
SELECT cqrs_create_projection('paused', 'fuzz', 'CREATE TABLE p (id bigint PRIMARY KEY)'), cqrs_start('paused'), cqrs_pause('paused');
SELECT cqrs_emit('order-1', 'ItemAdded', '{"order_id": 1, "name": "x", "qty": 2, "price": 3.5}');
SELECT cqrs_emit('fuzz-1', 'Called', '{"boom": true}');
SELECT cqrs_catch_up();
CREATE ROLE fuzz_role;
