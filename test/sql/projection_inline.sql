-- Inline projections: applied by the transaction that appends.
CREATE SCHEMA bank;
\set VERBOSITY terse
SELECT cqrs_emit('acc-1', 'AccOpened');
SELECT cqrs_emit('acc-1', 'AccPaid', '{"sum": 5}');
SELECT cqrs_create_projection('balance', 'bank', 'CREATE TABLE balance (stream text PRIMARY KEY, sum int NOT NULL CHECK (sum >= 0))',
	mode => 'inline');
SELECT cqrs_on('balance', 'AccOpened', 'INSERT INTO balance VALUES (event.stream, 0)');
SELECT cqrs_on('balance', 'AccPaid', $$UPDATE balance SET sum = sum + (event.data->>'sum')::int WHERE stream = event.stream$$);

-- History is there at the start, with what this transaction has added before
-- and adds afterwards.
BEGIN;
SELECT cqrs_emit('acc-1', 'AccPaid', '{"sum": 10}');
SELECT cqrs_start('balance');
SELECT * FROM bank.balance;
SELECT cqrs_emit('acc-1', 'AccPaid', '{"sum": 100}');
SELECT * FROM bank.balance;
COMMIT;
SELECT cqrs_catch_up('balance'), cqrs_catch_up();
SELECT state, events_behind, seconds_behind FROM cqrs.projection_status;

SELECT events_applied FROM cqrs.projection_status;

-- Each append is seen at once; one that breaks a rule is refused.
SELECT cqrs_emit('acc-1', 'AccPaid', '{"sum": -20}');
SELECT * FROM bank.balance;
SELECT cqrs_emit('acc-1', 'AccPaid', '{"sum": -1000}');
SELECT cqrs_append('acc-1', '{AccPaid,AccPaid}', ARRAY['{"sum": -1000}', '{"sum": 1000}']::jsonb[]);
SELECT cqrs_stream_version('acc-1');
SELECT * FROM bank.balance;

-- Many appends in one statement, in one append, in loops.
SELECT count(cqrs_emit('acc-1', 'AccPaid', '{"sum": 1}')) FROM generate_series(1, 10);
SELECT cqrs_append('acc-2', '{AccOpened,AccPaid,AccPaid}', ARRAY['{}', '{"sum": 1}', '{"sum": 2}']::jsonb[]);
SELECT * FROM bank.balance ORDER BY stream;

-- Savepoints: what is rolled back was never applied, what is not was, once.
BEGIN;
SELECT cqrs_emit('acc-1', 'AccPaid', '{"sum": 1000}');
SAVEPOINT a;
SELECT cqrs_emit('acc-1', 'AccPaid', '{"sum": 10000}');
SAVEPOINT b;
SELECT cqrs_emit('acc-1', 'AccPaid', '{"sum": 100000}');
RELEASE b;
SELECT * FROM bank.balance WHERE stream = 'acc-1';
ROLLBACK TO a;
SELECT * FROM bank.balance WHERE stream = 'acc-1';
SELECT cqrs_emit('acc-1', 'AccPaid', '{"sum": 5}');
SAVEPOINT c;
SELECT cqrs_emit('acc-1', 'AccPaid', '{"sum": -9999999}');
ROLLBACK TO c;
SELECT cqrs_emit('acc-1', 'AccPaid', '{"sum": 2000}');
COMMIT;
SELECT * FROM bank.balance WHERE stream = 'acc-1';
DO $$
BEGIN
	FOR i IN 1 .. 50 LOOP
		BEGIN
			PERFORM cqrs_emit('acc-2', 'AccPaid', '{"sum": 1}');
			IF i % 2 = 0 THEN
				RAISE division_by_zero;
			END IF;
		EXCEPTION WHEN division_by_zero THEN
			NULL;
		END;
	END LOOP;
END $$;
SELECT * FROM bank.balance WHERE stream = 'acc-2';

-- What was rolled back does not count as applied.
SELECT events_applied - (SELECT count(*) FROM cqrs.event WHERE category = 'acc') AS too_many FROM cqrs.projection_status;

-- The checker: rows are what the log says.
CREATE VIEW bank.wrong AS
	SELECT stream, sum FROM bank.balance FULL JOIN
		   (SELECT stream, sum((data->>'sum')::int)::int AS want FROM cqrs.event WHERE category = 'acc' GROUP BY stream) e USING (stream)
	 WHERE sum IS DISTINCT FROM want;
SELECT * FROM bank.wrong;

-- Paused, appends are not refused and not applied; resumed, they are.
SELECT cqrs_pause('balance');
SELECT cqrs_emit('acc-1', 'AccPaid', '{"sum": 7}');
SELECT cqrs_emit('acc-2', 'AccPaid', '{"sum": 7}');
SELECT state, events_behind FROM cqrs.projection_status;
SELECT count(*) FROM bank.wrong;
SELECT cqrs_resume('balance');
SELECT * FROM bank.wrong;
BEGIN;
SELECT cqrs_pause('balance');
SELECT cqrs_emit('acc-1', 'AccPaid', '{"sum": 7}');
SELECT cqrs_resume('balance');
SELECT cqrs_emit('acc-1', 'AccPaid', '{"sum": 7}');
COMMIT;
SELECT * FROM bank.wrong;
-- It does not resume over an event that it cannot take.
SELECT cqrs_pause('balance');
SELECT cqrs_emit('acc-1', 'AccPaid', '{"sum": -1000000}');
SELECT cqrs_resume('balance');
SELECT state FROM cqrs.projection_status;
SELECT cqrs_emit('acc-1', 'AccPaid', '{"sum": 1000000}');
SELECT cqrs_resume('balance');

-- A second one, that reacts to its own events: rules may append.
DROP VIEW bank.wrong;
SELECT cqrs_drop_projection('balance');
SELECT cqrs_create_projection('echo', 'bank', 'CREATE TABLE echo (position bigint, type text)', mode => 'inline');
CREATE FUNCTION bank.on_shout(e cqrs.event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cqrs_emit('echo-1', 'Echo');
END $$;
SELECT cqrs_on('echo', 'Shout', 'bank.on_shout'::regproc::regprocedure);
SELECT cqrs_on('echo', '*', 'INSERT INTO echo VALUES (event.position, event.type)');
SELECT cqrs_create_projection('echoes', 'bank', 'CREATE TABLE echoes (position bigint PRIMARY KEY)', mode => 'inline');
SELECT cqrs_on('echoes', 'Echo', 'INSERT INTO echoes VALUES (event.position)');
BEGIN;
SELECT cqrs_start('echo'), cqrs_start('echoes');
TRUNCATE "echo$1".echo;
SELECT cqrs_emit('voice-1', 'Shout');
SELECT cqrs_append('voice-1', '{Shout,Shout}', '{"{}","{}"}');
SELECT type FROM bank.echo ORDER BY position;
SELECT count(*) FROM bank.echoes;
-- also when the events come from a command, and when it is brought up to date
CREATE FUNCTION bank.shout(p jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cqrs_emit('voice-1', 'Shout');
	PERFORM cqrs_emit('voice-2', 'Shout');
	RETURN 'done';
END $$;
REVOKE EXECUTE ON FUNCTION bank.shout FROM PUBLIC;
SELECT cqrs_create_command('Shout', 'bank.shout(jsonb)');
SELECT cqrs_send('Shout');
SELECT count(*) FROM bank.echoes;
SELECT cqrs_pause('echo');
SELECT cqrs_send('Shout');
SELECT count(*) FROM bank.echoes;
SELECT cqrs_resume('echo');
SELECT count(*) FROM bank.echoes;
SELECT (SELECT array_agg(position ORDER BY position) FROM bank.echo) = (SELECT array_agg(position ORDER BY position) FROM cqrs.event WHERE type IN ('Echo', 'Shout')) AS all_of_them;
ROLLBACK;

SELECT cqrs_drop_projection('echo');
SELECT cqrs_drop_projection('echoes');
DROP FUNCTION bank.on_shout;

-- While they are being applied, which ones there are stays as it is: a rule
-- cannot start, pause, resume or drop one, whether it catches the error or not.
SELECT cqrs_create_projection('one', 'bank', 'CREATE TABLE one (position bigint PRIMARY KEY)', mode => 'inline');
CREATE FUNCTION bank.tries(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
CREATE FUNCTION bank.meddle(e cqrs.event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF e.data ? 'try' THEN
		RAISE NOTICE '%', bank.tries(e.data->>'try');
	ELSIF e.data ? 'do' THEN
		EXECUTE e.data->>'do';
	END IF;
	INSERT INTO one VALUES (e.position);
END $$;
SELECT cqrs_on('one', 'Tampered', 'bank.meddle'::regproc::regprocedure);
SELECT cqrs_create_projection('two', 'bank', 'CREATE TABLE two (position bigint PRIMARY KEY)', mode => 'inline');
SELECT cqrs_on('two', 'Tampered', 'INSERT INTO two VALUES (event.position)');
SELECT cqrs_create_projection('three', 'bank', 'CREATE TABLE three (position bigint PRIMARY KEY)', mode => 'inline');
SELECT cqrs_on('three', 'Tampered', 'INSERT INTO three VALUES (event.position)');
SELECT cqrs_start('one'), cqrs_start('two');
SELECT cqrs_emit('tamper-1', 'Tampered', '{"try": "SELECT cqrs_pause(''two'')"}');
SELECT cqrs_emit('tamper-1', 'Tampered', '{"try": "SELECT cqrs_drop_projection(''two'')"}');
SELECT cqrs_emit('tamper-1', 'Tampered', '{"try": "SELECT cqrs_start(''three'')"}');
SELECT cqrs_append('tamper-1', '{Tampered,Tampered}', ARRAY['{"try": "SELECT cqrs_resume(''two'')"}', '{"try": "SELECT cqrs_pause(''one'')"}']::jsonb[]);
SELECT cqrs_emit('tamper-1', 'Tampered', '{"do": "SELECT cqrs_pause(''two'')"}');
SELECT cqrs_emit('tamper-1', 'Tampered');
SELECT projection, state FROM cqrs.projection_status ORDER BY projection;
SELECT (SELECT count(*) FROM bank.one), (SELECT count(*) FROM bank.two);
-- nor while one is brought up to date
SELECT cqrs_pause('one');
SELECT cqrs_emit('tamper-1', 'Tampered', '{"try": "SELECT cqrs_start(''three'')"}');
SELECT cqrs_resume('one');
SELECT (SELECT count(*) FROM bank.one), (SELECT count(*) FROM bank.two);
SELECT cqrs_drop_projection(name) FROM unnest('{one,two,three}'::text[]) name;
DROP FUNCTION bank.meddle, bank.tries;
DROP SCHEMA bank;
