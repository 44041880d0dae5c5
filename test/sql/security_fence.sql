-- What a user wrote runs as him, whoever makes it run, and leaves nothing
-- behind.  More of this is in projection_security.
CREATE ROLE regress_cqrs_mallory;
CREATE ROLE regress_cqrs_victim;
CREATE ROLE regress_cqrs_group;
CREATE SCHEMA evil AUTHORIZATION regress_cqrs_mallory;
CREATE SCHEMA theirs AUTHORIZATION regress_cqrs_victim;
GRANT USAGE ON SCHEMA evil, theirs TO PUBLIC;
SELECT count(cqrs_grant(r::regrole, g)) FROM unnest('{regress_cqrs_mallory,regress_cqrs_victim}'::text[]) r,
	unnest('{send,query,emit,define}'::text[]) g;
\set VERBOSITY terse

--
-- Event types: whoever appends such an event runs the constraints of its payload.
--
SET ROLE regress_cqrs_mallory;
CREATE FUNCTION evil.listen(i int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		RESET ROLE;
	EXCEPTION WHEN OTHERS THEN
		NULL;
	END;
	PERFORM set_config('search_path', 'evil', false);
	RETURN public.sing('domain');
END $$;
CREATE DOMAIN evil.listening AS int CHECK (evil.listen(VALUE));
-- PostgreSQL's own functions can be told what to execute.
CREATE DOMAIN evil.telling AS int CHECK (query_to_xml('SELECT public.sing(''query_to_xml'')', true, true, '') IS NOT NULL);
CREATE DOMAIN evil.inner_listening AS int CHECK (public.sing('domain in a check'));
CREATE DOMAIN evil.nested AS int CHECK (VALUE::evil.inner_listening > 0);
CREATE DOMAIN evil.over AS evil.listening CHECK (VALUE > 0);
CREATE DOMAIN evil.casting AS text CHECK (CASE WHEN VALUE = '1' THEN VALUE::evil.inner_listening > 0 ELSE true END);
CREATE TYPE evil.range AS RANGE (subtype = evil.inner_listening);
CREATE TYPE evil.inner_type AS (d evil.listening);
CREATE TYPE evil.payload AS (a evil.listening, b evil.telling, c evil.nested, d evil.over, e evil.range,
	f evil.inner_type, g evil.listening[], h evil.casting);
SELECT cqrs_create_event_type('EvilHappened', 'evil.payload');
RESET ROLE;
SELECT name, owner, payload FROM cqrs.event_type WHERE name = 'EvilHappened';
SET ROLE regress_cqrs_victim;
SET search_path = theirs, public;
SELECT cqrs_emit('evil-1', 'EvilHappened', '{"a": 1, "b": 2, "c": 3, "d": 4, "e": "[5,6)", "f": {"d": 7}, "g": [8, 9], "h": "1"}');
SHOW search_path;
RESET ROLE;
SELECT cqrs_append('evil-1', '{EvilHappened}', ARRAY['{"a": 1, "b": 2, "c": 3, "d": 4, "e": "[5,6)", "f": {"d": 7}, "g": [8, 9], "h": "1"}'::jsonb]);
SHOW search_path;
SELECT place, who FROM song GROUP BY 1, 2 ORDER BY place COLLATE "C";
TABLE canary;
-- A broken constraint is one; an error inside is passed on; nothing is left open.
CREATE FUNCTION evil.fail(i int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN i / (i - 1) > 1; END';
ALTER FUNCTION evil.fail OWNER TO regress_cqrs_mallory;
SET ROLE regress_cqrs_mallory;
CREATE DOMAIN evil.failing AS int CHECK (evil.fail(VALUE));
CREATE TYPE evil.failing_payload AS (a evil.failing);
SELECT cqrs_create_event_type('EvilFailed', 'evil.failing_payload');
RESET ROLE;
SELECT f.* FROM unnest('{1,0,2}'::int[]) i, LATERAL fails(format($$SELECT cqrs_emit('evil-2', 'EvilFailed', '{"a": %s}')$$, i)) f;
SELECT current_user = session_user AS still_me, current_setting('search_path') AS search_path;
-- What is constant in a constraint is executed when it is planned, in each session anew and when it has changed.
RESET search_path;
TRUNCATE song;
SET ROLE regress_cqrs_mallory;
CREATE FUNCTION evil.constant(place text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.sing(place); RETURN 0; END';
CREATE DOMAIN evil.bounded AS int CHECK (VALUE >= evil.constant('constant'));
CREATE TYPE evil.inner_bounds AS (n evil.bounded);
CREATE TYPE evil.bounds AS (n evil.bounded, a evil.bounded[], i evil.inner_bounds[]);
SELECT cqrs_create_event_type('EvilPlanned', 'evil.bounds');
\c -
SELECT cqrs_emit('evil-3', 'EvilPlanned', '{"n": 1, "a": [2], "i": [{"n": 3}]}');
SELECT state FROM fails($$SELECT cqrs_emit('evil-3', 'EvilPlanned', '{"n": -1}')$$);
SET ROLE regress_cqrs_mallory;
ALTER DOMAIN evil.bounded ADD CHECK (VALUE < 10 + evil.constant('constant that was added'));
RESET ROLE;
SELECT cqrs_emit('evil-3', 'EvilPlanned', '{"n": 1, "a": [2], "i": [{"n": 3}]}');
SELECT detail FROM fails($$SELECT cqrs_emit('evil-3', 'EvilPlanned', '{"n": 10}')$$);
SELECT place, who FROM song GROUP BY 1, 2 ORDER BY place COLLATE "C";
TABLE canary;
TRUNCATE song;
-- Who appends needs no right on the functions; who has registered the type does.
CREATE FUNCTION evil.lent(i int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN i > 0; END';
REVOKE ALL ON FUNCTION evil.lent, evil.constant FROM PUBLIC;
GRANT EXECUTE ON FUNCTION evil.lent TO regress_cqrs_mallory;
SET ROLE regress_cqrs_mallory;
CREATE DOMAIN evil.lent AS int CHECK (evil.lent(VALUE));
CREATE TYPE evil.lent_payload AS (a evil.lent);
SELECT cqrs_create_event_type('EvilLent', 'evil.lent_payload');
SET ROLE regress_cqrs_victim;
SELECT cqrs_emit('evil-3', 'EvilPlanned', '{"n": 1}'), cqrs_emit('evil-4', 'EvilLent', '{"a": 1}');
RESET ROLE;
SELECT cqrs_emit('evil-4', 'EvilLent', '{"a": 1}');
REVOKE EXECUTE ON FUNCTION evil.lent FROM regress_cqrs_mallory;
SELECT f.* FROM fails($$SELECT cqrs_emit('evil-4', 'EvilLent', '{"a": 1}')$$) f;
SET ROLE regress_cqrs_victim;
SELECT f.* FROM fails($$SELECT cqrs_emit('evil-4', 'EvilLent', '{"a": 1}')$$) f;
RESET ROLE;
-- A function of a superuser's, SECURITY DEFINER, is given away: nobody's powers stay with it.
CREATE FUNCTION evil.powerful(i int) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN true; END';
SET ROLE regress_cqrs_mallory;
CREATE DOMAIN evil.powerful AS int CHECK (evil.powerful(VALUE));
CREATE TYPE evil.powerful_payload AS (a evil.powerful);
SELECT cqrs_create_event_type('EvilPowerful', 'evil.powerful_payload');
RESET ROLE;
SELECT cqrs_emit('evil-5', 'EvilPowerful', '{"a": 1}');
ALTER FUNCTION evil.powerful OWNER TO regress_cqrs_mallory;
SET ROLE regress_cqrs_mallory;
CREATE OR REPLACE FUNCTION evil.powerful(i int) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN public.sing(''powers''); END';
RESET ROLE;
SELECT cqrs_emit('evil-5', 'EvilPowerful', '{"a": 1}');
SELECT place, who FROM song ORDER BY place COLLATE "C", who;
TABLE canary;
SET search_path = theirs, public;
-- The role has gone: what it answered for cannot be run, plain comparisons can.
CREATE ROLE regress_cqrs_leaver;
SELECT cqrs_grant('regress_cqrs_leaver', 'define');
GRANT USAGE ON TYPE evil.failing_payload TO regress_cqrs_leaver;
CREATE DOMAIN theirs.positive AS int CHECK (VALUE > 0);
CREATE TYPE theirs.plain AS (a theirs.positive);
GRANT EXECUTE ON FUNCTION evil.constant TO PUBLIC;
CREATE TYPE theirs.planned AS (a evil.bounded);
CREATE FUNCTION theirs.private_constant() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1; END';
REVOKE ALL ON FUNCTION theirs.private_constant FROM PUBLIC;
GRANT EXECUTE ON FUNCTION theirs.private_constant TO regress_cqrs_leaver;
CREATE DOMAIN theirs.bounded AS int CHECK (VALUE > theirs.private_constant());
CREATE TYPE theirs.private AS (a theirs.bounded);
SET ROLE regress_cqrs_leaver;
SELECT cqrs_create_event_type('LeftBehind', 'evil.failing_payload'), cqrs_create_event_type('LeftPlain', 'theirs.plain'),
	cqrs_create_event_type('LeftPlanned', 'theirs.planned'), cqrs_create_event_type('LeftPrivate', 'theirs.private');
RESET ROLE;
SELECT cqrs_emit('left-1', 'LeftBehind', '{"a": 2}'), cqrs_emit('left-1', 'LeftPlain', '{"a": 2}');
TRUNCATE song;
DROP OWNED BY regress_cqrs_leaver;
DROP ROLE regress_cqrs_leaver;
SELECT * FROM fails($$SELECT cqrs_emit('left-1', 'LeftBehind', '{"a": 2}')$$);
SELECT cqrs_emit('left-1', 'LeftPlain', '{"a": 2}');
SELECT state FROM fails($$SELECT cqrs_emit('left-1', 'LeftPlain', '{"a": 0}')$$);
SELECT cqrs_emit('left-1', 'LeftPlanned', '{"a": 2}');
\set VERBOSITY default
SELECT cqrs_emit('left-1', 'LeftPrivate', '{"a": 2}');
\set VERBOSITY terse
SELECT DISTINCT who FROM song ORDER BY who;
DELETE FROM cqrs.event_type WHERE name ~ '^(Evil|Left)';
RESET search_path;
TRUNCATE song;

--
-- Rights that are taken away while a session has everything compiled: of a
-- function in a fold, in a statement, of a function that is a rule; taken from
-- the role, from a group it is in, and with the attribute of a superuser.
--
SET ROLE regress_cqrs_victim;
CREATE FUNCTION theirs.twice(i bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 2 * i; END';
CREATE FUNCTION theirs.on_event(e cqrs.event) RETURNS void LANGUAGE plpgsql AS 'BEGIN END';
REVOKE ALL ON FUNCTION theirs.twice, theirs.on_event FROM PUBLIC;
GRANT EXECUTE ON FUNCTION theirs.twice, theirs.on_event TO regress_cqrs_group;
RESET ROLE;
GRANT regress_cqrs_group TO regress_cqrs_mallory;
SET ROLE regress_cqrs_mallory;
SELECT cqrs_create_projection('folded', 'evil', 'CREATE TABLE folded (id bigint PRIMARY KEY, v bigint)'),
	cqrs_on('folded', 'Taken', 'INSERT INTO folded VALUES (event.position, theirs.twice(event.version))'),
	cqrs_start('folded'),
	cqrs_create_projection('stated', 'evil', 'CREATE TABLE stated (id bigint, v bigint)'),
	cqrs_on('stated', 'Taken', 'INSERT INTO stated VALUES (event.position, theirs.twice(event.version))'),
	cqrs_start('stated'),
	cqrs_create_projection('called', 'evil', ''),
	cqrs_on('called', 'Taken', 'theirs.on_event(cqrs.event)'::regprocedure),
	cqrs_start('called');
SELECT p, plan FROM unnest('{folded,stated,called}'::text[]) p, LATERAL cqrs_explain(p);
RESET ROLE;
SELECT cqrs_emit('taken-1', 'Taken');
SELECT cqrs_catch_up('folded'), cqrs_catch_up('stated'), cqrs_catch_up('called');
REVOKE regress_cqrs_group FROM regress_cqrs_mallory;
SELECT cqrs_emit('taken-1', 'Taken');
SELECT cqrs_catch_up('folded'), cqrs_catch_up('stated'), cqrs_catch_up('called');
SELECT projection, state, regexp_replace(last_error, '^event \d+', 'event N') AS last_error FROM cqrs.projection_status ORDER BY projection COLLATE "C";
-- The right comes back: they go on where they stopped.
ALTER ROLE regress_cqrs_mallory SUPERUSER;
SELECT cqrs_resume('folded'), cqrs_resume('stated'), cqrs_resume('called');
SELECT cqrs_catch_up('folded'), cqrs_catch_up('stated'), cqrs_catch_up('called');
ALTER ROLE regress_cqrs_mallory NOSUPERUSER;
SELECT cqrs_emit('taken-1', 'Taken');
SELECT cqrs_catch_up('folded'), cqrs_catch_up('stated'), cqrs_catch_up('called');
GRANT EXECUTE ON FUNCTION theirs.twice, theirs.on_event TO regress_cqrs_mallory;
SELECT cqrs_resume('folded'), cqrs_resume('stated'), cqrs_resume('called');
SELECT cqrs_catch_up('folded'), cqrs_catch_up('stated'), cqrs_catch_up('called');
REVOKE EXECUTE ON FUNCTION theirs.twice, theirs.on_event FROM regress_cqrs_mallory;
SELECT cqrs_emit('taken-1', 'Taken');
SELECT cqrs_catch_up('folded'), cqrs_catch_up('stated'), cqrs_catch_up('called');
SELECT (SELECT array_agg(v) FROM evil.folded) AS folded, (SELECT array_agg(v) FROM evil.stated) AS stated;
-- A function of a superuser's, SECURITY DEFINER, is given away: nobody's powers stay with it.
CREATE FUNCTION evil.powers(i bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER AS 'BEGIN PERFORM public.sing(''powers''); RETURN i; END';
GRANT EXECUTE ON FUNCTION theirs.twice TO regress_cqrs_mallory;
SET ROLE regress_cqrs_mallory;
SELECT cqrs_create_projection('powers', 'evil', 'CREATE TABLE powers (id bigint PRIMARY KEY)'),
	cqrs_on('powers', 'Taken', 'INSERT INTO powers VALUES (evil.powers(event.position))'), cqrs_start('powers');
RESET ROLE;
SELECT cqrs_catch_up('powers');
SELECT DISTINCT place, is_superuser FROM song ORDER BY place, is_superuser;
TRUNCATE song RESTART IDENTITY;
ALTER FUNCTION evil.powers OWNER TO regress_cqrs_mallory;
SELECT cqrs_emit('taken-1', 'Taken');
SELECT cqrs_catch_up('powers');
SELECT DISTINCT place, who FROM song ORDER BY place, who;
TABLE canary;
TRUNCATE song;
-- ... also when it is in the domain of a column, or of a field
CREATE FUNCTION evil.checks(i bigint) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN true; END';
CREATE DOMAIN evil.checked AS bigint CHECK (evil.checks(VALUE));
CREATE TYPE evil.checked_payload AS (n evil.checked);
SET ROLE regress_cqrs_mallory;
SELECT cqrs_create_event_type('Checked', 'evil.checked_payload');
SELECT cqrs_create_projection('columns', 'evil', 'CREATE TABLE columns (id bigint PRIMARY KEY, n evil.checked)'),
	cqrs_on('columns', 'Taken', 'INSERT INTO columns VALUES (event.position, event.version)'), cqrs_start('columns'),
	cqrs_create_projection('fields', 'evil', 'CREATE TABLE fields (id bigint PRIMARY KEY, n bigint)'),
	cqrs_on('fields', 'Checked', 'INSERT INTO fields VALUES (event.position, event.n)'), cqrs_start('fields');
SELECT p, plan FROM unnest('{columns,fields}'::text[]) p, LATERAL cqrs_explain(p);
RESET ROLE;
SELECT cqrs_emit('taken-1', 'Taken') > 0 AS emitted, cqrs_emit('checked-1', 'Checked', '{"n": 1}') > 0 AS emitted;
SELECT cqrs_catch_up('columns'), cqrs_catch_up('fields');
TRUNCATE song;
ALTER FUNCTION evil.checks OWNER TO regress_cqrs_mallory;
SET ROLE regress_cqrs_mallory;
CREATE OR REPLACE FUNCTION evil.checks(i bigint) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN public.sing(''checks''); END';
RESET ROLE;
SELECT cqrs_emit('taken-1', 'Taken') > 0 AS emitted, cqrs_emit('checked-1', 'Checked', '{"n": 1}') > 0 AS emitted;
SELECT cqrs_catch_up('columns'), cqrs_catch_up('fields');
SELECT DISTINCT place, who FROM song ORDER BY place, who;
TABLE canary;
TRUNCATE song;
SELECT cqrs_drop_projection('columns'), cqrs_drop_projection('fields');
DELETE FROM cqrs.event_type WHERE name = 'Checked';
SELECT cqrs_drop_projection('powers'), cqrs_drop_projection('folded'), cqrs_drop_projection('stated'), cqrs_drop_projection('called');

--
-- Row-level security binds the owner when he says so, and is never bypassed for him.
--
CREATE TABLE theirs.ruled (id bigint PRIMARY KEY, tenant text);
ALTER TABLE theirs.ruled ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON theirs.ruled TO regress_cqrs_mallory USING (tenant = 'mallory') WITH CHECK (tenant = 'mallory');
GRANT SELECT, INSERT, UPDATE ON theirs.ruled TO regress_cqrs_mallory;
SET ROLE regress_cqrs_mallory;
CREATE FUNCTION evil.calm(place text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN public.sing(place); END';
SELECT cqrs_create_projection('rows', 'evil', 'CREATE TABLE forced (id bigint PRIMARY KEY, tenant text);
	ALTER TABLE forced ENABLE ROW LEVEL SECURITY; ALTER TABLE forced FORCE ROW LEVEL SECURITY;
	CREATE POLICY own_rows ON forced USING (tenant = ''mallory'' AND evil.calm(''policy''))'),
	cqrs_on('rows', 'RowTheirs', 'INSERT INTO theirs.ruled VALUES (event.position, event.data->>''tenant'')'),
	cqrs_on('rows', 'RowOwn', 'INSERT INTO forced VALUES (event.position, event.data->>''tenant'')'), cqrs_start('rows');
SELECT event_type, plan FROM cqrs_explain('rows');
RESET ROLE;
SELECT count(cqrs_emit('rows-' || n, type, jsonb_build_object('tenant', tenant)))
  FROM (VALUES (1, 'RowTheirs', 'mallory'), (2, 'RowOwn', 'mallory'), (3, 'RowOwn', 'victim')) v (n, type, tenant);
SELECT cqrs_catch_up('rows');
SELECT tenant FROM theirs.ruled;
-- (As who has written the policy: whoever reads a view runs what is in it.)
SET ROLE regress_cqrs_mallory;
SELECT tenant FROM evil.forced;
RESET ROLE;
SELECT state, regexp_replace(last_error, '\d+', 'N') AS last_error FROM cqrs.projection_status;
DELETE FROM song WHERE place <> 'policy';
SELECT DISTINCT place, who FROM song ORDER BY place, who;
TABLE canary;
TRUNCATE song;
SELECT cqrs_drop_projection('rows');

--
-- A superuser looks at, starts, explains, catches up, retries, drops what is hostile.
--
SET ROLE regress_cqrs_mallory;
CREATE FUNCTION evil.const() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.sing(''planning''); RETURN 1; END';
CREATE FUNCTION evil.opcode(int, int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN public.sing(''operator''); END';
CREATE OPERATOR evil.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.opcode);
CREATE FUNCTION evil.agg(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.sing(''aggregate''); RETURN 1; END';
CREATE AGGREGATE evil.total(int) (SFUNC = evil.agg, STYPE = int, INITCOND = '0');
CREATE TYPE evil.pair AS (a int);
CREATE FUNCTION evil.to_pair(int) RETURNS evil.pair LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.sing(''cast''); RETURN ROW(1)::evil.pair; END';
CREATE CAST (int AS evil.pair) WITH FUNCTION evil.to_pair(int);
SELECT cqrs_create_projection('hostile', 'evil', $$
	CREATE TABLE hostile (id bigint PRIMARY KEY, n int);
	CREATE TABLE parts (id bigint, n int) PARTITION BY LIST (n);
	CREATE TABLE part1 PARTITION OF parts FOR VALUES IN (1);
	CREATE VIEW seen AS SELECT *, evil.calm('view') FROM hostile;
	CREATE RULE also AS ON INSERT TO parts DO ALSO SELECT evil.calm('rule');
	CREATE MATERIALIZED VIEW stored AS SELECT public.sing('materialized view');
	$$);
SELECT cqrs_on('hostile', 'Looked', $$
	INSERT INTO hostile VALUES (event.position, evil.const());
	INSERT INTO parts SELECT event.position, evil.total(n) FROM hostile WHERE n OPERATOR(evil.===) 1;
	SELECT (n::evil.pair).a FROM hostile;
	SELECT * FROM seen;
	SELECT public.sing('not replayable')$$);
RESET ROLE;
SELECT event_type, plan FROM cqrs_explain('hostile');
SELECT 'goes on' AS session;
SELECT cqrs_on('hostile', 'Looked', rtrim(regexp_replace(rule, 'SELECT public.sing.*', ''), E' \n\t;'))
  FROM cqrs.rule WHERE projection = 'hostile';
SELECT event_type, plan FROM cqrs_explain('hostile');
SELECT cqrs_start('hostile');
SELECT cqrs_emit('looked-1', 'Looked');
SELECT cqrs_catch_up();
SELECT projection, state, events_parked FROM cqrs.projection_status;
SELECT cqrs_retry_parked('hostile');
SELECT count(*) FROM cqrs.projection_parked;
SELECT event_type, plan FROM cqrs_explain('hostile');
SELECT cqrs_pause('hostile'), cqrs_resume('hostile');
SELECT count(*) >= 0 AS shown FROM cqrs.worker_status;
SELECT count(*) FROM cqrs.command_type WHERE name = '';
SELECT count(*) FROM cqrs.query_type WHERE name = '';
SELECT place, who FROM song GROUP BY 1, 2 ORDER BY place COLLATE "C";
TABLE canary;
TRUNCATE song;
SELECT cqrs_drop_projection('hostile');
TABLE canary;

--
-- A handler that swallows everything, goes round in circles, drops what it is made of.
--
SET ROLE regress_cqrs_mallory;
SELECT cqrs_create_projection('mad', 'evil', 'CREATE TABLE mad (id bigint PRIMARY KEY, outcome text)');
CREATE PROCEDURE evil.commit_now() LANGUAGE plpgsql AS 'BEGIN COMMIT; END';
CREATE FUNCTION evil.mad(e cqrs.event) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	outcome text := 'went through';
BEGIN
	BEGIN
		EXECUTE e.data->>'sql';
	EXCEPTION WHEN OTHERS THEN
		outcome := sqlstate;
	END;
	INSERT INTO "mad$1".mad VALUES (e.position, (e.data->>'sql') || ': ' || outcome);
END $$;
SELECT cqrs_on('mad', 'Mad', 'evil.mad(cqrs.event)'::regprocedure);
CREATE FUNCTION pg_temp.temporary(e cqrs.event) RETURNS void LANGUAGE sql AS '';
SELECT cqrs_on('mad', 'Temporary', 'pg_temp.temporary(cqrs.event)'::regprocedure);
SELECT cqrs_start('mad');
CREATE FUNCTION evil.round_again(p jsonb) RETURNS text LANGUAGE sql AS $$ SELECT cqrs_send('Round', p) $$;
REVOKE ALL ON FUNCTION evil.round_again FROM PUBLIC;
SELECT cqrs_create_command('Round', 'evil.round_again(jsonb)');
RESET ROLE;
SELECT count(cqrs_emit('mad-' || n, 'Mad', jsonb_build_object('sql', sql))) FROM unnest(ARRAY[
	'CALL evil.commit_now()', 'DO $x$ BEGIN COMMIT; END $x$', 'PREPARE TRANSACTION ''x''', 'SAVEPOINT x', 'ROLLBACK',
	'SELECT cqrs_catch_up()', 'SELECT cqrs_start(''mad'')', 'SELECT cqrs_drop_projection(''mad'')', 'SELECT cqrs_retry_parked(''mad'')',
	'DROP EXTENSION cqrs', 'SELECT cqrs_pause(''mad'')',
	'SELECT cqrs_emit(''mad-2'', ''Other'')', 'SELECT cqrs_send(''Round'')', 'SELECT cqrs_grant(''regress_cqrs_mallory'', ''watch'')',
	'SELECT pg_advisory_lock(1)', 'SELECT lo_create(0)', 'SELECT pg_export_snapshot()', 'NOTIFY x', 'LOCK TABLE theirs.ruled',
	'ALTER ROLE regress_cqrs_mallory SUPERUSER', 'SET LOCAL ROLE regress_cqrs_victim', 'COPY mad TO PROGRAM ''true''',
	'SELECT pg_read_file(''PG_VERSION'')', 'ALTER SCHEMA "mad$1" OWNER TO regress_cqrs_victim', 'SELECT pg_read_server_files()', 'DROP FUNCTION evil.mad(cqrs.event)', 'SELECT 1']) WITH ORDINALITY s (sql, n);
SET client_min_messages = warning;
SELECT cqrs_catch_up('mad');
RESET client_min_messages;
SELECT outcome FROM evil.mad ORDER BY id;
SELECT sqlstate, message FROM cqrs.parked_event ORDER BY position;
SELECT regexp_replace(last_error, '\d+', 'N') AS last_error FROM cqrs.projection_status;
SELECT state, events_parked, events_behind FROM cqrs.projection_status;
SELECT current_user = session_user AS still_me;
SELECT pg_advisory_unlock_all();
TABLE canary;
-- The tables that it writes to: nothing of that remains, and it stops.
SET ROLE regress_cqrs_mallory;
CREATE FUNCTION evil.drop_all(e cqrs.event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DROP SCHEMA "selfdrop$1" CASCADE;
	INSERT INTO "selfdrop$1".selfdrop VALUES (1);
END $$;
SELECT cqrs_create_projection('selfdrop', 'evil', 'CREATE TABLE selfdrop (id bigint)'), cqrs_on('selfdrop', 'SelfDrop', 'evil.drop_all(cqrs.event)'::regprocedure),
	cqrs_start('selfdrop');
RESET ROLE;
SELECT cqrs_emit('selfdrop-1', 'SelfDrop');
SET client_min_messages = error;
SELECT cqrs_catch_up('selfdrop');
RESET client_min_messages;
SELECT count(*) AS rows_in_it FROM evil.selfdrop;
SELECT cqrs_drop_projection('selfdrop');
SELECT cqrs_drop_projection('mad'), cqrs_drop_command('Round');

--
-- An event trigger sees no statement that is the extension's own.
--
CREATE FUNCTION evil.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM public.sing(tg_tag); END';
CREATE EVENT TRIGGER evil_end ON ddl_command_end EXECUTE FUNCTION evil.on_ddl();
CREATE EVENT TRIGGER evil_drop ON sql_drop EXECUTE FUNCTION evil.on_ddl();
SET ROLE regress_cqrs_mallory;
SELECT cqrs_create_projection('ddl', 'evil', 'CREATE TABLE ddl (id bigint PRIMARY KEY)');
RESET ROLE;
SELECT cqrs_start('ddl');
SELECT cqrs_drop_projection('ddl');
DROP EVENT TRIGGER evil_end;
DROP EVENT TRIGGER evil_drop;
SELECT place, who FROM song WHERE place NOT LIKE '%EVENT TRIGGER' ORDER BY place COLLATE "C";
TRUNCATE song;

--
-- A query reads, whatever its handler would like to do.
--
SET ROLE regress_cqrs_mallory;
CREATE TABLE evil.notes (a text);
CREATE FUNCTION evil.attempt(p jsonb) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
	outcome text := 'went through';
BEGIN
	BEGIN
		EXECUTE p->>'sql';
	EXCEPTION WHEN OTHERS THEN
		outcome := sqlstate;
	END;
	RETURN (p->>'sql') || ': ' || outcome;
END $$;
REVOKE ALL ON FUNCTION evil.attempt FROM PUBLIC;
SELECT cqrs_create_query('Attempt', 'evil.attempt(jsonb)');
RESET ROLE;
SELECT r FROM unnest(ARRAY['INSERT INTO evil.notes VALUES (1)', 'SET transaction_read_only = off', 'SET LOCAL transaction_read_only = off',
	'SELECT set_config(''transaction_read_only'', ''off'', true)', 'BEGIN READ WRITE', 'DO $x$ BEGIN INSERT INTO evil.notes VALUES (2); END $x$',
	'CREATE TABLE evil.t ()', 'SELECT nextval(''cqrs.event_position'')', 'SELECT cqrs_emit(''s-1'', ''T'')', 'SELECT cqrs_send(''Round'')',
	'SELECT cqrs_catch_up()', 'SELECT cqrs_create_event_type(''FromQuery'')', 'SELECT cqrs_drop_query(''Attempt'')',
	'SELECT cqrs_create_projection(''from_query'', ''evil'', '''')', 'SELECT cqrs_grant(''regress_cqrs_mallory'', ''watch'')',
	'SELECT cqrs_prune_ledger()', 'NOTIFY x', 'SELECT * FROM cqrs.event FOR UPDATE', 'CREATE TEMP TABLE t ()']) sql,
	LATERAL cqrs_query('Attempt', jsonb_build_object('sql', sql)) r;
SHOW transaction_read_only;
SELECT count(*) FROM evil.notes;
SELECT cqrs_drop_query('Attempt');

SET client_min_messages = warning;
DROP SCHEMA theirs, evil CASCADE;
DROP OWNED BY regress_cqrs_mallory, regress_cqrs_victim, regress_cqrs_group;
DROP ROLE regress_cqrs_mallory, regress_cqrs_victim, regress_cqrs_group;
