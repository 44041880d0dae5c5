-- Inline projections and commands: events are applied when the handler has
-- returned, and an event that cannot be applied rejects the command.
CREATE SCHEMA bank;
\set VERBOSITY terse
SELECT cqrs_create_projection('inline_balance', 'bank', 'CREATE TABLE balance (stream text PRIMARY KEY, sum int CHECK (sum >= 0))', mode => 'inline');
SELECT cqrs_on('inline_balance', 'AccountOpened', 'INSERT INTO balance VALUES (event.stream, 0)');
SELECT cqrs_on('inline_balance', 'MoneyMoved', $$UPDATE balance SET sum = sum + (event.data->>'by')::int WHERE stream = event.stream$$);
SELECT cqrs_start('inline_balance');

CREATE FUNCTION bank.move(p jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cqrs_emit('purse-' || (p->>'from'), 'MoneyMoved', jsonb_build_object('by', -(p->>'sum')::int));
	RAISE NOTICE 'inside the handler: %', (SELECT sum FROM bank.balance WHERE stream = 'purse-' || (p->>'from'));
	PERFORM cqrs_emit('purse-' || (p->>'to'), 'MoneyMoved', jsonb_build_object('by', (p->>'sum')::int));
	RETURN p->>'to';
END $$;
-- Appends, sends a command within, takes that back, and appends again.
CREATE FUNCTION bank.waver(p jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cqrs_emit('purse-1', 'MoneyMoved', '{"by": 100}');
	BEGIN
		PERFORM cqrs_send('MoveMoney', '{"from": 1, "to": 2, "sum": 50}');
		RAISE NOTICE 'after the command within: %', (SELECT sum FROM bank.balance WHERE stream = 'purse-1');
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN
		RAISE NOTICE 'taken back: %', (SELECT sum FROM bank.balance WHERE stream = 'purse-1');
	END;
	PERFORM cqrs_emit('purse-2', 'MoneyMoved', '{"by": 1}');
END $$;
REVOKE ALL ON FUNCTION bank.move, bank.waver FROM PUBLIC;
SELECT cqrs_create_command('MoveMoney', 'bank.move(jsonb)');
SELECT cqrs_create_command('Waver', 'bank.waver(jsonb)');

SELECT cqrs_emit('purse-' || i, 'AccountOpened') FROM generate_series(1, 2) i;
SELECT cqrs_emit('purse-1', 'MoneyMoved', '{"by": 10}');
SELECT cqrs_send('MoveMoney', '{"from": 1, "to": 2, "sum": 3}');
SELECT * FROM bank.balance ORDER BY stream;

SELECT cqrs_send('MoveMoney', '{"from": 1, "to": 2, "sum": 30}');
SELECT ok, sqlstate FROM cqrs_try_send('MoveMoney', '{"from": 1, "to": 2, "sum": 30}');
SELECT * FROM bank.balance ORDER BY stream;
SELECT cqrs_stream_version('purse-1'), cqrs_stream_version('purse-2');
-- A rejected command does not spoil the transaction.
BEGIN;
SELECT ok, sqlstate FROM cqrs_try_send('MoveMoney', '{"from": 1, "to": 2, "sum": 30}');
SELECT ok, sqlstate FROM cqrs_try_send('MoveMoney', '{"from": 1, "to": 2, "sum": 1}');
COMMIT;
SELECT * FROM bank.balance ORDER BY stream;

SELECT cqrs_send('Waver');
SELECT * FROM bank.balance ORDER BY stream;
SELECT stream, sum((data->>'by')::int) FROM cqrs.event WHERE type = 'MoneyMoved' GROUP BY stream ORDER BY stream;

SELECT cqrs_drop_command('MoveMoney'), cqrs_drop_command('Waver');
SELECT cqrs_drop_projection('inline_balance');
DROP SCHEMA bank CASCADE;
