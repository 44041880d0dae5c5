-- Events that cannot be applied: parked, skipped, or a reason to stop.
CREATE SCHEMA shop;
\set VERBOSITY terse

-- A stream is one account; a "FailPoison" fails while the table "broken" says so.
CREATE FUNCTION public.make(name text, on_error text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cqrs_create_projection(name, 'shop', format('CREATE TABLE %I (stream text PRIMARY KEY, n int NOT NULL, seen text NOT NULL DEFAULT %L);
		CREATE TABLE _broken (yes boolean); INSERT INTO _broken VALUES (true);', name, ''), on_error => on_error);
	PERFORM cqrs_on(name, 'FailOpened', format('INSERT INTO %I VALUES (event.stream, 0)', name));
	PERFORM cqrs_on(name, 'FailChanged', format('UPDATE %I SET n = n + (event.data->>''by'')::int, seen = seen || event.version WHERE stream = event.stream', name));
	PERFORM cqrs_on(name, 'FailPoison', format('UPDATE %I SET n = n / (SELECT 1 - count(*) FROM _broken WHERE yes), seen = seen || event.version WHERE stream = event.stream', name));
	PERFORM cqrs_start(name);
END $$;
SELECT make('parking', 'park');
SELECT make('skipping', 'skip');
SELECT make('stopping', 'stop');

-- FailPoison at the first, a middle and the last place of a batch.
SELECT cqrs_append('account-1', '{FailOpened,FailPoison,FailChanged,FailChanged}', ARRAY['{}', '{}', '{"by": 1}', '{"by": 2}']::jsonb[]);
SELECT cqrs_append('account-2', '{FailOpened,FailChanged}', ARRAY['{}', '{"by": 5}']::jsonb[]);
SELECT cqrs_append('account-3', '{FailOpened,FailChanged,FailPoison,FailChanged}', ARRAY['{}', '{"by": 7}', '{}', '{"by": 1}']::jsonb[]);
SELECT cqrs_append('account-4', '{FailOpened,FailChanged,FailChanged,FailChanged}', ARRAY['{}', '{"by": 1}', '{"by": 1}', '{"by": "x"}']::jsonb[]);
SELECT cqrs_catch_up('parking');
SELECT * FROM shop.parking ORDER BY stream;
SELECT stream, version, event_type, rule, sqlstate, message, attempts FROM cqrs.parked_event
 WHERE projection = 'parking' ORDER BY position;
SELECT count(*) AS with_context FROM cqrs.parked_event WHERE context LIKE '%rule for event type%';
SELECT state, events_behind, events_parked, regexp_replace(last_error, 'event \d+', 'event N') AS last_error,
	   last_error_at IS NOT NULL AS has_time
  FROM cqrs.projection_status WHERE projection = 'parking';

SELECT count(*) FROM cqrs.projection_parked;

-- One batch, many batches, all the same.
BEGIN;
SET LOCAL cqrs.batch_max_events = 1;
SELECT make('one_by_one', 'park');
SELECT cqrs_catch_up('one_by_one');
(SELECT * FROM shop.one_by_one EXCEPT SELECT * FROM shop.parking) UNION ALL (SELECT * FROM shop.parking EXCEPT SELECT * FROM shop.one_by_one);
SELECT count(*) FROM (SELECT position, sqlstate, message, rule FROM cqrs.parked_event WHERE projection = 'parking'
	EXCEPT SELECT position, sqlstate, message, rule FROM cqrs.parked_event WHERE projection = 'one_by_one') d;
SET LOCAL cqrs.batch_max_events = 3;
SELECT make('by_threes', 'park');
SELECT cqrs_catch_up('by_threes');
(SELECT * FROM shop.by_threes EXCEPT SELECT * FROM shop.parking) UNION ALL (SELECT * FROM shop.parking EXCEPT SELECT * FROM shop.by_threes);
ROLLBACK;

-- Later events of a parked stream wait behind, in this session and in others.
SELECT cqrs_emit('account-1', 'FailChanged', '{"by": 10}');
SELECT cqrs_emit('account-2', 'FailChanged', '{"by": 10}');
SELECT cqrs_catch_up('parking');
\c -
\set VERBOSITY terse
SELECT cqrs_emit('account-3', 'FailChanged', '{"by": 10}');
SELECT cqrs_emit('account-2', 'FailChanged', '{"by": 10}');
SELECT cqrs_catch_up('parking');
SELECT * FROM shop.parking ORDER BY stream;
SELECT stream, count(*), count(sqlstate) AS failed FROM cqrs.parked_event WHERE projection = 'parking' GROUP BY stream ORDER BY stream;

-- To try again while nothing has changed changes nothing but the count.
SELECT cqrs_retry_parked('parking');
SELECT stream, version, attempts, tried_at > parked_at AS again FROM cqrs.parked_event
 WHERE projection = 'parking' AND attempts > 0 ORDER BY position;
-- One stream only, then all; the rest of account-4 cannot be helped.
UPDATE "parking$1"._broken SET yes = false;
SELECT cqrs_retry_parked('parking', 'account-3');
SELECT cqrs_retry_parked('parking', 'account-99');
SELECT cqrs_retry_parked('parking');
SELECT cqrs_retry_parked('parking');
SELECT * FROM shop.parking ORDER BY stream;
SELECT stream, version, sqlstate FROM cqrs.parked_event WHERE projection = 'parking' ORDER BY position;
-- Discarded, the stream goes on without them.
SELECT cqrs_emit('account-4', 'FailChanged', '{"by": 100}');
SELECT cqrs_catch_up('parking');
SELECT cqrs_discard_parked('parking', 'account-1');
SELECT cqrs_discard_parked('parking');
SELECT cqrs_emit('account-4', 'FailChanged', '{"by": 1000}');
SELECT cqrs_catch_up('parking');
SELECT * FROM shop.parking WHERE stream = 'account-4';

-- Skipped are the events that fail, no others.
SELECT cqrs_catch_up('skipping');
SELECT * FROM shop.skipping ORDER BY stream;
SELECT stream, version, sqlstate FROM cqrs.parked_event WHERE projection = 'skipping' ORDER BY position;
UPDATE "skipping$1"._broken SET yes = false;
SELECT cqrs_retry_parked('skipping');
SELECT cqrs_discard_parked('skipping');

-- Stopped before the event, and going on with it when told to.
SELECT cqrs_catch_up('stopping');
SELECT * FROM shop.stopping ORDER BY stream;
SELECT state, events_parked, regexp_replace(last_error, 'event \d+', 'event N') AS last_error
  FROM cqrs.projection_status WHERE projection = 'stopping';
SELECT cqrs_catch_up('stopping');
SELECT cqrs_resume('stopping');
SELECT cqrs_catch_up('stopping');
SELECT cqrs_resume('stopping');
UPDATE "stopping$1"._broken SET yes = false;
SELECT cqrs_catch_up('stopping');
SELECT * FROM shop.stopping ORDER BY stream;
SELECT cqrs_drop_projection('stopping');

-- Ten thousand of them, in wait for a repair.
UPDATE "parking$1"._broken SET yes = true;
SELECT cqrs_catch_up('skipping');
SELECT count(cqrs_append('account-m' || i, '{FailOpened,FailPoison}', ARRAY['{}', '{}']::jsonb[])) FROM generate_series(1, 2000) i;
SELECT count(cqrs_append('account-m' || i, '{FailChanged,FailChanged,FailChanged,FailChanged}', ARRAY['{"by": 1}', '{"by": 2}', '{"by": 3}', '{"by": 4}']::jsonb[])) FROM generate_series(1, 2000) i;
SELECT cqrs_catch_up('parking');
SELECT events_parked, events_behind FROM cqrs.projection_status WHERE projection = 'parking';
SELECT count(*), sum(n) FROM shop.parking WHERE stream LIKE 'account-m%';
SELECT cqrs_retry_parked('parking');
UPDATE "parking$1"._broken SET yes = false;
SELECT cqrs_retry_parked('parking');
SELECT events_parked FROM cqrs.projection_status WHERE projection = 'parking';
SELECT count(*), sum(n), min(seen), max(seen) FROM shop.parking WHERE stream LIKE 'account-m%';

-- Every event has an error of its own: none is lost, none is taken twice.
SELECT cqrs_create_projection('all_bad', 'shop', 'CREATE TABLE all_bad (a int PRIMARY KEY)');
SELECT cqrs_on('all_bad', 'FailOpened', 'INSERT INTO all_bad VALUES ((event.stream)::int)');
SELECT cqrs_start('all_bad');
SELECT cqrs_catch_up('all_bad');
SELECT count(*), count(DISTINCT position), count(sqlstate) FROM cqrs.parked_event WHERE projection = 'all_bad';
SELECT cqrs_drop_projection('all_bad');
SELECT count(*) FROM cqrs.parked_event WHERE projection = 'all_bad';

-- Batch rules: the culprit is found as well.
SELECT cqrs_create_projection('batches', 'shop', 'CREATE TABLE batches (stream text, by int)');
SELECT cqrs_on_batch('batches', '{FailChanged}', $$INSERT INTO batches SELECT stream, (data->>'by')::int FROM events$$);
SELECT cqrs_start('batches');
SELECT cqrs_catch_up('batches') = (SELECT count(*) - 3 FROM cqrs.event WHERE type = 'FailChanged' AND category = 'account') AS all_but_three;
SELECT stream, version, rule, sqlstate FROM cqrs.parked_event WHERE projection = 'batches' ORDER BY position;
SELECT cqrs_drop_projection('batches');

-- A rule that changes what the rules use, and fails then: that is undone, and the event is to blame.
SELECT cqrs_create_projection('today', 'shop', 'CREATE TABLE today (stream text PRIMARY KEY, n int NOT NULL)');
SELECT cqrs_on('today', 'FailCounted', $$INSERT INTO today VALUES (event.stream, 1) ON CONFLICT (stream) DO UPDATE SET n = today.n + 1$$);
CREATE FUNCTION public.close_day(event cqrs.event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'TRUNCATE "today$1".today';
	IF event.data ? 'fails' THEN
		RAISE EXCEPTION 'the day cannot be closed';
	END IF;
END $$;
REVOKE EXECUTE ON FUNCTION public.close_day FROM PUBLIC;
SELECT cqrs_on('today', 'FailDayClosed', 'public.close_day(cqrs.event)'::regprocedure);
SELECT cqrs_start('today');
SELECT cqrs_append('day-1', '{FailCounted,FailCounted}', '{"{}","{}"}') AS a, cqrs_append('day-2', '{FailCounted,FailDayClosed,FailCounted}', '{"{}","{\"fails\": 1}","{}"}') AS b,
	cqrs_append('day-3', '{FailCounted}', '{"{}"}') AS c;
SELECT cqrs_catch_up('today');
SELECT * FROM shop.today ORDER BY stream;
SELECT stream, version, rule, sqlstate, message FROM cqrs.parked_event WHERE projection = 'today' ORDER BY position;
-- Alone, and first.
SELECT cqrs_emit('day-4', 'FailDayClosed', '{"fails": 1}') AS a, cqrs_emit('day-3', 'FailCounted') AS b;
SELECT cqrs_catch_up('today');
SELECT * FROM shop.today ORDER BY stream;
SELECT cqrs_emit('day-5', 'FailDayClosed') AS a, cqrs_emit('day-3', 'FailCounted') AS b, cqrs_emit('day-6', 'FailDayClosed', '{"fails": 1}') AS c, cqrs_emit('day-3', 'FailCounted') AS d;
SELECT cqrs_catch_up('today');
SELECT * FROM shop.today ORDER BY stream;
SELECT stream, version, sqlstate FROM cqrs.parked_event WHERE projection = 'today' ORDER BY position;
SELECT events_behind, state FROM cqrs.projection_status WHERE projection = 'today';
SELECT cqrs_drop_projection('today');
DROP FUNCTION public.close_day;

-- What is not the event's fault is thrown on, and the event is not blamed: the circumstances, or another server.
CREATE FUNCTION public.raise(code text) RETURNS int STABLE LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = code; END $$;
CREATE FUNCTION public.blamed(code text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cqrs_emit('blamed-' || code, 'FailRaised', jsonb_build_object('code', code));
	PERFORM cqrs_catch_up('blaming');
	RETURN (SELECT sqlstate FROM cqrs.parked_event WHERE projection = 'blaming' AND stream = 'blamed-' || code);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	RETURN 'thrown: ' || SQLSTATE;
END $$;
SELECT cqrs_create_projection('blaming', 'shop', 'CREATE TABLE blaming (n int)');
SELECT cqrs_on('blaming', 'FailRaised', 'INSERT INTO blaming VALUES (public.raise(event.data->>''code''))');
SELECT cqrs_start('blaming');
SELECT code, blamed(code) FROM unnest('{08000,08001,08006,40001,40P01,53100,53200,53400,55P03,57014,57P01,58030,XX001,XX002,HV00N,HV001,
	HV000,23505,22012,54000,54001,XX000,P0001}'::text[]) code;
SELECT cqrs_drop_projection('blaming');
DROP FUNCTION public.raise, public.blamed;

SELECT cqrs_drop_projection('parking');
SELECT cqrs_drop_projection('skipping');
DROP FUNCTION make;
DROP SCHEMA shop;
