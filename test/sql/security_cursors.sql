-- Cursors that are open: code of others that runs in between does not get at
-- them, nor does it leave its own.
CREATE ROLE regress_cqrs_mallory;
CREATE SCHEMA evil AUTHORIZATION regress_cqrs_mallory;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
SELECT cqrs_grant('regress_cqrs_mallory', 'emit'), cqrs_grant('regress_cqrs_mallory', 'define');
\set VERBOSITY terse
SET ROLE regress_cqrs_mallory;
CREATE FUNCTION evil.pwn(place text) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM public.sing(place); RETURN 666; END';
CREATE FUNCTION evil.use_cursors(what text, type text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	c refcursor := 'mine';
	r record;
BEGIN
	IF what = 'left open' THEN
		OPEN c FOR SELECT evil.pwn('left open');
		RETURN true;
	ELSIF what = 'own' THEN
		OPEN c FOR SELECT evil.pwn('own');
		FETCH c INTO r;
		CLOSE c;
		FOR r IN SELECT 1 LOOP END LOOP;
		RETURN true;
	END IF;
	FOREACH c IN ARRAY ARRAY(SELECT name FROM pg_cursors WHERE name <> '') LOOP
		BEGIN
			CASE what
				WHEN 'closed' THEN CLOSE c;
				WHEN 'replaced' THEN CLOSE c; OPEN c FOR EXECUTE 'SELECT evil.pwn(''replaced'')';
				WHEN 'fetched' THEN FETCH c INTO r;
				WHEN 'moved and put back' THEN MOVE c; MOVE BACKWARD FROM c;
				WHEN 'closed, with an error' THEN CLOSE c; RAISE 'an error';
				WHEN 'fetched, with an error' THEN FETCH c INTO r; RAISE 'an error';
				WHEN 'fetched, with an error that is raised' THEN FETCH c INTO r; RAISE division_by_zero;
				WHEN 'fetched, and a fence inside' THEN FETCH c INTO r; PERFORM cqrs_emit('inner-1', type, '{"what": "own"}');
				WHEN 'in a fence inside' THEN PERFORM cqrs_emit('inner-1', type, '{"what": "replaced"}');
				ELSE NULL;
			END CASE;
		EXCEPTION WHEN OTHERS THEN
			IF sqlstate = '22012' THEN
				RAISE;
			END IF;
		END;
	END LOOP;
	RETURN true;
END $$;
CREATE DOMAIN evil.looking AS text CHECK (evil.use_cursors(VALUE, 'Peeked'));
CREATE TYPE evil.looked AS (what evil.looking);
CREATE FUNCTION evil.on_event(e cqrs.event) RETURNS void LANGUAGE plpgsql AS 'BEGIN PERFORM evil.use_cursors(e.data->>''what'', e.type); END';
RESET ROLE;
-- The victim has a cursor open, fetches, does something that runs the code, and fetches again.
CREATE FUNCTION at_work(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	todo refcursor := 'todo';
	n int;
	outcome text := 'no error';
BEGIN
	OPEN todo SCROLL FOR EXECUTE 'SELECT * FROM generate_series(1, 3)';
	FETCH todo INTO n;
	BEGIN
		EXECUTE statement;
	EXCEPTION WHEN OTHERS THEN
		outcome := sqlstate;
	END;
	BEGIN
		FETCH todo INTO n;
		outcome := outcome || ', then ' || COALESCE(n::text, 'the end');
	EXCEPTION WHEN invalid_cursor_name OR object_not_in_prerequisite_state THEN
		outcome := outcome || ', then ' || sqlerrm;
	END;
	IF EXISTS (SELECT FROM pg_cursors WHERE name = 'todo') THEN
		CLOSE todo;
	END IF;
	RETURN outcome || COALESCE(', open: ' || (SELECT string_agg(name, ' ') FROM pg_cursors WHERE name IN ('todo', 'mine')), '');
END $$;
CREATE VIEW what AS SELECT * FROM unnest('{own,left open,closed,replaced,fetched,moved and put back,"closed, with an error","fetched, with an error","fetched, with an error that is raised","fetched, and a fence inside","in a fence inside"}'::text[]) what;

-- constraints of a payload
SET ROLE regress_cqrs_mallory;
SELECT cqrs_create_event_type('Peeked', 'evil.looked');
RESET ROLE;
SELECT what, at_work(format($$SELECT cqrs_emit('peeked-1', 'Peeked', '{"what": %s}')$$, to_json(what))) FROM what;
-- no cursor was open before
BEGIN;
SELECT cqrs_emit('peeked-1', 'Peeked', '{"what": "left open"}') > 0 AS emitted;
SELECT name FROM pg_cursors;
COMMIT;
-- a cursor of SQL; one that is held; the loop of a function
BEGIN;
DECLARE todo CURSOR FOR SELECT * FROM generate_series(1, 3);
FETCH todo;
SAVEPOINT a;
SELECT cqrs_emit('peeked-1', 'Peeked', '{"what": "replaced"}');
ROLLBACK TO a;
FETCH todo;
ROLLBACK;
DECLARE held CURSOR WITH HOLD FOR SELECT * FROM generate_series(1, 3);
SELECT cqrs_emit('peeked-1', 'Peeked', '{"what": "fetched"}');
SELECT cqrs_emit('peeked-1', 'Peeked', '{"what": "own"}') > 0 AS emitted;
FETCH held;
CLOSE held;
CREATE FUNCTION looping(what text, type text DEFAULT 'Peeked') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n int;
	outcome text := '';
BEGIN
	FOR n IN SELECT * FROM generate_series(1, 20) LOOP
		PERFORM cqrs_emit('peeked-1', type, jsonb_build_object('what', what)) WHERE n IN (1, 12);
		outcome := n;
	END LOOP;
	RETURN outcome;
END $$;
SELECT what, f.state, f.message FROM what, LATERAL fails(format('SELECT looping(%L)', what)) f;
SELECT looping('own');
SELECT place, who FROM song GROUP BY 1, 2 ORDER BY place COLLATE "C";
TABLE canary;
DELETE FROM cqrs.event_type WHERE name = 'Peeked';
TRUNCATE song;

-- rules of an inline projection
SET ROLE regress_cqrs_mallory;
SELECT cqrs_create_projection('looker', 'evil', '', mode => 'inline'), cqrs_on('looker', 'Seen', 'evil.on_event(cqrs.event)'::regprocedure), cqrs_start('looker');
RESET ROLE;
SELECT what, at_work(format($$SELECT cqrs_emit('peeked-2', 'Seen', '{"what": %s}')$$, to_json(what))) FROM what;
SELECT what, f.state FROM what, LATERAL fails(format('SELECT looping(%L, ''Seen'')', what)) f;
SELECT cqrs_drop_projection('looker');

-- a projection that somebody brings up to date
SET ROLE regress_cqrs_mallory;
SELECT cqrs_create_projection('looker', 'evil', ''), cqrs_on('looker', 'Watched', 'evil.on_event(cqrs.event)'::regprocedure), cqrs_start('looker');
RESET ROLE;
CREATE FUNCTION catches_up(what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cqrs_emit('peeked-3' || what, 'Watched', jsonb_build_object('what', what));
	RETURN at_work('SELECT cqrs_catch_up(''looker'')');
END $$;
SELECT what, catches_up(what) FROM what;
SELECT sqlstate, message, count(*) FROM cqrs.parked_event GROUP BY 1, 2;
SELECT state FROM cqrs.projection_status;
SELECT place, who FROM song GROUP BY 1, 2 ORDER BY place COLLATE "C";
TABLE canary;
TRUNCATE song;
SELECT cqrs_drop_projection('looker');

SET client_min_messages = warning;
DROP FUNCTION at_work, looping, catches_up;
DROP VIEW what;
DROP SCHEMA evil CASCADE;
DROP OWNED BY regress_cqrs_mallory;
DROP ROLE regress_cqrs_mallory;
