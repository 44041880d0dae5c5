-- Names that would like to be something else: in search_path, in pg_temp, as
-- SQL, as shell, as format strings, as somebody else's role.
CREATE ROLE regress_cqrs_mallory;
CREATE ROLE regress_cqrs_victim;
CREATE SCHEMA evil AUTHORIZATION regress_cqrs_mallory;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
SELECT count(cqrs_grant('regress_cqrs_mallory', g)) FROM unnest('{send,query,emit,define,watch}'::text[]) g;
\set VERBOSITY terse

--
-- Everything that our statements name is there once more, to be found first:
-- in a schema, and in pg_temp.
--
SET ROLE regress_cqrs_mallory;
CREATE FUNCTION evil.eq_text(text, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM public.sing(''operator =''); RETURN true; END';
CREATE FUNCTION evil.eq_any(anyelement, anyelement) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM public.sing(''operator =''); RETURN true; END';
CREATE FUNCTION evil.cat(text, text) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM public.sing(''operator ||''); RETURN $1; END';
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.eq_text);
CREATE OPERATOR evil.= (LEFTARG = anyelement, RIGHTARG = anyelement, FUNCTION = evil.eq_any);
CREATE OPERATOR evil.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.eq_text);
CREATE OPERATOR evil.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.cat);
CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN PERFORM public.sing(''now''); RETURN ''epoch''; END';
CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN PERFORM public.sing(''clock_timestamp''); RETURN ''epoch''; END';
CREATE FUNCTION evil.to_jsonb(anyelement) RETURNS jsonb LANGUAGE plpgsql AS 'BEGIN PERFORM public.sing(''to_jsonb''); RETURN ''{}''; END';
CREATE FUNCTION evil.jsonb_agg(jsonb) RETURNS jsonb LANGUAGE plpgsql AS 'BEGIN PERFORM public.sing(''jsonb_agg''); RETURN ''{}''; END';
CREATE FUNCTION evil.unnest(text[]) RETURNS SETOF text LANGUAGE plpgsql AS 'BEGIN PERFORM public.sing(''unnest''); END';
CREATE FUNCTION evil.left(text, int) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM public.sing(''left''); RETURN ''''; END';
CREATE FUNCTION evil.array_remove(text[], text) RETURNS text[] LANGUAGE plpgsql AS 'BEGIN PERFORM public.sing(''array_remove''); RETURN NULL; END';
CREATE FUNCTION evil.max(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM public.sing(''max''); RETURN 0; END';
CREATE FUNCTION evil.count() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN PERFORM public.sing(''count''); RETURN 0; END';
CREATE FUNCTION evil.cqrs_emit(stream text, type text, data jsonb DEFAULT '{}', expected_version bigint DEFAULT NULL, metadata jsonb DEFAULT NULL)
	RETURNS bigint LANGUAGE plpgsql AS 'BEGIN PERFORM public.sing(''cqrs_emit''); RETURN 0; END';
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (public.sing('text'));
CREATE DOMAIN evil.jsonb AS pg_catalog.jsonb CHECK (public.sing('jsonb'));
CREATE TABLE evil.event (LIKE pg_catalog.pg_class);
CREATE TABLE evil.pg_class (LIKE pg_catalog.pg_am);
CREATE TEMP TABLE event (LIKE pg_catalog.pg_am);
CREATE TEMP TABLE events (LIKE pg_catalog.pg_am);
CREATE TEMP TABLE projection (LIKE pg_catalog.pg_am);
CREATE TEMP TABLE ledger (LIKE pg_catalog.pg_am);
CREATE TEMP TABLE pg_class (LIKE pg_catalog.pg_am);
CREATE TEMP TABLE pg_depend (LIKE pg_catalog.pg_am);
CREATE FUNCTION pg_temp.left(pg_catalog.text, int) RETURNS pg_catalog.text LANGUAGE plpgsql AS 'BEGIN PERFORM public.sing(''pg_temp''); RETURN ''''; END';
CREATE FUNCTION evil.handle(p pg_catalog.jsonb) RETURNS pg_catalog.text LANGUAGE sql AS $$SELECT 'id'::pg_catalog.text FROM pg_catalog.cqrs_emit('named-1', 'Named', p)$$;
CREATE FUNCTION evil.answer() RETURNS TABLE (a int, b int) LANGUAGE sql STABLE AS 'SELECT 1, 2';
CREATE FUNCTION evil.rule(e cqrs.event) RETURNS void LANGUAGE sql AS '';
REVOKE ALL ON FUNCTION evil.handle, evil.answer, evil.rule FROM PUBLIC;
RESET ROLE;
-- By a superuser with a path that leads there.
SET search_path = evil, pg_temp, pg_catalog;
SELECT pg_catalog.cqrs_create_event_type('Named');
SELECT pg_catalog.cqrs_create_command('Named', 'evil.handle(pg_catalog.jsonb)'), pg_catalog.cqrs_create_query('Named', 'evil.answer()');
SELECT pg_catalog.cqrs_send('Named', '{}', '11111111-1111-1111-1111-111111111111'), pg_catalog.cqrs_send('Named', '{}', '11111111-1111-1111-1111-111111111111');
SELECT ok FROM pg_catalog.cqrs_try_send('Named');
SELECT pg_catalog.cqrs_query('Named');
SELECT items FROM pg_catalog.cqrs_query_page('Named');
SELECT pg_catalog.cqrs_emit('named-1', 'Named'), pg_catalog.cqrs_append('named-1', '{Named}', '{"{}"}'), pg_catalog.cqrs_stream_version('named-1');
SELECT pg_catalog.count(*) FROM pg_catalog.cqrs_stream('named-1');
SELECT pg_catalog.cqrs_create_projection('named', 'evil', 'CREATE TABLE named (id bigint PRIMARY KEY, t text); CREATE TABLE batched (id bigint)'),
	pg_catalog.cqrs_on('named', 'Named', 'INSERT INTO named VALUES (event.position, event.stream || event.type)'),
	pg_catalog.cqrs_on('named', 'NamedOther', 'evil.rule(cqrs.event)'::pg_catalog.regprocedure),
	pg_catalog.cqrs_on_batch('named', '{Named,NamedOther}', 'INSERT INTO batched SELECT e.position FROM events e WHERE e.type = ''Named'''),
	pg_catalog.cqrs_off('named', 'NamedOther'),
	pg_catalog.cqrs_start('named');
SELECT event_type, plan FROM pg_catalog.cqrs_explain('named');
SELECT pg_catalog.cqrs_catch_up('named'), pg_catalog.cqrs_retry_parked('named'), pg_catalog.cqrs_discard_parked('named'),
	pg_catalog.cqrs_pause('named'), pg_catalog.cqrs_resume('named');
SELECT state, events_behind FROM cqrs.projection_status;
SELECT pg_catalog.count(*) FROM cqrs.projection_parked;
SELECT name, fields FROM cqrs.command_type;
SELECT name FROM cqrs.query_type;
SELECT calls > 0 AS called FROM cqrs.command_stats WHERE name OPERATOR(pg_catalog.=) 'Named';
SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>) 0 AS outbox FROM cqrs.outbox;
SELECT pg_catalog.cqrs_wait(), pg_catalog.cqrs_prune_ledger() OPERATOR(pg_catalog.>=) 0 AS pruned, pg_catalog.cqrs_token() IS NOT NULL AS token;
SELECT pg_catalog.cqrs_grant('regress_cqrs_victim', 'send'), pg_catalog.cqrs_revoke('regress_cqrs_victim', 'send');
SELECT (SELECT pg_catalog.count(*) FROM evil.named) AS folded, (SELECT pg_catalog.count(*) FROM evil.batched) AS batched;
SELECT pg_catalog.cqrs_drop_projection('named'), pg_catalog.cqrs_drop_command('Named'), pg_catalog.cqrs_drop_query('Named');
RESET search_path;
SELECT DISTINCT place FROM song;
TABLE canary;
DROP TABLE pg_temp.event, pg_temp.events, pg_temp.projection, pg_temp.ledger, pg_temp.pg_class, pg_temp.pg_depend;
DELETE FROM cqrs.event_type WHERE name = 'Named';
TRUNCATE song;

--
-- Names: refused, or harmless wherever they go.
--
CREATE TABLE evil_names (n int, name text);
INSERT INTO evil_names VALUES
	(1, ''), (2, ' '), (3, E'x\n\\! touch /tmp/pwned'), (4, E'tab\there'), (5, E'\x7f'), (6, ' x'), (7, 'x '), (8, repeat('x', 300)),
	(9, '"; DROP TABLE cqrs.event; --'), (10, '''; DROP TABLE cqrs.event; --'), (11, '$$; DROP'), (12, '%s%n%d'), (13, '\connect evil'),
	(14, U&'\202Etxt.exe'), (15, U&'a\200Bb'), (16, 'pg_x'), (17, 'cqrs'), (18, 'public'), (19, '{a,b}'), (20, '../../x'), (21, 'a.b'), (22, '*'), (23, '$1'),
	(24, repeat('x', 63)), (25, 'A B'), (26, '-'), (27, '--'), (28, E'\\');
CREATE FUNCTION evil.noop(p jsonb) RETURNS text LANGUAGE sql AS 'SELECT NULL::text';
REVOKE ALL ON FUNCTION evil.noop FROM PUBLIC;
CREATE FUNCTION use_name(name text) RETURNS TABLE (event_type text, command text, stream text, projection text) LANGUAGE plpgsql AS $$
BEGIN
	SELECT f.state INTO event_type FROM fails(format('SELECT cqrs_create_event_type(%L)', name)) f;
	SELECT f.state INTO command FROM fails(format('SELECT cqrs_create_command(%L, ''evil.noop(jsonb)''), cqrs_send(%1$L)', name)) f;
	SELECT f.state INTO stream FROM fails(format('SELECT cqrs_emit(%L, ''Name''), cqrs_stream_version(%1$L)', name)) f;
	SELECT f.state INTO projection FROM fails(format('SELECT cqrs_create_projection(%L, ''evil'', ''CREATE TABLE t%s (a text)''),
		cqrs_on(%1$L, ''Name'', ''INSERT INTO t%2$s VALUES (event.stream)''), cqrs_start(%1$L)', name, md5(name))) f;
	RETURN NEXT;
END $$;
SET client_min_messages = error;
SELECT n, left(replace(replace(quote_literal(name), E'\u202e', '[RLO]'), E'\u200b', '[ZWSP]'), 30) AS name, u.* FROM evil_names, LATERAL use_name(name) u ORDER BY n;
-- They go through rules, views, statistics, errors, status, and out again.
SELECT cqrs_catch_up() > 0 AS applied;
SELECT count(*) FROM cqrs.projection_status WHERE state <> 'running' OR events_behind > 0 OR events_parked > 0;
SELECT count(*) > 10 AS schemas FROM pg_namespace WHERE nspname LIKE '%$1';
SELECT count(*) > 10 AS explained FROM cqrs.projection_status, LATERAL cqrs_explain(projection);
SELECT count(cqrs_drop_projection(projection)) > 10 AS dropped FROM cqrs.projection_status;
SELECT count(cqrs_drop_command(name)) > 10 AS dropped FROM cqrs.command_type WHERE handler = 'evil.noop(pg_catalog.jsonb)';
SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%$1';
DELETE FROM cqrs.event_type WHERE name IN (SELECT name FROM evil_names);
RESET client_min_messages;
DROP FUNCTION use_name;
DROP TABLE evil_names;
-- Keys of payloads become columns and messages, never SQL.
CREATE TYPE evil.odd AS ("a""; DROP TABLE x; --" int, "$1" text, "%s" text, "select" int, "A b" int);
SELECT cqrs_create_event_type('Odd', 'evil.odd');
SELECT cqrs_create_projection('odd', 'evil', $$CREATE TABLE odd_rows (id bigint PRIMARY KEY, "x""; --" int, "$1" text, "%s" text, b int)$$),
	cqrs_on('odd', 'Odd', $$INSERT INTO odd_rows VALUES (event.position, event."a""; DROP TABLE x; --", event."$1", event."%s", event."select" + event."A b")$$),
	cqrs_start('odd');
SELECT cqrs_emit('odd-1', 'Odd', $${"a\"; DROP TABLE x; --": 1, "$1": "'); DROP TABLE x; --", "%s": "%n", "select": 2, "A b": 3}$$);
SELECT * FROM fails($$SELECT cqrs_emit('odd-1', 'Odd', '{"%n%s": 1, "\u001b[2J": 2, "x\ny": 3, "$1": 4}')$$);
SELECT cqrs_catch_up('odd');
SELECT "x""; --", "$1", "%s", b FROM evil.odd_rows;
SELECT cqrs_drop_projection('odd');
DELETE FROM cqrs.event_type WHERE name = 'Odd';

--
-- An owner is known by name.  Another role of that name gets nothing that runs
-- as the old one, and the old one's things do not run as the new one.
--
CREATE ROLE regress_cqrs_alice;
SELECT count(cqrs_grant('regress_cqrs_alice', g)) FROM unnest('{send,query,emit,define}'::text[]) g;
CREATE SCHEMA work AUTHORIZATION regress_cqrs_alice;
SET ROLE regress_cqrs_alice;
CREATE FUNCTION work.handle(p jsonb) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text';
CREATE FUNCTION work.answer() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT current_user::text';
CREATE FUNCTION work.on_event(e cqrs.event) RETURNS void LANGUAGE sql AS 'SELECT public.sing(''rule of old'')';
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA work FROM PUBLIC;
SELECT cqrs_create_command('Old', 'work.handle(jsonb)'), cqrs_create_query('Old', 'work.answer()'),
	cqrs_create_projection('old', 'work', 'CREATE TABLE old (id bigint PRIMARY KEY)'), cqrs_on('old', 'OldWork', 'INSERT INTO old VALUES (event.position)'),
	cqrs_on('old', 'OldCalled', 'work.on_event(cqrs.event)'::regprocedure), cqrs_start('old');
RESET ROLE;
SELECT cqrs_emit('old-1', 'OldWork'), cqrs_emit('old-1', 'OldCalled');
ALTER ROLE regress_cqrs_alice RENAME TO regress_cqrs_alice_before;
CREATE ROLE regress_cqrs_alice;
SELECT count(cqrs_grant('regress_cqrs_alice', g)) FROM unnest('{send,query,emit,define}'::text[]) g;
SELECT s.statement, f.state, f.message FROM (VALUES ($$SELECT cqrs_send('Old')$$), ($$SELECT cqrs_query('Old')$$)) s (statement), LATERAL fails(statement) f;
SET ROLE regress_cqrs_alice;
SELECT cqrs_catch_up('old');
SELECT s.statement, f.state, f.message FROM (VALUES ($$SELECT cqrs_explain('old')$$), ($$SELECT cqrs_resume('old'), cqrs_catch_up('old')$$),
	($$SELECT cqrs_retry_parked('old')$$), ($$SELECT * FROM work.old$$), ($$SELECT * FROM "old$1".old$$)) s (statement), LATERAL fails(statement) f;
RESET ROLE;
SELECT count(*) FROM song;
-- The repair that the manual gives.
DROP OWNED BY regress_cqrs_alice;
DROP ROLE regress_cqrs_alice;
UPDATE cqrs.projection SET owner = 'regress_cqrs_alice_before' WHERE owner = 'regress_cqrs_alice';
UPDATE cqrs.rule SET handler_owner = 'regress_cqrs_alice_before' WHERE handler_owner = 'regress_cqrs_alice';
UPDATE cqrs.command_registry SET owner = 'regress_cqrs_alice_before' WHERE owner = 'regress_cqrs_alice';
UPDATE cqrs.query_registry SET owner = 'regress_cqrs_alice_before' WHERE owner = 'regress_cqrs_alice';
SELECT cqrs_resume('old'), cqrs_catch_up('old'), cqrs_send('Old'), cqrs_query('Old');
SELECT DISTINCT place, who FROM song;
TRUNCATE song RESTART IDENTITY;
-- A role with projections is not dropped; given away, its projections stop.
DROP ROLE regress_cqrs_alice_before;
REASSIGN OWNED BY regress_cqrs_alice_before TO regress_cqrs_mallory;
SELECT cqrs_emit('old-1', 'OldWork'), cqrs_emit('old-1', 'OldCalled');
SELECT cqrs_catch_up('old');
SELECT state, last_error FROM cqrs.projection_status;
SELECT s.statement, f.state, f.message FROM (VALUES ($$SELECT cqrs_send('Old')$$), ($$SELECT cqrs_query('Old')$$)) s (statement), LATERAL fails(statement) f;
SELECT count(*) FROM song;
SELECT cqrs_drop_projection('old'), cqrs_drop_command('Old'), cqrs_drop_query('Old');
DROP OWNED BY regress_cqrs_alice_before;
DROP ROLE regress_cqrs_alice_before;
TABLE canary;

SET client_min_messages = warning;
DROP SCHEMA "old$1", work, evil CASCADE;
DROP OWNED BY regress_cqrs_mallory, regress_cqrs_victim;
DROP ROLE regress_cqrs_mallory, regress_cqrs_victim;
