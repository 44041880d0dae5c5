-- Commands: registration, sending, the ledger, and every error.
CREATE SCHEMA shop;
SET search_path TO shop, public;
SET client_min_messages TO warning;

CREATE DOMAIN qty AS integer NOT NULL CONSTRAINT qty_is_positive CHECK (VALUE > 0);
COMMENT ON DOMAIN qty IS 'how many';
CREATE TYPE add_item AS (order_id bigint, product_id bigint, qty qty);
COMMENT ON COLUMN add_item.order_id IS 'the order';

CREATE FUNCTION add_item(p add_item) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	IF p.qty > 100 THEN
		RAISE EXCEPTION 'too many' USING ERRCODE = 'SH001', DETAIL = 'There are 100.', HINT = 'Take less.';
	END IF;
	PERFORM cqrs_emit('order-' || p.order_id, 'ItemAdded', to_jsonb(p));
	RETURN p.order_id;
END $$;

-- does what it is told
CREATE FUNCTION act(p jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	_result text;
BEGIN
	EXECUTE p->>'sql' INTO _result;
	RETURN _result;
END $$;

CREATE FUNCTION do_sql(p jsonb) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE p->>'sql'; END $$;

--
-- Registration
--
SELECT cqrs_create_command('AddItem', 'add_item(add_item)', description => 'Adds an item to an order');
SELECT cqrs_create_command('Act', 'act(jsonb)');
SELECT cqrs_create_command('Do', 'do_sql(jsonb)');
SELECT name, payload, fields, handler, description FROM cqrs.command_type ORDER BY name;
-- however identifiers are quoted now, and were then
SET quote_all_identifiers TO on;
CREATE TYPE "Odd ""type""" AS (n int);
CREATE FUNCTION odd(p "Odd ""type""") RETURNS void LANGUAGE sql AS '';
SELECT cqrs_create_command('Odd', 'odd("Odd ""type""")');
SELECT name, payload, jsonb_array_length(fields) AS fields FROM cqrs.command_type ORDER BY name;
RESET quote_all_identifiers;
SELECT name, payload, jsonb_array_length(fields) AS fields FROM cqrs.command_type ORDER BY name;
SELECT cqrs_drop_command('Odd');

SET client_min_messages TO notice;
CREATE FUNCTION public_handler(p jsonb) RETURNS void LANGUAGE sql AS '';
SELECT cqrs_create_command('Public', 'public_handler(jsonb)');
REVOKE EXECUTE ON FUNCTION public_handler(jsonb) FROM PUBLIC;
SELECT cqrs_create_command('Private', 'public_handler(jsonb)');
SET client_min_messages TO warning;

CREATE FUNCTION no_argument() RETURNS text LANGUAGE sql AS 'SELECT ''x''';
CREATE FUNCTION two(a jsonb, b jsonb) RETURNS text LANGUAGE sql AS 'SELECT ''x''';
CREATE FUNCTION scalar_argument(p text) RETURNS text LANGUAGE sql AS 'SELECT ''x''';
CREATE FUNCTION many(VARIADIC p jsonb[]) RETURNS text LANGUAGE sql AS 'SELECT ''x''';
CREATE FUNCTION a_set(p jsonb) RETURNS SETOF text LANGUAGE sql AS 'SELECT ''x''';
CREATE FUNCTION a_table(p jsonb) RETURNS TABLE (a text) LANGUAGE sql AS 'SELECT ''x''';
CREATE FUNCTION a_record(p jsonb) RETURNS record LANGUAGE sql AS 'SELECT ''x'', 1';
CREATE FUNCTION a_composite(p jsonb) RETURNS add_item LANGUAGE sql AS 'SELECT NULL::shop.add_item';
CREATE FUNCTION a_document(p jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT p';
CREATE DOMAIN document AS json;
CREATE FUNCTION a_domain(p jsonb) RETURNS document LANGUAGE sql AS 'SELECT p::json::shop.document';
CREATE FUNCTION a_cursor(p jsonb) RETURNS refcursor LANGUAGE sql AS 'SELECT ''x''::refcursor';
CREATE FUNCTION an_array(p jsonb) RETURNS int[] LANGUAGE sql AS 'SELECT ''{1}''::int[]';
CREATE PROCEDURE a_procedure(p jsonb) LANGUAGE sql AS '';
CREATE FUNCTION pg_temp.temporary(p jsonb) RETURNS text LANGUAGE sql AS 'SELECT ''x''';
CREATE TEMPORARY TABLE temporary (a int);
CREATE FUNCTION takes_temporary(p temporary) RETURNS text LANGUAGE sql AS 'SELECT ''x''';
SELECT * FROM fails($$SELECT cqrs_create_command(NULL, 'act(jsonb)')$$);
SELECT * FROM fails($$SELECT cqrs_create_command('X', NULL)$$);
SELECT * FROM fails($$SELECT cqrs_create_command('', 'act(jsonb)')$$);
SELECT state, message FROM fails(format('SELECT cqrs_create_command(%L, %L)', repeat('x', 129), 'act(jsonb)'));
SELECT * FROM fails($$SELECT cqrs_create_command(E'a\nb', 'act(jsonb)')$$);
SELECT * FROM fails($$SELECT cqrs_create_command('AddItem', 'act(jsonb)')$$);
SELECT state, message FROM fails($$SELECT cqrs_create_command('X', 4294967290::oid::regprocedure)$$);
SELECT * FROM fails($$SELECT cqrs_create_command('X', 'no_argument()')$$);
SELECT * FROM fails($$SELECT cqrs_create_command('X', 'two(jsonb, jsonb)')$$);
SELECT * FROM fails($$SELECT cqrs_create_command('X', 'scalar_argument(text)')$$);
SELECT * FROM fails($$SELECT cqrs_create_command('X', 'many(jsonb[])')$$);
SELECT * FROM fails($$SELECT cqrs_create_command('X', 'a_set(jsonb)')$$);
SELECT * FROM fails($$SELECT cqrs_create_command('X', 'a_table(jsonb)')$$);
SELECT * FROM fails($$SELECT cqrs_create_command('X', 'a_record(jsonb)')$$);
SELECT * FROM fails($$SELECT cqrs_create_command('X', 'a_composite(jsonb)')$$);
SELECT * FROM fails($$SELECT cqrs_create_command('X', 'a_document(jsonb)')$$);
SELECT * FROM fails($$SELECT cqrs_create_command('X', 'a_domain(jsonb)')$$);
SELECT * FROM fails($$SELECT cqrs_create_command('X', 'a_cursor(jsonb)')$$);
SELECT * FROM fails($$SELECT cqrs_create_command('X', 'an_array(jsonb)')$$);
SELECT * FROM fails($$SELECT cqrs_create_command('X', 'a_procedure(jsonb)')$$);
SELECT * FROM fails($$SELECT cqrs_create_command('X', 'pg_temp.temporary(jsonb)')$$);
SELECT * FROM fails($$SELECT cqrs_create_command('X', 'takes_temporary(temporary)')$$);
SELECT * FROM fails($$SELECT cqrs_create_command('X', 'act(jsonb)', 'order-{id}')$$);
SELECT * FROM fails($$SELECT cqrs_drop_command('Unknown')$$);
SELECT * FROM fails($$SELECT cqrs_drop_command(NULL)$$);

--
-- Sending
--
SELECT cqrs_send('AddItem', '{"order_id": 7, "product_id": 3, "qty": 2}');
SELECT cqrs_send('Private');
SELECT cqrs_send('Act', '{"sql": "SELECT NULL"}') IS NULL AS is_null;
SELECT stream, version, type, data, metadata, command_id IS NOT NULL AS has_command FROM cqrs_stream('order-7');

SELECT * FROM fails($$SELECT cqrs_send(NULL)$$);
SELECT * FROM fails($$SELECT cqrs_send('AddItem', NULL)$$);
SELECT * FROM fails($$SELECT cqrs_send('AddItem', '{}', metadata => '[]')$$);
SELECT * FROM fails($$SELECT cqrs_send('Unknown')$$);
SELECT * FROM fails($$SELECT cqrs_send('')$$);
SELECT state, message, detail FROM fails(format('SELECT cqrs_send(%L)', repeat('x', 100000)));
SELECT * FROM fails($$SELECT cqrs_send('AddItem', '{"order_id": "x", "qty": 0, "colour": "red"}')$$);
SELECT * FROM fails($$SELECT cqrs_send('AddItem', '[1]')$$);
SELECT * FROM fails($$SELECT cqrs_send('AddItem', '{"order_id": 7, "qty": 101}')$$);

-- what was rejected left nothing
SELECT command, outcome, result, sqlstate FROM cqrs.ledger ORDER BY received_at;

-- ids flow
SELECT cqrs_command_id(), cqrs_correlation_id(), cqrs_actor() = session_user AS actor;
SELECT cqrs_send('Act', '{"sql": "SELECT cqrs_command_id() || '' '' || cqrs_correlation_id()"}',
	'00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000003');
SELECT cqrs_send('Act', $${"sql": "SELECT cqrs_send('AddItem', '{\"order_id\": 8, \"qty\": 1}', metadata => '{\"b\": 2, \"c\": 2}')"}$$,
	'00000000-0000-4000-8000-000000000004', metadata => '{"a": 1, "b": 1}');
SELECT command, correlation_id, causation_id FROM cqrs.ledger
	WHERE correlation_id::text LIKE '00000000-0000-4000-8000-%' ORDER BY received_at;
SELECT e.metadata, e.command_id = l.command_id AS same
	FROM cqrs_stream('order-8') e JOIN cqrs.ledger l ON l.causation_id = '00000000-0000-4000-8000-000000000004';

-- the payload, of the innermost command, while its handler runs
SELECT cqrs_payload() IS NULL AS none_outside;
CREATE FUNCTION tell_payload(p add_item) RETURNS text LANGUAGE sql AS 'SELECT cqrs_payload()::text';
SELECT cqrs_create_command('TellPayload', 'tell_payload(add_item)');
SELECT cqrs_send('TellPayload', '{"qty": "2", "order_id": 7}');
SELECT cqrs_send('TellPayload', ('{"qty": 2, "order_id":' || repeat(' ', 100000) || '8}')::jsonb);
SELECT cqrs_send('Act', $${"sql": "SELECT concat_ws(' ', cqrs_payload() ? 'sql', cqrs_send('TellPayload', '{\"qty\": 3}'), cqrs_payload() ? 'sql')"}$$);
SELECT cqrs_send('Act', $${"sql": "SELECT concat_ws(' ', (cqrs_try_send('TellPayload', '{}')).sqlstate, cqrs_payload() ? 'sql')"}$$);
-- stored in a table, where it outlives the command, and in a cursor, where it does not
CREATE TABLE told (payload jsonb);
CREATE FUNCTION store_payload(p jsonb) RETURNS void LANGUAGE sql AS 'INSERT INTO shop.told SELECT cqrs_payload()';
SELECT cqrs_create_command('StorePayload', 'store_payload(jsonb)');
SELECT cqrs_send('StorePayload', jsonb_build_object('n', repeat('x', 10000)));
SELECT length(payload->>'n') FROM told;
SELECT cqrs_send('StorePayload', payload) FROM told;
SELECT count(*), count(DISTINCT payload) FROM told;
BEGIN;
CREATE FUNCTION open_cursor(p jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	c refcursor := 'payloads';
BEGIN
	OPEN c FOR SELECT cqrs_payload() FROM generate_series(1, 2);
END $$;
SELECT cqrs_create_command('OpenCursor', 'open_cursor(jsonb)');
SELECT cqrs_send('OpenCursor', '{"n": 1}');
FETCH ALL FROM payloads;
ROLLBACK;
-- in its own type's constraints there is none yet, and code of others does not get it
BEGIN;
CREATE FUNCTION see_payload(v text) RETURNS boolean LANGUAGE plpgsql AS
	$$ BEGIN RAISE WARNING '% sees %', v, cqrs_payload(); RETURN true; END $$;
CREATE DOMAIN seeing AS text CHECK (see_payload(VALUE));
CREATE TYPE seen AS (own seeing);
CREATE FUNCTION show_payload(p seen) RETURNS void LANGUAGE plpgsql AS
	$$ BEGIN RAISE WARNING 'handler sees %', cqrs_payload(); PERFORM cqrs_emit('seen-1', 'Seen', '{"own": "constraint of an event"}'); END $$;
CREATE FUNCTION see_event(event cqrs.event) RETURNS void LANGUAGE plpgsql AS
	$$ BEGIN RAISE WARNING 'inline projection sees %', cqrs_payload(); END $$;
CREATE ROLE regress_cqrs_seer;
CREATE SCHEMA seer AUTHORIZATION regress_cqrs_seer;
GRANT USAGE ON SCHEMA shop TO regress_cqrs_seer;
SELECT cqrs_grant('regress_cqrs_seer', r) FROM unnest('{emit,define}'::text[]) r;
ALTER TYPE seen OWNER TO regress_cqrs_seer;
ALTER FUNCTION see_payload OWNER TO regress_cqrs_seer;
ALTER FUNCTION see_event OWNER TO regress_cqrs_seer;
SELECT cqrs_create_command('ShowPayload', 'show_payload(seen)');
SET LOCAL SESSION AUTHORIZATION regress_cqrs_seer;
SELECT cqrs_create_event_type('Seen', 'seen');
SELECT cqrs_create_projection('seen', 'seer', 'CREATE TABLE seen (n int)', mode => 'inline');
SELECT cqrs_on('seen', 'Seen', 'see_event(cqrs.event)'::regprocedure);
SELECT cqrs_start('seen');
SET LOCAL SESSION AUTHORIZATION DEFAULT;
SELECT cqrs_send('ShowPayload', '{"own": "constraint of the command"}');
ROLLBACK;

-- the metadata of the event itself comes last
SELECT cqrs_send('Act', $${"sql": "SELECT cqrs_emit('order-9', 'X', metadata => '{\"a\": 3}')"}$$, metadata => '{"a": 1, "b": 1}');
SELECT metadata FROM cqrs_stream('order-9');

-- ids that we make rise, and are of version 7
SELECT count(*), count(*) FILTER (WHERE command_id > before) AS rising,
	bool_and(substr(command_id::text, 15, 1) = '7' AND substr(command_id::text, 20, 1) IN ('8', '9', 'a', 'b')) AS version_7
	FROM (SELECT command_id, lag(command_id) OVER (ORDER BY i) AS before
		FROM (SELECT i, (cqrs_try_send('Private')).command_id FROM generate_series(1, 1000) i) s) t;

--
-- The same id again
--
SELECT cqrs_send('AddItem', '{"order_id": 10, "product_id": 3, "qty": 2}', '00000000-0000-4000-8000-000000000010');
SELECT cqrs_send('AddItem', '{"qty": 2, "product_id": 3, "order_id": 10}', '00000000-0000-4000-8000-000000000010');
SELECT (cqrs_try_send('AddItem', '{"order_id": 10, "product_id": 3, "qty": 2}', '00000000-0000-4000-8000-000000000010')).id;
SELECT cqrs_stream_version('order-10');
SELECT * FROM fails($$SELECT cqrs_send('AddItem', '{"order_id": 10, "product_id": 3, "qty": 3}', '00000000-0000-4000-8000-000000000010')$$);
SELECT * FROM fails($$SELECT cqrs_send('Act', '{"order_id": 10, "product_id": 3, "qty": 2}', '00000000-0000-4000-8000-000000000010')$$);
SELECT ok, sqlstate, message, detail FROM cqrs_try_send('Act', '{}', '00000000-0000-4000-8000-000000000010');
-- in one statement, and in one transaction
SELECT cqrs_send('AddItem', '{"order_id": 11, "qty": 2}', '00000000-0000-4000-8000-000000000011'),
	cqrs_send('AddItem', '{"order_id": 11, "qty": 2}', '00000000-0000-4000-8000-000000000011');
SELECT cqrs_stream_version('order-11');
-- inside itself
SELECT * FROM fails($$SELECT cqrs_send('Act', '{"sql": "SELECT cqrs_send(''Act'', ''{}'', ''00000000-0000-4000-8000-000000000012'')"}', '00000000-0000-4000-8000-000000000012')$$);
CREATE FUNCTION again(p jsonb) RETURNS text LANGUAGE sql AS $$ SELECT cqrs_send('Again', p, cqrs_command_id()) $$;
SELECT cqrs_create_command('Again', 'again(jsonb)');
SELECT * FROM fails($$SELECT cqrs_send('Again', '{}', '00000000-0000-4000-8000-000000000013')$$);
-- after a rollback the id is free
BEGIN;
SAVEPOINT a;
SELECT cqrs_send('AddItem', '{"order_id": 14, "qty": 2}', '00000000-0000-4000-8000-000000000014');
ROLLBACK TO a;
SELECT cqrs_send('AddItem', '{"order_id": 15, "qty": 2}', '00000000-0000-4000-8000-000000000014');
COMMIT;

-- ids are the actor's own: another one's neither answer nor are used up, whatever role is set
CREATE ROLE regress_cqrs_one;
CREATE ROLE regress_cqrs_two;
GRANT regress_cqrs_two TO regress_cqrs_one;
GRANT USAGE ON SCHEMA shop TO regress_cqrs_one, regress_cqrs_two;
SELECT cqrs_grant(r, 'send') FROM unnest('{regress_cqrs_one,regress_cqrs_two}'::regrole[]) r;
SET SESSION AUTHORIZATION regress_cqrs_one;
SELECT cqrs_send('Act', '{"sql": "SELECT cqrs_actor() || '' as '' || current_user"}', '00000000-0000-4000-8000-000000000016');
SET ROLE regress_cqrs_two;
SELECT cqrs_send('Act', '{"sql": "SELECT cqrs_actor() || '' as '' || current_user"}', '00000000-0000-4000-8000-000000000016');
SELECT cqrs_send('Act', '{"sql": "SELECT cqrs_actor() || '' as '' || current_user"}');
SET SESSION AUTHORIZATION regress_cqrs_two;
SELECT cqrs_send('Act', '{"sql": "SELECT cqrs_actor() || '' as '' || current_user"}', '00000000-0000-4000-8000-000000000016');
SELECT cqrs_send('Act', '{"sql": "SELECT 1"}', '00000000-0000-4000-8000-000000000010');
-- who may not send any more does not get old answers, rejections neither
SELECT ok, message FROM cqrs_try_send('Act', '{"sql": "SELECT ''of the rejection''::int::text"}', '00000000-0000-4000-8000-000000000017');
RESET SESSION AUTHORIZATION;
REVOKE EXECUTE ON FUNCTION act(jsonb) FROM PUBLIC;
SET SESSION AUTHORIZATION regress_cqrs_two;
SELECT * FROM public.fails($$SELECT cqrs_send('Act', '{"sql": "SELECT 1"}', '00000000-0000-4000-8000-000000000010')$$);
SELECT ok, sqlstate FROM cqrs_try_send('Act', '{"sql": "SELECT 1"}', '00000000-0000-4000-8000-000000000010');
SELECT * FROM public.fails($$SELECT cqrs_send('Act', '{"sql": "SELECT ''of the rejection''::int::text"}', '00000000-0000-4000-8000-000000000017')$$);
SELECT ok, sqlstate, message FROM cqrs_try_send('Act', '{"sql": "SELECT ''of the rejection''::int::text"}', '00000000-0000-4000-8000-000000000017');
RESET SESSION AUTHORIZATION;
SELECT actor, outcome, result, message FROM cqrs.ledger WHERE command_id IN ('00000000-0000-4000-8000-000000000016', '00000000-0000-4000-8000-000000000017') ORDER BY command_id, actor;
-- who may send may write functions that return outcomes
GRANT CREATE ON SCHEMA shop TO regress_cqrs_one;
SET ROLE regress_cqrs_one;
CREATE FUNCTION shop.try_act(p jsonb) RETURNS cqrs.command_result LANGUAGE sql AS $$SELECT cqrs_try_send('Act', p)$$;
SELECT ok, sqlstate FROM shop.try_act('{"sql": "SELECT 1"}');
DROP FUNCTION shop.try_act(jsonb);
RESET ROLE;
SELECT cqrs_grant('regress_cqrs_two', 'query');
SELECT cqrs_revoke(r, 'send') FROM unnest('{regress_cqrs_one,regress_cqrs_two}'::regrole[]) r;
SELECT r, has_type_privilege(r::oid, 'cqrs.command_result', 'USAGE') FROM unnest('{regress_cqrs_one,regress_cqrs_two}'::regrole[]) r;
GRANT USAGE ON SCHEMA cqrs TO regress_cqrs_one;
SET ROLE regress_cqrs_one;
SELECT * FROM public.fails('CREATE FUNCTION shop.try_act(p jsonb) RETURNS cqrs.command_result LANGUAGE sql AS $$SELECT NULL$$');
RESET ROLE;
REVOKE USAGE ON SCHEMA cqrs FROM regress_cqrs_one;
SELECT cqrs_revoke('regress_cqrs_two', 'query');
REVOKE ALL ON SCHEMA shop FROM regress_cqrs_one, regress_cqrs_two;
DROP ROLE regress_cqrs_one;
DROP ROLE regress_cqrs_two;

--
-- Rejections as rows
--
SELECT ok, id, command_id, sqlstate, message, detail, hint
	FROM cqrs_try_send('AddItem', '{"order_id": 20, "qty": 101}', '00000000-0000-4000-8000-000000000020');
SELECT ok, id, command_id, sqlstate, message, detail, hint
	FROM cqrs_try_send('AddItem', '{"order_id": 20, "qty": 101}', '00000000-0000-4000-8000-000000000020');
SELECT * FROM fails($$SELECT cqrs_send('AddItem', '{"order_id": 20, "qty": 101}', '00000000-0000-4000-8000-000000000020')$$);
SELECT ok, sqlstate, message, detail FROM cqrs_try_send('AddItem', '{"order_id": 20, "qty": 0, "x": 1}', '00000000-0000-4000-8000-000000000021');
SELECT ok, sqlstate, message FROM cqrs_try_send('Unknown', '{}', '00000000-0000-4000-8000-000000000022');
SELECT ok, id, token IS NOT NULL AS token, sqlstate FROM cqrs_try_send('AddItem', '{"order_id": 20, "qty": 1}');
SELECT ok, id, token IS NOT NULL AS token, sqlstate FROM cqrs_try_send('Private');
SELECT command, outcome, result, sqlstate, message, detail, hint FROM cqrs.ledger
	WHERE command_id::text LIKE '00000000-0000-4000-8000-00000000002%' ORDER BY command_id;
-- the transaction goes on, without what the rejected command did
BEGIN;
SELECT ok, sqlstate FROM cqrs_try_send('Act', $${"sql": "SELECT cqrs_emit('order-21', 'X') / 0"}$$);
SELECT cqrs_stream_version('order-21');
SELECT cqrs_send('AddItem', '{"order_id": 21, "qty": 1}');
COMMIT;
SELECT cqrs_stream_version('order-21');
-- what another try may cure is raised, and not recorded
CREATE FUNCTION raise(p jsonb) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = p->>'code'; END $$;
SELECT cqrs_create_command('Raise', 'raise(jsonb)');
SELECT code, f.state FROM unnest('{08000,08001,08006,40001,40P01,55P03,53200,53100,57P01,58030,XX000,HV00N,HV001,HV000,23505,42501,54001,P0001}'::text[]) code,
	fails(format('SELECT cqrs_try_send(''Raise'', ''{"code": "%s"}'')', code)) f;
SELECT sqlstate FROM cqrs.ledger WHERE command = 'Raise' ORDER BY sqlstate;
SET statement_timeout TO '100ms';
SELECT cqrs_try_send('Act', '{"sql": "SELECT pg_sleep(10)"}');
RESET statement_timeout;

--
-- A handler that was created again, as something that is none
--
CREATE FUNCTION reborn(p jsonb) RETURNS text LANGUAGE sql AS 'SELECT 1::text';
SELECT cqrs_create_command('Reborn', 'reborn(jsonb)');
SELECT cqrs_send('Reborn');
DO $$
DECLARE
	statement text;
	state text;
	_detail text;
	_hint text;
BEGIN
	FOREACH statement IN ARRAY ARRAY['FUNCTION shop.reborn(p jsonb) RETURNS jsonb LANGUAGE sql AS ''SELECT p''',
		'FUNCTION shop.reborn(p jsonb) RETURNS SETOF text LANGUAGE sql AS ''SELECT 1::text''',
		'FUNCTION shop.reborn(p jsonb) RETURNS shop.add_item LANGUAGE sql AS ''SELECT NULL::shop.add_item''',
		'PROCEDURE shop.reborn(p jsonb) LANGUAGE sql AS ''SELECT 1::text''',
		'FUNCTION shop.reborn(p jsonb) RETURNS void LANGUAGE sql AS '''''
		]
	LOOP
		DROP ROUTINE shop.reborn(jsonb);
		EXECUTE 'CREATE ' || statement;
		BEGIN
			RAISE INFO 'sent: %', cqrs_send('Reborn', '{"a": "document"}');
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, _detail = PG_EXCEPTION_DETAIL, _hint = PG_EXCEPTION_HINT;
			RAISE INFO '% % | % | %', state, SQLERRM, _detail, _hint;
		END;
	END LOOP;
END $$;
SELECT cqrs_drop_command('Reborn');

--
-- Nesting
--
CREATE FUNCTION nest(p jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF (p->>'n')::int = 1 THEN
		RETURN 'bottom';
	END IF;
	RETURN cqrs_send('Nest', jsonb_build_object('n', (p->>'n')::int - 1));
END $$;
SELECT cqrs_create_command('Nest', 'nest(jsonb)');
SELECT cqrs_send('Nest', '{"n": 32}');
SELECT * FROM fails($$SELECT cqrs_send('Nest', '{"n": 33}')$$);
SELECT ok, sqlstate FROM cqrs_try_send('Nest', '{"n": 33}');
SELECT cqrs_command_id() IS NULL AS outside;
-- a function in SQL that is called while it runs
CREATE FUNCTION countdown(p jsonb) RETURNS text LANGUAGE sql AS
	$$ SELECT CASE WHEN (p->>'n')::int = 0 THEN '0' ELSE (p->>'n') || cqrs_send('Countdown', jsonb_build_object('n', (p->>'n')::int - 1)) END $$;
SELECT cqrs_create_command('Countdown', 'countdown(jsonb)');
SELECT cqrs_send('Countdown', '{"n": 5}'), cqrs_send('Countdown', '{"n": 3}');

--
-- Handlers that saw at the branch they sit on
--
BEGIN;
SELECT cqrs_send('Do', '{"sql": "SELECT cqrs_drop_command(''Do'')"}');
SELECT * FROM fails($$SELECT cqrs_send('Do', '{}')$$);
ROLLBACK;
BEGIN;
SELECT cqrs_send('Do', '{"sql": "DROP FUNCTION shop.do_sql(jsonb)"}');
SELECT * FROM fails($$SELECT cqrs_send('Do', '{}')$$);
ROLLBACK;
CREATE FUNCTION drop_type(p add_item) RETURNS text LANGUAGE plpgsql AS $$ BEGIN DROP TYPE shop.add_item CASCADE; RETURN 'dropped'; END $$;
SELECT cqrs_create_command('DropType', 'drop_type(add_item)');
BEGIN;
SELECT cqrs_send('DropType', '{"qty": 1}');
SELECT * FROM fails($$SELECT cqrs_send('DropType', '{"qty": 1}')$$);
ROLLBACK;
SELECT * FROM fails($$SELECT cqrs_send('Do', '{"sql": "DROP EXTENSION cqrs CASCADE"}')$$);
SELECT * FROM fails($$SELECT cqrs_send('Do', '{"sql": "DROP TABLE cqrs.ledger"}')$$);
SELECT s, f.state, f.message
	FROM unnest('{DELETE FROM cqrs.ledger,UPDATE cqrs.ledger SET command = command,TRUNCATE cqrs.ledger,
		ALTER TABLE cqrs.ledger ALTER duration TYPE text}'::text[]) s,
	fails(format('SELECT cqrs_send(''Do'', %L, ''00000000-0000-4000-8000-000000000030'')', jsonb_build_object('sql', s))) f;
-- another row where the claim was: it is left alone
BEGIN;
TRUNCATE cqrs.ledger;
SELECT cqrs_send('Act', '{"sql": "SELECT 1"}', '00000000-0000-4000-8000-000000000031');
SELECT state, message FROM fails($$SELECT cqrs_send('Do', '{"sql": "CREATE TEMPORARY TABLE l AS SELECT * FROM cqrs.ledger ORDER BY command_id DESC; TRUNCATE cqrs.ledger; INSERT INTO cqrs.ledger TABLE l ORDER BY command_id DESC"}', '00000000-0000-4000-8000-000000000032')$$);
ROLLBACK;
-- a column that somebody has added
BEGIN;
ALTER TABLE cqrs.ledger ADD COLUMN note text DEFAULT 'x';
SELECT cqrs_send('Act', '{"sql": "SELECT 1"}', '00000000-0000-4000-8000-000000000033'), cqrs_send('Act', '{"sql": "SELECT 2"}');
SELECT result, note FROM cqrs.ledger ORDER BY received_at DESC, result DESC LIMIT 2;
ROLLBACK;
SELECT cqrs_send('Act', '{"sql": "SELECT 1"}');

--
-- Handlers that changed
--
CREATE ROLE regress_cqrs_other;
CREATE FUNCTION changing(p jsonb) RETURNS text LANGUAGE sql AS $$ SELECT 'one' $$;
SELECT cqrs_create_command('Changing', 'changing(jsonb)');
SELECT cqrs_send('Changing');
CREATE OR REPLACE FUNCTION changing(p jsonb) RETURNS text LANGUAGE sql AS $$ SELECT 'two' $$;
SELECT cqrs_send('Changing');
ALTER FUNCTION changing(jsonb) OWNER TO regress_cqrs_other;
SELECT * FROM fails($$SELECT cqrs_send('Changing')$$) WHERE detail LIKE '%belongs to role "regress_cqrs_other" now.';
DROP FUNCTION changing(jsonb);
SELECT * FROM fails($$SELECT cqrs_send('Changing')$$);
CREATE FUNCTION changing(p text) RETURNS text LANGUAGE sql AS $$ SELECT 'no' $$;
SELECT * FROM fails($$SELECT cqrs_send('Changing')$$);
SELECT cqrs_drop_command('Changing');
-- of a role that has another name now
BEGIN;
SELECT cqrs_grant('regress_cqrs_other', 'define');
CREATE FUNCTION changing(p jsonb) RETURNS text LANGUAGE sql AS $$ SELECT 'three' $$;
ALTER FUNCTION changing(jsonb) OWNER TO regress_cqrs_other;
SELECT cqrs_create_command('Changing', 'changing(jsonb)');
ALTER ROLE regress_cqrs_other RENAME TO regress_cqrs_renamed;
SELECT * FROM fails($$SELECT cqrs_send('Changing')$$);
SET LOCAL ROLE regress_cqrs_renamed;
SELECT * FROM public.fails($$SELECT cqrs_drop_command('Changing')$$);
ROLLBACK;
DROP ROLE regress_cqrs_other;

--
-- In read-only transactions, and in one round trip
--
BEGIN READ ONLY;
SELECT * FROM fails($$SELECT cqrs_send('Private')$$);
SELECT * FROM fails($$SELECT cqrs_try_send('Private')$$);
SELECT * FROM fails($$SELECT cqrs_prune_ledger()$$);
ROLLBACK;
CALL cqrs_execute('AddItem', '{"order_id": 40, "qty": 1}', id => NULL, token => NULL, synced => NULL) \gset
SELECT :'id' AS id, :'token' <> '' AS has_token;
SELECT cqrs_stream_version('order-40');
CALL cqrs_execute('Private');
BEGIN;
CALL cqrs_execute('Private');
ROLLBACK;
SELECT * FROM fails($$CALL cqrs_execute('Private')$$);
CALL cqrs_execute(NULL);
CALL cqrs_execute('Private', NULL);
CALL cqrs_execute('Private', timeout => NULL);
-- what cannot be waited for is said before anything is done
CALL cqrs_execute('AddItem', '{"order_id": 41, "qty": 1}', projections => '{nowhere}');
CALL cqrs_execute('AddItem', '{"order_id": 41, "qty": 1}', projections => '{NULL}');
SELECT cqrs_stream_version('order-41');
CALL cqrs_execute('Private', timeout => '-1s');

--
-- Tokens
--
\c -
SELECT cqrs_token();
BEGIN;
SELECT cqrs_token();
SELECT cqrs_emit('order-50', 'X');
SELECT cqrs_token() = format('%s-%s-%s', (SELECT max(id) FROM cqrs.incarnation),
	(SELECT timeline_id FROM pg_control_checkpoint()), pg_current_xact_id()) AS this_one;
SELECT cqrs_token() AS token \gset
COMMIT;
SELECT cqrs_token() = :'token' AS last_one;
BEGIN;
SELECT cqrs_emit('order-50', 'X');
SELECT cqrs_token() = :'token' AS last_one;
ROLLBACK;
SELECT cqrs_token() = :'token' AS last_one;

--
-- The ledger forgets
--
SET client_min_messages TO warning;
SELECT count(*) > 20 AS many FROM cqrs.ledger;
UPDATE cqrs.ledger SET received_at = now() - interval '8 days' WHERE command = 'AddItem';
SELECT cqrs_prune_ledger(3);
SELECT cqrs_prune_ledger() > 0 AS more;
SELECT cqrs_prune_ledger();
SELECT count(*) FILTER (WHERE command = 'AddItem') AS additem, count(*) > 10 AS others FROM cqrs.ledger;
SELECT * FROM fails('SELECT cqrs_prune_ledger(NULL)');
SELECT * FROM fails('SELECT cqrs_prune_ledger(0)');
BEGIN;
CREATE TRIGGER removed AFTER DELETE ON cqrs.ledger EXECUTE FUNCTION cqrs.invalidate();
SELECT * FROM fails('SELECT cqrs_prune_ledger()');
ROLLBACK;
SHOW cqrs.ledger_retention;

--
-- Counters
--
SELECT cqrs_reset_stats();
DO $$
BEGIN
	PERFORM cqrs_send('Private') FROM generate_series(1, 5);
	PERFORM cqrs_send('Private', '{}', '00000000-0000-4000-8000-000000000060') FROM generate_series(1, 3);
	PERFORM cqrs_try_send('Raise', '{"code": "23505"}');
	PERFORM cqrs_try_send('Unknown');
	PERFORM cqrs_try_send('Act', '{}', '00000000-0000-4000-8000-000000000061') FROM generate_series(1, 2);
	PERFORM cqrs_send('Act', '{}', '00000000-0000-4000-8000-000000000061');
EXCEPTION WHEN null_value_not_allowed THEN
END $$;
SELECT name, calls, accepted, rejected, replayed, total_ms >= 0 AND mean_ms >= 0 AND max_ms >= 0 AS timed FROM cqrs.command_stats ORDER BY name;

SET client_min_messages TO warning;
DROP SCHEMA shop CASCADE;
SELECT cqrs_drop_command(name) FROM cqrs.command_type ORDER BY name;
