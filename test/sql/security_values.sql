-- Values that somebody would like to forge, or that are too much; and what
-- tells of others.
CREATE ROLE regress_cqrs_mallory;
CREATE ROLE regress_cqrs_victim;
CREATE SCHEMA evil AUTHORIZATION regress_cqrs_mallory;
CREATE SCHEMA theirs AUTHORIZATION regress_cqrs_victim;
GRANT USAGE ON SCHEMA evil, theirs TO PUBLIC;
SELECT count(cqrs_grant(r::regrole, g)) FROM unnest('{regress_cqrs_mallory,regress_cqrs_victim}'::text[]) r,
	unnest('{send,query,emit,define}'::text[]) g;
\set VERBOSITY terse
CREATE FUNCTION evil.echo(p jsonb) RETURNS text LANGUAGE sql AS $$ SELECT cqrs_emit('forged-1', 'Forged', p, metadata => p)::text || ' by ' || cqrs_actor() $$;
ALTER FUNCTION evil.echo OWNER TO regress_cqrs_mallory;
SET ROLE regress_cqrs_mallory;
SELECT cqrs_create_command('Echo', 'evil.echo(jsonb)');

--
-- What the server says cannot be said by others.
--
SELECT cqrs_send('Echo', '{"position": 1, "xid": "1", "actor": "postgres", "recorded_at": "1970-01-01", "command_id": "00000000-0000-0000-0000-000000000000", "incarnation": 9}',
	metadata => '{"actor": "postgres", "command_id": 1, "xid": 1}') = '1 by ' || session_user AS real_actor;
RESET ROLE;
SELECT position > 0 AS position, xid <> '1' AND xid < pg_current_xact_id() AS xid, version, stream, command_id <> '00000000-0000-0000-0000-000000000000' AS command_id,
	recorded_at > now() - interval '1 day' AS recorded_at, metadata->>'actor' AS claimed
  FROM cqrs.event WHERE stream = 'forged-1';
SELECT actor = session_user AS actor FROM cqrs.ledger WHERE command = 'Echo';

--
-- Code that runs for us says nothing in our name: fenced in, its role is the actor, in the ledger, too.  A rule is caused
-- by the command that has led to the event; the constraint of a payload is not, and learns nothing of the command.
--
CREATE FUNCTION evil.tell(p jsonb) RETURNS text LANGUAGE sql AS $$ SELECT cqrs_actor() || COALESCE(' with ' || cqrs_payload()::text, '') $$;
CREATE FUNCTION evil.forge(place text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF place = '' THEN
		RETURN true;
	ELSIF place = 'raise' THEN
		RAISE 'an error of %', cqrs_actor();
	END IF;
	PERFORM cqrs_emit('fenced-1', 'Fenced', jsonb_build_object('place', place, 'actor', cqrs_actor(), 'command', cqrs_command_id(), 'correlation', cqrs_correlation_id(),
		'payload', cqrs_payload(), 'inner', cqrs_send('Tell', '{"own": 1}', CASE place WHEN 'rule' THEN '55555555-5555-5555-5555-555555555555' ELSE '66666666-6666-6666-6666-666666666666' END::uuid)));
	RETURN true;
END $$;
CREATE DOMAIN evil.forged AS text CHECK (evil.forge(VALUE));
CREATE TYPE evil.forged_payload AS (place evil.forged);
CREATE FUNCTION evil.on_rule(e cqrs.event) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.forge('rule'); END $$;
-- a fence in a fence: the rule sends a command, in whose course a constraint asks for the payload
CREATE FUNCTION evil.emit_inner(p jsonb) RETURNS text LANGUAGE sql AS $$ SELECT cqrs_emit('fenced-2', 'InnerAsked', '{"place": "x"}')::text $$;
CREATE FUNCTION theirs.ask(place text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''asked by %: %'', cqrs_actor(), cqrs_payload(); RETURN true; END';
CREATE DOMAIN theirs.asking AS text CHECK (theirs.ask(VALUE));
CREATE TYPE theirs.asked AS (place theirs.asking);
CREATE FUNCTION evil.on_asked(e cqrs.event) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM cqrs_send('EmitInner', '{"secret": "of mallory"}'); END $$;
CREATE FUNCTION theirs.work(p jsonb) RETURNS text LANGUAGE sql AS $$ SELECT cqrs_emit('work-1', p->>'type', jsonb_build_object('place', p->>'place'))::text $$;
ALTER FUNCTION evil.tell OWNER TO regress_cqrs_mallory; ALTER FUNCTION evil.forge OWNER TO regress_cqrs_mallory; ALTER FUNCTION evil.on_rule OWNER TO regress_cqrs_mallory;
ALTER FUNCTION evil.emit_inner OWNER TO regress_cqrs_mallory; ALTER FUNCTION evil.on_asked OWNER TO regress_cqrs_mallory; ALTER TYPE evil.forged_payload OWNER TO regress_cqrs_mallory;
ALTER FUNCTION theirs.ask OWNER TO regress_cqrs_victim; ALTER FUNCTION theirs.work OWNER TO regress_cqrs_victim; ALTER TYPE theirs.asked OWNER TO regress_cqrs_victim;
SET ROLE regress_cqrs_mallory;
SELECT cqrs_create_command('Tell', 'evil.tell(jsonb)'), cqrs_create_command('EmitInner', 'evil.emit_inner(jsonb)'), cqrs_create_event_type('PayloadForged', 'evil.forged_payload'),
	cqrs_create_projection('forger', 'evil', '', mode => 'inline'), cqrs_on('forger', 'RuleForged', 'evil.on_rule(cqrs.event)'::regprocedure),
	cqrs_on('forger', 'RuleAsked', 'evil.on_asked(cqrs.event)'::regprocedure), cqrs_start('forger');
SET ROLE regress_cqrs_victim;
SELECT cqrs_create_command('Work', 'theirs.work(jsonb)'), cqrs_create_event_type('InnerAsked', 'theirs.asked');
RESET ROLE;
SELECT cqrs_send('Work', '{"type": "RuleForged", "place": "", "secret": 1}', '77777777-7777-7777-7777-777777777777', metadata => '{"of": "the victim"}') IS NOT NULL AS worked;
SELECT cqrs_send('Work', '{"type": "PayloadForged", "place": "payload", "secret": 1}', '88888888-8888-8888-8888-888888888888', metadata => '{"of": "the victim"}') IS NOT NULL AS worked;
SELECT cqrs_send('Work', '{"type": "RuleAsked", "place": "", "secret": 1}') IS NOT NULL AS worked;
SELECT data->>'place' AS place, data->>'actor' AS actor, left(data->>'command', 4) AS command, left(data->>'correlation', 4) AS correlation, data->>'payload' AS payload, data->>'inner' AS inner,
	left(command_id::text, 4) AS caused_by, metadata FROM cqrs.event WHERE stream = 'fenced-1' ORDER BY position;
SELECT actor, command, left(causation_id::text, 4) AS causation, left(correlation_id::text, 4) AS correlation FROM cqrs.ledger WHERE command_id::text ~ '^(5|6)' ORDER BY command_id;
SELECT cqrs_send('Tell', '{"a": 1}', '55555555-5555-5555-5555-555555555555') AS not_burnt;
SELECT cqrs_actor() = session_user AS still_me;
-- ... also when there was an error inside
BEGIN;
SELECT * FROM fails($$SELECT cqrs_emit('work-1', 'PayloadForged', '{"place": "raise"}')$$);
SELECT cqrs_actor() = session_user AS still_me;
ROLLBACK;
-- ... also in parallel workers, which know nothing of fences
CREATE TABLE evil.many (n int) WITH (parallel_workers = 2);
INSERT INTO evil.many SELECT generate_series(1, 1000);
CREATE FUNCTION evil.mislabelled() RETURNS text LANGUAGE plpgsql PARALLEL SAFE AS 'BEGIN RETURN cqrs_actor(); END';
CREATE FUNCTION evil.ask_workers(expression text) RETURNS boolean LANGUAGE plpgsql
	SET parallel_setup_cost = 0 SET parallel_tuple_cost = 0 SET min_parallel_table_scan_size = 0 SET parallel_leader_participation = off AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE format('SELECT DISTINCT %s FROM evil.many', expression) INTO answer;
	RAISE NOTICE '% is who is connected: %', expression, answer = session_user;
	RETURN true;
EXCEPTION WHEN invalid_transaction_state THEN
	RAISE NOTICE '% is who is connected: f', expression;
	RETURN true;
END $$;
CREATE DOMAIN evil.asking_workers AS text CHECK (evil.ask_workers(VALUE));
CREATE TYPE evil.asked_workers AS (place evil.asking_workers);
GRANT SELECT ON evil.many TO regress_cqrs_mallory;
ALTER FUNCTION evil.ask_workers OWNER TO regress_cqrs_mallory; ALTER TYPE evil.asked_workers OWNER TO regress_cqrs_mallory;
SET ROLE regress_cqrs_mallory;
SELECT cqrs_create_event_type('WorkersAsked', 'evil.asked_workers');
RESET ROLE;
SELECT cqrs_emit('work-1', 'WorkersAsked', '{"place": "cqrs_actor()"}') > 0 AS worked;
SELECT cqrs_emit('work-1', 'WorkersAsked', '{"place": "evil.mislabelled()"}') > 0 AS worked;
SET ROLE regress_cqrs_mallory;
SELECT cqrs_drop_projection('forger'), cqrs_drop_command('Tell'), cqrs_drop_command('EmitInner');
RESET ROLE;
SELECT cqrs_drop_command('Work');
DELETE FROM cqrs.event_type WHERE name IN ('PayloadForged', 'InnerAsked', 'WorkersAsked');

--
-- Ids of commands are those of a login.  A handler of somebody else's that is
-- sent with an id of ours is another command.
--
CREATE FUNCTION theirs.secret(p jsonb) RETURNS text LANGUAGE sql AS 'SELECT ''secret of '' || current_user';
ALTER FUNCTION theirs.secret OWNER TO regress_cqrs_victim;
REVOKE ALL ON FUNCTION theirs.secret FROM PUBLIC;
SET SESSION AUTHORIZATION regress_cqrs_victim;
SELECT cqrs_create_command('Secret', 'theirs.secret(jsonb)');
SELECT cqrs_send('Secret', '{"a": 1}', '22222222-2222-2222-2222-222222222222');
SELECT cqrs_send('Secret', '{"a": 1}', '44444444-4444-4444-4444-444444444444');
SET SESSION AUTHORIZATION regress_cqrs_mallory;
SELECT * FROM fails($$SELECT cqrs_send('Secret', '{"a": 1}', '22222222-2222-2222-2222-222222222222')$$);
SELECT ok, id, sqlstate FROM cqrs_try_send('Secret', '{"a": 1}', '22222222-2222-2222-2222-222222222222');
SELECT cqrs_send('Echo', '{"a": 1}', '44444444-4444-4444-4444-444444444444') IS NOT NULL AS own_id;
-- One login for many: SET ROLE does not open what the role may not send.
RESET SESSION AUTHORIZATION;
CREATE ROLE regress_cqrs_pool;
GRANT regress_cqrs_mallory, regress_cqrs_victim TO regress_cqrs_pool;
SET SESSION AUTHORIZATION regress_cqrs_pool;
SET ROLE regress_cqrs_victim;
SELECT cqrs_send('Secret', '{"a": 1}', '33333333-3333-3333-3333-333333333333');
SET ROLE regress_cqrs_mallory;
SELECT * FROM fails($$SELECT cqrs_send('Secret', '{"a": 1}', '33333333-3333-3333-3333-333333333333')$$);
SELECT ok, id, sqlstate FROM cqrs_try_send('Secret', '{"a": 1}', '33333333-3333-3333-3333-333333333333');
-- The same id for something else says so, and does not swallow it.
SELECT * FROM fails($$SELECT cqrs_send('Echo', '{"a": 1}', '33333333-3333-3333-3333-333333333333')$$);
RESET SESSION AUTHORIZATION;
SELECT actor, command, outcome FROM cqrs.ledger WHERE command_id::text ~ '^(2|3|4)' ORDER BY command_id, actor;

--
-- Tokens: one that is none is refused; one of another time or place is never taken for done.
--
CREATE FUNCTION try_wait(token text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN cqrs_wait(token, timeout => '0');
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate || ' ' || regexp_replace(sqlerrm, ':.*', '');
END $$;
SELECT quote_literal(left(t, 30)) AS token, try_wait(t) FROM unnest(ARRAY['', ' ', '1', '1-1', '1-1-', '-1-1-1', '1--1-1', '1-1--1', '0-1-1', '1-0-1', '1-1-0', '01-1-1', '1-1-01', '1-1-1 ', ' 1-1-1',
	'1-1-1-1', '4294967297-1-5', '1-4294967297-5', '1-1-18446744073709551616', '1-1-9223372036854775808', '2147483648-1-1', '99-1-1', '1-1-9223372036854775807',
	'1-99-3', 'x', repeat('1', 70), E'1-1-1\n', '1-1-1e5', '0x1-1-1', '+1-1-1']) t;
DROP FUNCTION try_wait;
SELECT t, f.state FROM unnest(ARRAY['', 'x', '99-1-1', '1-1--1']) t, LATERAL fails(format('SELECT cqrs_query(''None'', token => %L)', t)) f;

--
-- Too much: refused where it comes in.
--
SELECT f.* FROM (VALUES
	($$SELECT cqrs_emit('toobig-1', 'Big', jsonb_build_object('a', repeat('x', 1100000)))$$),
	($$SELECT cqrs_emit('toobig-1', 'Big', metadata => jsonb_build_object('a', repeat('x', 1100000)))$$),
	($$SELECT cqrs_append('toobig-1', '{Big}', ARRAY[jsonb_build_object('a', repeat('x', 1100000))])$$),
	($$SELECT cqrs_emit(repeat('s', 1000), 'Big')$$),
	($$SELECT cqrs_emit('toobig-1', repeat('T', 1000))$$),
	($$SELECT cqrs_query_page('None', page_size => 1001)$$),
	($$SELECT cqrs_query_page('None', page => 0)$$),
	($$SELECT cqrs_wait(timeout => '-1s')$$),
	($$SELECT cqrs_wait(timeout => '100000 years')$$),
	($$SELECT cqrs_prune_ledger(0)$$),
	($$SELECT cqrs_catch_up(max_events => -1)$$),
	($$SELECT cqrs_stream('toobig-1', -9223372036854775808, -9223372036854775808)$$),
	($$SELECT cqrs_stream('toobig-1', 9223372036854775807, 9223372036854775807)$$),
	($$SELECT cqrs_emit('toobig-1', 'Big', expected_version => 9223372036854775807)$$),
	($$SELECT cqrs_emit('toobig-1', 'Big', expected_version => -9223372036854775808)$$)) s (statement),
	LATERAL (SELECT set_config('cqrs.max_event_size', '1MB', true)) c, LATERAL fails(statement) f;
-- Nesting: PostgreSQL's own limit in the JSON, ours in the types.
SELECT * FROM fails($$SELECT cqrs_emit('deep-1', 'Deep', (repeat('[', 1000000) || repeat(']', 1000000))::jsonb)$$);
CREATE TYPE evil.deep AS (a int);
CREATE TYPE evil.deeper AS (d evil.deep[]);
SELECT cqrs_create_event_type('DeepArray', 'evil.deeper');
SELECT state, message FROM fails($$SELECT cqrs_emit('deep-1', 'DeepArray', jsonb_build_object('d', (repeat('[', 5000) || repeat(']', 5000))::jsonb))$$);
SELECT state, message, length(detail) < 10000 AS short FROM fails($$SELECT cqrs_emit('wide-1', 'DeepArray', (SELECT jsonb_object_agg(n, n) FROM generate_series(1, 20000) n))$$);
SELECT state, message, length(detail) < 10000 AS short FROM fails($$SELECT cqrs_emit('wide-1', 'DeepArray', jsonb_build_object('d', (SELECT jsonb_agg('x'::text) FROM generate_series(1, 20000) n)))$$);
DELETE FROM cqrs.event_type WHERE name = 'DeepArray';
-- A storm of long errors: what is kept of each is short.
SELECT cqrs_create_projection('storm', 'theirs', 'CREATE TABLE storm (id bigint PRIMARY KEY)'),
	cqrs_on('storm', 'Storm', 'INSERT INTO storm VALUES ((event.data->>''text'')::bigint)'), cqrs_start('storm');
SELECT count(cqrs_emit('storm-' || n, 'Storm', jsonb_build_object('text', repeat('é', 500000)))) FROM generate_series(1, 5) n;
SELECT cqrs_catch_up('storm');
SELECT DISTINCT sqlstate, octet_length(message), octet_length(context) < 5000 AS context, right(message, 6) FROM cqrs.parked_event WHERE projection = 'storm';
SELECT octet_length(last_error) < 5000 AS last_error FROM cqrs.projection_status WHERE projection = 'storm';
SELECT cqrs_drop_projection('storm');
-- Numbers
CREATE TYPE evil.numbers AS (i2 smallint, i4 int, i8 bigint, f4 real, f8 double precision, n numeric, n2 numeric(5,2), d date, t timestamptz);
SELECT cqrs_create_event_type('Numbers', 'evil.numbers');
SELECT v, f.state, (SELECT string_agg(split_part(l, ':', 1), ' ') FROM unnest(string_to_array(f.detail, E'\n')) l) AS refused FROM unnest(ARRAY['1e400', '-1e400', '1e5', '1e-400', '32768', '2147483648', '9223372036854775808', '-9223372036854775809', '1.5', '0.0000001', '123456789012345678901234567890',
	'"NaN"', '"Infinity"', '"-infinity"', 'true', '[]', '{}', '""', '"294277-01-01"', '"0000-00-00"', '"epoch"']) v,
	LATERAL fails(format($$SELECT cqrs_emit('n-1', 'Numbers', '{"i2": %1$s, "i4": %1$s, "i8": %1$s, "f4": %1$s, "f8": %1$s, "n": %1$s, "n2": %1$s, "d": %1$s, "t": %1$s}')$$, v)) f;
DELETE FROM cqrs.event_type WHERE name = 'Numbers';

--
-- Settings: what protects others is not an ordinary user's to set, nor does a
-- name of ours stand for something else before the library is there.
--
SET ROLE regress_cqrs_mallory;
SELECT s.statement, f.state FROM (VALUES ('SET cqrs.max_event_size = ''1GB'''), ('SET cqrs.batch_max_bytes = ''1GB'''), ('SET cqrs.max_workers = 0'),
	('SET cqrs.ledger_retention = 0'), ('SET cqrs.retry_min = 1'), ('SET cqrs.unknown = 1'), ('SELECT set_config(''cqrs.max_event_size'', ''1'', false)'),
	('ALTER ROLE regress_cqrs_mallory SET cqrs.max_event_size = 1'), ('SET session_replication_role = replica'),
	('SET cqrs.batch_max_events = 1'), ('SET cqrs.batch_max_time = 1')) s (statement), LATERAL fails(statement) f;
RESET ROLE;
RESET cqrs.batch_max_events;
RESET cqrs.batch_max_time;
-- Replication does not skip what we do for an append or a rule.
CREATE TABLE theirs.log (what text);
CREATE FUNCTION theirs.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO theirs.log VALUES (current_setting(''session_replication_role'')); RETURN new; END';
SELECT cqrs_create_projection('replica', 'theirs', 'CREATE TABLE replica (id bigint PRIMARY KEY); CREATE TRIGGER note AFTER INSERT ON replica FOR EACH ROW EXECUTE FUNCTION theirs.note()', mode => 'inline'),
	cqrs_on('replica', 'Replica', 'INSERT INTO replica VALUES (event.version)'), cqrs_start('replica');
SET session_replication_role = replica;
SELECT cqrs_emit('replica-1', 'Replica');
SHOW session_replication_role;
RESET session_replication_role;
TABLE theirs.replica;
TABLE theirs.log;
SELECT cqrs_drop_projection('replica');

--
-- Rules mean the same whatever the session is set to, and how it spells strings.
--
CREATE VIEW theirs.one AS SELECT 1 AS one;
GRANT SELECT ON theirs.one TO PUBLIC;
SELECT cqrs_create_projection('spelled', 'theirs', 'CREATE TABLE spelled (id bigint PRIMARY KEY, s text, a text[], m text, n text, x text, q text)'),
	cqrs_on('spelled', 'Spelled', $$INSERT INTO spelled VALUES (event.position, 'a\nb', '{NULL,x}', (event.data->>'n')::numeric::money::text,
		to_char((event.data->>'n')::numeric, '9G999D99'), to_tsvector(event.data->>'text')::text || to_char(event.recorded_at - event.recorded_at + timestamptz '2000-01-01 12:00+00', 'TMDay') || 'x', quote_ident('q') || (SELECT one FROM theirs.one))$$);
SET quote_all_identifiers = on;
SELECT count(set_config(name, 'view', false)) < 2 AS set FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind';
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SET array_nulls = off;
SET default_text_search_config = 'english';
SET backslash_quote = on;
SELECT cqrs_start('spelled');
SELECT cqrs_emit('spelled-1', 'Spelled', '{"n": 1234.5, "text": "the dogs running"}');
SELECT cqrs_catch_up('spelled');
RESET quote_all_identifiers;
SELECT count(set_config(name, '', false)) < 2 AS set FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind';
RESET standard_conforming_strings; RESET escape_string_warning; RESET array_nulls; RESET default_text_search_config; RESET backslash_quote;
SELECT cqrs_emit('spelled-1', 'Spelled', '{"n": 1234.5, "text": "the dogs running"}');
SELECT cqrs_catch_up('spelled');
SELECT s, a, m, n, left(x, 30) AS x, q FROM theirs.spelled;
SELECT cqrs_drop_projection('spelled');

--
-- Errors, views and statistics tell of the own work only.
--
SET ROLE regress_cqrs_victim;
SELECT cqrs_create_projection('private', 'theirs', 'CREATE TABLE private (id bigint PRIMARY KEY, s text)'),
	cqrs_on('private', 'Private', 'INSERT INTO private VALUES ((event.data->>''secret'')::bigint)'), cqrs_start('private');
SELECT cqrs_emit('private-1', 'Private', '{"secret": "the secret"}');
SELECT cqrs_catch_up('private');
GRANT USAGE ON SCHEMA theirs TO regress_cqrs_mallory;
RESET ROLE;
SELECT cqrs_revoke('regress_cqrs_mallory', 'emit');
SET ROLE regress_cqrs_mallory;
CREATE FUNCTION evil.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS 'BEGIN RAISE NOTICE ''leaked: %'', $1; RETURN true; END';
SELECT message FROM cqrs.projection_parked WHERE evil.leak(message);
SELECT f.state, f.message FROM (VALUES ('SELECT * FROM theirs.private'), ('SELECT * FROM cqrs.outbox'), ('SELECT * FROM cqrs_stream(''private-1'')'),
	('SELECT * FROM cqrs.worker_status'), ('SELECT * FROM cqrs.read_workers()'), ('SELECT * FROM cqrs.command_stats'),
	('SELECT cqrs_catch_up(''private'')')) s (statement), LATERAL fails(statement) f;
SELECT projection, last_error FROM cqrs.projection_status WHERE evil.leak(last_error);
SELECT * FROM cqrs.behind('private$1'), cqrs.read_progress('private$1'), cqrs.read_work('private');
SELECT count(*) FROM pg_stats WHERE schemaname = 'cqrs' OR schemaname LIKE 'private$%';
RESET ROLE;
SET ROLE regress_cqrs_victim;
SELECT message FROM cqrs.projection_parked;
SELECT events, events_done = events_total AS done FROM cqrs.behind('private$1'), cqrs.read_progress('private$1');
-- Who waits for a projection is told that it rests, but not of the event that was to blame.
SELECT cqrs_create_projection('resting', 'theirs', 'CREATE TABLE resting (id bigint PRIMARY KEY)', on_error => 'stop'),
	cqrs_on('resting', 'Private', 'INSERT INTO resting VALUES ((event.data->>''secret'')::bigint)'), cqrs_start('resting');
SELECT cqrs_catch_up('resting');
RESET ROLE;
SELECT cqrs_emit('private-2', 'Private', '{"secret": "another secret"}');
SELECT cqrs_token() AS token \gset
SET ROLE regress_cqrs_mallory;
\set VERBOSITY default
SELECT cqrs_wait(:'token', '{resting}', '0');
\set VERBOSITY terse
SET ROLE regress_cqrs_victim;
SELECT cqrs_drop_projection('resting');
SELECT cqrs_drop_projection('private'), cqrs_drop_command('Secret');
RESET ROLE;
SELECT cqrs_drop_command('Echo');
TABLE canary;

SET client_min_messages = warning;
DROP SCHEMA theirs, evil CASCADE;
DROP OWNED BY regress_cqrs_mallory, regress_cqrs_victim, regress_cqrs_pool;
DROP ROLE regress_cqrs_mallory, regress_cqrs_victim, regress_cqrs_pool;
