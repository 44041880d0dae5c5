-- What a user wrote runs as its owner, fenced in, whoever applies events.
CREATE ROLE regress_cqrs_alice;
CREATE ROLE regress_cqrs_bob;
CREATE SCHEMA shop;
GRANT USAGE, CREATE ON SCHEMA shop TO regress_cqrs_alice;
GRANT EXECUTE ON FUNCTION cqrs_create_projection, cqrs_on(text, text, text), cqrs_on(text, text, regprocedure),
	cqrs_on_batch, cqrs_start, cqrs_drop_projection, cqrs_catch_up, cqrs_resume, cqrs_retry_parked, cqrs_emit
	TO regress_cqrs_alice, regress_cqrs_bob;
GRANT USAGE ON SCHEMA cqrs TO regress_cqrs_alice, regress_cqrs_bob;
-- Whoever comes by here tells who he is.
CREATE TABLE shop.canary (place text, who name, is_superuser boolean);
GRANT INSERT, SELECT ON shop.canary TO regress_cqrs_alice;
CREATE TABLE shop.secret (a int);
INSERT INTO shop.secret VALUES (42);
\set VERBOSITY terse

SET ROLE regress_cqrs_alice;
SELECT cqrs_create_projection('everything', 'shop', $ddl$
	CREATE FUNCTION sing(place text) RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO shop.canary VALUES (place, current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user));
		RETURN true;
	END $$;
	CREATE FUNCTION sing_int(place text, i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM sing(place); RETURN i; END';
	CREATE FUNCTION sing_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM sing(tg_argv[0]); RETURN new; END';
	CREATE DOMAIN checked AS int CHECK (sing('domain check'));
	CREATE TABLE everything (
		id bigint PRIMARY KEY,
		a int DEFAULT sing_int('default', 1),
		b int CHECK (sing('check')),
		c checked,
		g int GENERATED ALWAYS AS (sing_int('generated', id::int)) STORED);
	CREATE INDEX ON everything (sing_int('index', b));
	CREATE INDEX ON everything (b) WHERE sing_int('predicate', b) > 0;
	CREATE TRIGGER before_row BEFORE INSERT ON everything FOR EACH ROW EXECUTE FUNCTION sing_trigger('before trigger');
	CREATE TRIGGER after_row AFTER INSERT ON everything FOR EACH ROW EXECUTE FUNCTION sing_trigger('after trigger');
	CREATE TRIGGER statement AFTER INSERT ON everything FOR EACH STATEMENT EXECUTE FUNCTION sing_trigger('statement trigger');
	CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON everything DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION sing_trigger('deferred trigger');
	SELECT sing('table definition');
$ddl$);
SELECT cqrs_on('everything', 'Folded', 'INSERT INTO everything (id, b, c) VALUES (event.position, 1, 1)');
CREATE FUNCTION shop.on_called(e cqrs.event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM sing('function rule');
	INSERT INTO everything (id, b, c) VALUES (e.position, 2, 2);
END $$;
SELECT cqrs_on('everything', 'Called', 'shop.on_called(cqrs.event)'::regprocedure);
SELECT cqrs_on_batch('everything', '{Batched}', 'INSERT INTO everything (id, b, c) SELECT position, 3, 3 FROM events');
RESET ROLE;
-- By a superuser, with a hostile environment and with nothing left of it.
SET search_path = public;
SET work_mem = '5MB';
SELECT cqrs_start('everything');
SELECT cqrs_append('s-1', '{Folded,Called,Batched}', '{"{}","{}","{}"}');
SELECT cqrs_catch_up('everything');
SELECT place, who, is_superuser FROM shop.canary GROUP BY 1, 2, 3 ORDER BY place COLLATE "C";
SELECT current_user = session_user AS still_me, current_setting('search_path') AS search_path;
RESET search_path;
TRUNCATE shop.canary;
SELECT cqrs_drop_projection('everything');
DROP FUNCTION shop.on_called;

-- Parked events are shown to their owner.
SET ROLE regress_cqrs_alice;
SELECT cqrs_create_projection('own', 'shop', 'CREATE TABLE own (a int)');
SELECT cqrs_on('own', 'Failing', 'INSERT INTO own VALUES (event.stream::int)');
SELECT cqrs_start('own');
RESET ROLE;
GRANT SELECT ON cqrs.projection_parked TO regress_cqrs_alice, regress_cqrs_bob;
SELECT cqrs_emit('f-1', 'Failing');
SELECT cqrs_catch_up('own');
SET ROLE regress_cqrs_bob;
SELECT count(*) FROM cqrs.projection_parked;
SET ROLE regress_cqrs_alice;
SELECT projection, stream, event_type, sqlstate, message FROM cqrs.projection_parked;
SELECT cqrs_drop_projection('own');
RESET ROLE;

-- Attempts to become somebody else, or to leave something behind for later.
SET ROLE regress_cqrs_alice;
SELECT cqrs_create_projection('attempts', 'shop', 'CREATE TABLE attempts (what text, outcome text);
	CREATE TABLE _queue (a int PRIMARY KEY);
	CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO shop.canary VALUES (''later'', current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user));
		RETURN new;
	END $$;
	CREATE CONSTRAINT TRIGGER later AFTER INSERT ON _queue DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION later();');
CREATE FUNCTION shop.attempt(e cqrs.event) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	outcome text := 'went through';
BEGIN
	BEGIN
		EXECUTE e.data->>'sql';
	EXCEPTION WHEN OTHERS THEN
		outcome := sqlstate || ' ' || sqlerrm;
	END;
	INSERT INTO "attempts$1".attempts VALUES (e.data->>'sql', outcome);
	INSERT INTO shop.canary SELECT 'after ' || (e.data->>'sql'), current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
	 WHERE current_user <> 'regress_cqrs_alice' OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user);
END $$;
SELECT cqrs_on('attempts', 'Attempt', 'shop.attempt(cqrs.event)'::regprocedure);
SELECT cqrs_start('attempts');
RESET ROLE;
SELECT count(cqrs_emit('attempt-1', 'Attempt', jsonb_build_object('sql', sql))) FROM unnest(ARRAY[
	'RESET ROLE', 'SET ROLE postgres', 'SET SESSION AUTHORIZATION DEFAULT', 'SET LOCAL ROLE NONE',
	'SELECT set_config(''role'', ''none'', false)', 'SELECT set_config(''session_authorization'', ''postgres'', false)',
	'DO $x$ BEGIN RESET ROLE; EXCEPTION WHEN no_data_found THEN NULL; END $x$',
	'SELECT * FROM shop.secret', 'SELECT * FROM cqrs.event', 'DELETE FROM cqrs.parked_event', 'CREATE ROLE regress_cqrs_other',
	'CREATE TEMP TABLE events (a int)', 'CREATE TEMP VIEW events AS SELECT 1', 'DECLARE c CURSOR WITH HOLD FOR SELECT 1',
	'LISTEN x', 'PREPARE p AS SELECT 1', 'DISCARD ALL', 'COMMIT', 'SET search_path = public',
	'SELECT set_config(''work_mem'', ''64kB'', false)', 'SET LOCAL work_mem = ''64kB''', 'SET cqrs.batch_max_events = 7',
	'SET cqrs.batch_max_bytes = 100', 'SET session_replication_role = replica',
	'INSERT INTO _queue VALUES (1)', 'SET CONSTRAINTS ALL DEFERRED',
	'SET CONSTRAINTS ALL DEFERRED; INSERT INTO _queue VALUES (2)',
	'SELECT cqrs_catch_up(''attempts'')', 'SELECT cqrs_drop_projection(''attempts'')', 'DROP TABLE _queue']) sql;
SELECT cqrs_catch_up('attempts');
SELECT what, outcome FROM shop.attempts;
SELECT * FROM shop.canary;
SELECT current_user = session_user AS still_me, current_setting('work_mem') AS work_mem,
	   current_setting('cqrs.batch_max_events') AS batch_max_events, count(*) AS temp_relations
  FROM pg_class WHERE relnamespace = pg_my_temp_schema();
SELECT count(*) AS prepared FROM pg_prepared_statements WHERE name = 'p';
SELECT count(*) AS cursors FROM pg_cursors WHERE name = 'c';
SELECT cqrs_drop_projection('attempts');

-- The caller's own deferred triggers are left alone, and his settings do not
-- change what rules mean.
CREATE TABLE shop.mine (a int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED);
SET ROLE regress_cqrs_alice;
SELECT cqrs_create_projection('meaning', 'shop', 'CREATE TABLE meaning (id bigint PRIMARY KEY, day text, flag text)');
SELECT cqrs_on('meaning', 'At', $$INSERT INTO meaning VALUES (event.position, ((event.data->>'at')::timestamptz)::text, NULLIF(NULL = NULL, false)::text)$$);
SELECT cqrs_start('meaning');
RESET ROLE;
SELECT cqrs_emit('m-1', 'At', '{"at": "2026-01-02 03:04:05"}');
BEGIN;
INSERT INTO shop.mine VALUES (1), (1);
SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'; SET transform_null_equals = on;
SELECT cqrs_catch_up('meaning');
SELECT day, flag FROM shop.meaning;
SHOW TimeZone;
DELETE FROM shop.mine WHERE ctid = '(0,1)';
COMMIT;
RESET TimeZone; RESET DateStyle; RESET transform_null_equals;
DROP TABLE shop.mine;
SELECT cqrs_drop_projection('meaning');

-- Targets that are not the owner's: denied, and a missing right stops.
CREATE TABLE shop.bobs (a bigint PRIMARY KEY);
ALTER TABLE shop.bobs OWNER TO regress_cqrs_bob;
SET ROLE regress_cqrs_alice;
SELECT cqrs_create_projection('target', 'shop', 'CREATE TABLE target (a bigint PRIMARY KEY)');
SELECT cqrs_on('target', 'Hit', 'INSERT INTO shop.bobs VALUES (event.position)');
SELECT cqrs_start('target');
SELECT cqrs_on('target', 'Hit', 'INSERT INTO pg_catalog.pg_am (oid) VALUES (1)');
SELECT cqrs_start('target');
SELECT cqrs_on('target', 'Hit', 'DELETE FROM cqrs.event');
SELECT cqrs_start('target');
SELECT cqrs_on('target', 'Hit', 'INSERT INTO target SELECT a FROM shop.secret');
SELECT cqrs_start('target');
RESET ROLE;
SELECT cqrs_emit('t-1', 'Hit');
SELECT cqrs_catch_up('target');
SELECT state, events_parked, regexp_replace(last_error, '\d+', 'N') AS last_error FROM cqrs.projection_status;
GRANT SELECT ON shop.secret TO regress_cqrs_alice;
SELECT cqrs_resume('target');
SELECT cqrs_catch_up('target');
TABLE shop.target;

-- Functions of others; and one that has got into the place of another.
SELECT cqrs_drop_projection('target');
CREATE FUNCTION shop.handler(e cqrs.event) RETURNS void LANGUAGE sql AS 'SELECT';
REVOKE ALL ON FUNCTION shop.handler FROM PUBLIC;
SET ROLE regress_cqrs_alice;
SELECT cqrs_create_projection('handled', 'shop', '');
SELECT cqrs_on('handled', 'Hit', 'shop.handler(cqrs.event)'::regprocedure);
RESET ROLE;
GRANT EXECUTE ON FUNCTION shop.handler TO regress_cqrs_alice;
SET ROLE regress_cqrs_alice;
SELECT cqrs_on('handled', 'Hit', 'shop.handler(cqrs.event)'::regprocedure);
SELECT cqrs_start('handled');
RESET ROLE;
SELECT cqrs_catch_up('handled');
DROP FUNCTION shop.handler;
GRANT USAGE, CREATE ON SCHEMA shop TO regress_cqrs_bob;
GRANT INSERT ON shop.canary TO regress_cqrs_bob;
SET ROLE regress_cqrs_bob;
CREATE FUNCTION shop.handler(e cqrs.event) RETURNS void LANGUAGE sql AS $$INSERT INTO shop.canary VALUES ('bob was here', current_user)$$;
RESET ROLE;
SELECT cqrs_emit('t-1', 'Hit');
SELECT cqrs_catch_up('handled');
SELECT state, last_error FROM cqrs.projection_status;
SELECT * FROM shop.canary;
SELECT cqrs_drop_projection('handled');

-- The tables are given away: no longer the owner's to be written to.
SET ROLE regress_cqrs_alice;
SELECT cqrs_create_projection('given', 'shop', 'CREATE TABLE given (a bigint)');
SELECT cqrs_on('given', 'Hit', 'INSERT INTO given VALUES (event.position)');
SELECT cqrs_start('given');
RESET ROLE;
ALTER SCHEMA "given$1" OWNER TO regress_cqrs_bob;
SELECT cqrs_catch_up('given');
SELECT last_error FROM cqrs.projection_status;
ALTER SCHEMA "given$1" OWNER TO regress_cqrs_alice;
SELECT cqrs_resume('given');
SELECT cqrs_catch_up('given') > 0 AS goes_on;

-- Rights on a view belong to its owner to give; catching up belongs to the owner.
SET ROLE regress_cqrs_alice;
GRANT SELECT ON shop.given TO regress_cqrs_bob;
RESET ROLE;
GRANT USAGE ON SCHEMA shop TO regress_cqrs_bob;
SET ROLE regress_cqrs_bob;
SELECT count(*) > 0 AS reads FROM shop.given;
SELECT * FROM "given$1".given;
SELECT cqrs_catch_up('given');
SELECT cqrs_catch_up();
RESET ROLE;
SELECT cqrs_drop_projection('given');

-- Whoever appends need not be able to look where the rules of an inline projection are.
CREATE SCHEMA private AUTHORIZATION regress_cqrs_alice;
SET ROLE regress_cqrs_alice;
CREATE FUNCTION private.on_seen(e cqrs.event) RETURNS void LANGUAGE plpgsql AS 'BEGIN INSERT INTO seen VALUES (e.stream); END';
SELECT cqrs_create_projection('seen', 'shop', 'CREATE TABLE seen (stream text PRIMARY KEY)', mode => 'inline');
SELECT cqrs_on('seen', 'Glimpsed', 'private.on_seen(cqrs.event)'::regprocedure);
SELECT cqrs_start('seen');
\c -
SET ROLE regress_cqrs_bob;
SELECT cqrs_emit('glimpse-1', 'Glimpsed');
RESET ROLE;
SELECT * FROM shop.seen;
SELECT cqrs_drop_projection('seen');
DROP SCHEMA private CASCADE;

-- A schema of somebody else under the old name is not dropped.
SET ROLE regress_cqrs_alice;
SELECT cqrs_create_projection('moved', 'shop', 'CREATE TABLE moved (a bigint)');
SELECT cqrs_start('moved');
DROP SCHEMA "moved$1" CASCADE;
RESET ROLE;
CREATE SCHEMA "moved$1" AUTHORIZATION regress_cqrs_bob CREATE TABLE bobs (a int);
SET ROLE regress_cqrs_alice;
SELECT cqrs_drop_projection('moved');
RESET ROLE;
DROP SCHEMA "moved$1" CASCADE;

DROP SCHEMA shop CASCADE;
DROP OWNED BY regress_cqrs_alice, regress_cqrs_bob;
DROP ROLE regress_cqrs_alice, regress_cqrs_bob;
