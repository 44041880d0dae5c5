-- Tokens: which transaction they name, whatever is rolled back of it.
SET client_min_messages TO warning;
CREATE SCHEMA token;

-- does what it is told
CREATE FUNCTION token.act(p jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	_result text;
BEGIN
	EXECUTE p->>'sql' INTO _result;
	RETURN _result;
END $$;
SELECT cqrs_create_command('Act', 'token.act(jsonb)');
-- appends, and takes it back
CREATE FUNCTION token.append_nothing(p jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cqrs_emit('token-1', 'X');
	RAISE 'no';
EXCEPTION WHEN raise_exception THEN
END $$;
SELECT cqrs_create_command('AppendNothing', 'token.append_nothing(jsonb)');

SELECT cqrs_emit('token-1', 'X');
SELECT cqrs_token() AS token \gset

-- rolled back to savepoints, released ones included
BEGIN;
SAVEPOINT a;
SAVEPOINT b;
SELECT cqrs_emit('token-1', 'X');
RELEASE b;
SELECT cqrs_token() AS own_token \gset
SELECT :'own_token' = :'token' AS last_one;
SAVEPOINT c;
SELECT cqrs_emit('token-1', 'X');
ROLLBACK TO c;
SELECT cqrs_token() = :'own_token' AS this_one;
ROLLBACK TO a;
SELECT cqrs_token() = :'token' AS last_one, cqrs_wait(projections => '{}') AS nothing_to_wait_for;
-- a token that was given out before still names this transaction
SELECT state, message FROM fails(format('SELECT cqrs_wait(%L)', :'own_token'));
ROLLBACK TO a;
SELECT cqrs_emit('token-1', 'X');
SELECT cqrs_token() = :'own_token' AS this_one;
ROLLBACK TO a;
COMMIT;
SELECT cqrs_token() = :'token' AS last_one;

-- by a rejection, by a handler, by an exception block
BEGIN;
SELECT ok, token, cqrs_token() = :'token' AS last_one FROM cqrs_try_send('Act', '{"sql": "SELECT cqrs_emit(''token-1'', ''X'') / 0"}');
SELECT ok, token, cqrs_token() = :'token' AS last_one FROM cqrs_try_send('AppendNothing');
SELECT token.append_nothing(NULL);
SELECT cqrs_token() = :'token' AS last_one;
COMMIT;
SELECT cqrs_token() = :'token' AS last_one;
SELECT count(*), count(token) FROM cqrs.ledger WHERE command = 'AppendNothing';

-- an append of no events
SELECT cqrs_append('token-1', '{}', '{}') = cqrs_stream_version('token-1') AS version;
SELECT cqrs_token() = :'token' AS last_one;

-- whole transactions, however many
DO $$
BEGIN
	FOR i IN 1..10 LOOP
		PERFORM cqrs_emit('token-1', 'X');
		ROLLBACK;
	END LOOP;
END $$;
SELECT cqrs_token() = :'token' AS last_one;

-- what is committed in a savepoint, after another one was rolled back
BEGIN;
SAVEPOINT a;
SELECT cqrs_emit('token-1', 'X');
ROLLBACK TO a;
SAVEPOINT b;
SELECT cqrs_emit('token-1', 'X');
SELECT cqrs_token() AS own_token \gset
COMMIT;
SELECT :'own_token' <> :'token' AS new, cqrs_token() = :'own_token' AS same;

-- within a statement it is what has been appended by then, wherever it is asked
BEGIN;
SELECT cqrs_token() = :'own_token' AS last_one, cqrs_emit('token-1', 'X') > 0 AS appended, cqrs_token() <> :'own_token' AS this_one;
ROLLBACK;
BEGIN;
SELECT bool_or(cqrs_token() <> :'own_token') AS this_one FROM (SELECT cqrs_emit('token-1', 'X') FROM generate_series(1, 2) OFFSET 0) s;
ROLLBACK;
BEGIN;
DO $$
DECLARE
	before text := cqrs_token();
BEGIN
	FOR i IN 1..2 LOOP
		RAISE INFO 'changed: %', cqrs_token() <> before;
		PERFORM cqrs_emit('token-1', 'X');
	END LOOP;
END $$;
ROLLBACK;
PREPARE ask AS SELECT cqrs_token() = $1 AS same;
EXECUTE ask(:'own_token');
BEGIN;
SELECT cqrs_emit('token-1', 'X') > 0 AS appended;
EXECUTE ask(:'own_token');
ROLLBACK;
DEALLOCATE ask;

-- what is no token; a long one is not told in full
SELECT length(text), f.state, length(f.message) FROM unnest(ARRAY['', '1-1', 'x', repeat('1', 1000000)]) text,
	fails(format('SELECT cqrs_wait(%L)', text)) f;
SELECT * FROM fails($$SELECT cqrs_wait('1-1-+5')$$);

-- tokens of elsewhere are not waited for.  The next incarnation may be added by a transaction that is running, where
-- the log has come from elsewhere.  A session that has seen its own incarnation does not look again, so this is a new one.
SELECT token, f.state, f.message, f.detail FROM unnest('{1-9-800,2-1-800,900-1-800,1-1-9000000000000}'::text[]) token,
	fails(format('SELECT cqrs_wait(%L, timeout => ''0'')', token)) f;
\c -
SET client_min_messages TO warning;
BEGIN;
UPDATE cqrs.incarnation SET database = 0;
SELECT token, f.state, f.message FROM unnest('{2-1-3,3-1-3}'::text[]) token, fails(format('SELECT cqrs_wait(%L, timeout => ''0'')', token)) f;
DELETE FROM cqrs.incarnation;
SELECT token, f.state, f.message FROM unnest('{1-1-3,2-1-3,3-1-3}'::text[]) token, fails(format('SELECT cqrs_wait(%L, timeout => ''0'')', token)) f;
ROLLBACK;

-- where projections are and none runs, nothing follows; those of mode "inline" always have
SELECT cqrs_create_projection('late', 'token', 'CREATE TABLE late (position bigint)');
SELECT cqrs_on('late', 'X', 'INSERT INTO late VALUES (event.position)'), cqrs_start('late');
SELECT cqrs_emit('token-2', 'X') > 0 AS appended;
SELECT cqrs_wait();
SELECT cqrs_pause('late');
SELECT cqrs_wait();
SELECT cqrs_emit('token-2', 'X') > 0 AS appended;
SELECT cqrs_wait(timeout => '1h');
SELECT cqrs_wait(projections => '{}');
SELECT cqrs_create_projection('prompt', 'token', 'CREATE TABLE prompt (position bigint)', mode => 'inline');
SELECT cqrs_on('prompt', 'X', 'INSERT INTO prompt VALUES (event.position)'), cqrs_start('prompt');
SELECT cqrs_wait();
SELECT cqrs_drop_projection('late'), cqrs_drop_projection('prompt');

SELECT cqrs_drop_command(name) FROM cqrs.command_type ORDER BY name;
DROP SCHEMA token CASCADE;
