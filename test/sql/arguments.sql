--
-- Every argument of every function of commands and queries: null, empty, huge
-- and malformed.  Each line is a call and what comes of it.
--
CREATE SCHEMA arguments;
SET search_path TO arguments, pg_catalog, public;
SET client_min_messages TO warning;
CREATE TYPE thing AS (id bigint, label text, parts int[]);
CREATE FUNCTION make(p jsonb) RETURNS text LANGUAGE sql AS $$ SELECT 'made' $$;
CREATE FUNCTION make_thing(p thing) RETURNS bigint LANGUAGE sql AS $$ SELECT p.id $$;
CREATE FUNCTION things(p jsonb) RETURNS SETOF text LANGUAGE sql STABLE AS $$ SELECT 'a thing' $$;
CREATE FUNCTION things_like(p thing) RETURNS SETOF text LANGUAGE sql STABLE AS $$ SELECT p.label $$;
CREATE ROLE regress_cqrs_arguments;
SELECT cqrs_create_command('Make', 'make(jsonb)'), cqrs_create_command('MakeThing', 'make_thing(thing)');
SELECT cqrs_create_query('Things', 'things(jsonb)'), cqrs_create_query('ThingsLike', 'things_like(thing)');

-- {huge} stands for a megabyte, {deep} for ten thousand arrays in each other, {wide} for ten thousand keys
CREATE FUNCTION outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	_result text;
BEGIN
	call := replace(call, '{huge}', repeat('x', 1000000));
	call := replace(call, '{deep}', repeat('[', 10000) || repeat(']', 10000));
	call := replace(call, '{wide}', (SELECT string_agg(format('"%s": 1', n), ', ') FROM generate_series(1, 10000) n));
	EXECUTE 'SELECT left(string_agg(r::text, '', ''), 60) FROM (SELECT ' || call || ') AS c (r)' INTO _result;
	RETURN COALESCE('= ' || _result, 'null');
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || regexp_replace(left(SQLERRM, 90), 'x{20,}', 'x...');
END $$;

-- registering
SELECT call, outcome(call) FROM unnest(ARRAY[
	$$cqrs_create_command(NULL, 'make(jsonb)')$$,
	$$cqrs_create_command('', 'make(jsonb)')$$,
	$$cqrs_create_command('{huge}', 'make(jsonb)')$$,
	$$cqrs_create_command(E'a\nb', 'make(jsonb)')$$,
	$$cqrs_create_command(' a', 'make(jsonb)')$$,
	$$cqrs_create_command('New', NULL)$$,
	$$cqrs_create_command('New', '')$$,
	$$cqrs_create_command('New', '-')$$,
	$$cqrs_create_command('New', '0')$$,
	$$cqrs_create_command('New', '4294967295')$$,
	$$cqrs_create_command('New', '{huge}')$$,
	$$cqrs_create_command('New', 'make(')$$,
	$$cqrs_create_command('New', 'make(jsonb)', '')$$,
	$$cqrs_create_command('New', 'make(jsonb)', '{huge}')$$,
	$$cqrs_create_command('New1', 'make(jsonb)', NULL, NULL)$$,
	$$cqrs_create_command('New2', 'make(jsonb)', NULL, '')$$,
	$$cqrs_create_command('New3', 'make(jsonb)', NULL, '{huge}')$$,
	$$cqrs_drop_command(NULL)$$,
	$$cqrs_drop_command('')$$,
	$$cqrs_drop_command('{huge}')$$,
	$$cqrs_drop_command(E'a\nb')$$,
	$$cqrs_create_query(NULL, 'things(jsonb)')$$,
	$$cqrs_create_query('', 'things(jsonb)')$$,
	$$cqrs_create_query('{huge}', 'things(jsonb)')$$,
	$$cqrs_create_query(E'a\nb', 'things(jsonb)')$$,
	$$cqrs_create_query('New', NULL)$$,
	$$cqrs_create_query('New', '')$$,
	$$cqrs_create_query('New', '-')$$,
	$$cqrs_create_query('New', '4294967295')$$,
	$$cqrs_create_query('New', '{huge}')$$,
	$$cqrs_create_query('New1', 'things(jsonb)', NULL)$$,
	$$cqrs_create_query('New2', 'things(jsonb)', '')$$,
	$$cqrs_create_query('New3', 'things(jsonb)', '{huge}')$$,
	$$cqrs_drop_query(NULL)$$,
	$$cqrs_drop_query('')$$,
	$$cqrs_drop_query('{huge}')$$]) AS call;
SELECT name, length(description) FROM cqrs.command_type WHERE name LIKE 'New%'
	UNION ALL SELECT name, length(description) FROM cqrs.query_type WHERE name LIKE 'New%' ORDER BY 1, 2;

-- sending
SELECT call, outcome('cqrs_send' || call) AS cqrs_send,
	outcome('(ok, sqlstate) FROM cqrs_try_send' || call) AS cqrs_try_send
FROM unnest(ARRAY[
	$$(NULL)$$,
	$$('')$$,
	$$('{huge}')$$,
	$$(E'a\nb')$$,
	$$('Unknown')$$,
	$$('Make', NULL)$$,
	$$('Make', '')$$,
	$$('Make', '{')$$,
	$$('Make', '"\u0000"')$$,
	$$('Make', '"\ud800"')$$,
	$$('Make', '{}')$$,
	$$('Make', 'null')$$,
	$$('Make', '[]')$$,
	$$('Make', '1e131073')$$,
	$$('Make', '"{huge}"')$$,
	$$('Make', '{deep}')$$,
	$$('Make', '{{wide}}')$$,
	$$('MakeThing', '{}')$$,
	$$('MakeThing', 'null')$$,
	$$('MakeThing', '[]')$$,
	$$('MakeThing', '""')$$,
	$$('MakeThing', '{"id": null}')$$,
	$$('MakeThing', '{"id": ""}')$$,
	$$('MakeThing', '{"id": 9223372036854775807}')$$,
	$$('MakeThing', '{"id": 9223372036854775808}')$$,
	$$('MakeThing', '{"id": 1e1000}')$$,
	$$('MakeThing', '{"id": 1, "label": "{huge}"}')$$,
	$$('MakeThing', '{"id": 1, "label": {deep}}')$$,
	$$('MakeThing', '{"id": 1, "parts": {deep}}')$$,
	$$('MakeThing', '{{wide}}')$$,
	$$('MakeThing', '{"{huge}": 1}')$$,
	$$('Make', '{}', NULL)$$,
	$$('Make', '{}', '')$$,
	$$('Make', '{}', 'x')$$,
	$$('Make', '{}', '00000000-0000-0000-0000-000000000000')$$,
	$$('Make', '{}', '00000000-0000-0000-0000-000000000000')$$,
	$$('Make', '{}', 'ffffffff-ffff-ffff-ffff-ffffffffffff')$$,
	$$('Make', '{}', NULL, NULL)$$,
	$$('Make', '{}', NULL, '')$$,
	$$('Make', '{}', NULL, '00000000-0000-0000-0000-000000000000')$$,
	$$('Make', '{}', NULL, NULL, NULL)$$,
	$$('Make', '{}', NULL, NULL, 'x')$$,
	$$('Make', '{}', NULL, NULL, '00000000-0000-0000-0000-000000000000')$$,
	$$('Make', '{}', NULL, NULL, NULL, NULL)$$,
	$$('Make', '{}', NULL, NULL, NULL, '')$$,
	$$('Make', '{}', NULL, NULL, NULL, 'null')$$,
	$$('Make', '{}', NULL, NULL, NULL, '[]')$$,
	$$('Make', '{}', NULL, NULL, NULL, '1')$$,
	$$('Make', '{}', NULL, NULL, NULL, '{}')$$,
	$$('Make', '{}', NULL, NULL, NULL, '{"a": "{huge}"}')$$,
	$$('Make', '{}', NULL, NULL, NULL, '{"a": {deep}}')$$,
	$$('Make', '{}', NULL, NULL, NULL, '{{wide}}')$$]) AS call;

-- sending in a transaction of its own
CALL cqrs_execute(NULL);
CALL cqrs_execute('');
CALL cqrs_execute('Make', NULL);
CALL cqrs_execute('Make', '');
CALL cqrs_execute('Make', '{}', NULL);
CALL cqrs_execute('Make', '{}', '{}');
CALL cqrs_execute('Make', '{}', '{""}');
CALL cqrs_execute('Make', '{}', '{{a,b},{c,d}}');
CALL cqrs_execute('Make', '{}', '{a');
CALL cqrs_execute('Make', '{}', NULL, NULL);
CALL cqrs_execute('Make', '{}', NULL, '');
CALL cqrs_execute('Make', '{}', NULL, '-1 day');
CALL cqrs_execute('Make', '{}', NULL, '100000 years');
CALL cqrs_execute('Make', '{}', NULL, '1s', 'id', 'token', true);

-- querying
SELECT call, outcome(call) FROM unnest(ARRAY[
	$$* FROM cqrs_query(NULL)$$,
	$$* FROM cqrs_query('')$$,
	$$* FROM cqrs_query('{huge}')$$,
	$$* FROM cqrs_query(E'a\nb')$$,
	$$* FROM cqrs_query('Unknown')$$,
	$$* FROM cqrs_query('Things', NULL)$$,
	$$* FROM cqrs_query('Things', '')$$,
	$$* FROM cqrs_query('Things', '{')$$,
	$$* FROM cqrs_query('Things', 'null')$$,
	$$* FROM cqrs_query('Things', '{deep}')$$,
	$$* FROM cqrs_query('Things', '"{huge}"')$$,
	$$* FROM cqrs_query('ThingsLike', 'null')$$,
	$$* FROM cqrs_query('ThingsLike', '[]')$$,
	$$* FROM cqrs_query('ThingsLike', '{"label": "{huge}"}')$$,
	$$* FROM cqrs_query('ThingsLike', '{"label": {deep}}')$$,
	$$* FROM cqrs_query('ThingsLike', '{"lable": 1}')$$,
	$$* FROM cqrs_query('Things', '{}', NULL)$$,
	$$* FROM cqrs_query('Things', '{}', '')$$,
	$$* FROM cqrs_query('Things', '{}', '{huge}')$$,
	$$* FROM cqrs_query('Things', '{}', '1-1')$$,
	$$* FROM cqrs_query('Things', '{}', '0-0-0')$$,
	$$* FROM cqrs_query('Things', '{}', '99999999999-1-1')$$,
	$$* FROM cqrs_query('Things', '{}', '1-1-99999999999999999999')$$,
	$$* FROM cqrs_query('Things', '{}', '1-1-3; DROP')$$,
	$$* FROM cqrs_query('Things', '{}', NULL, NULL)$$,
	$$* FROM cqrs_query('Things', '{}', NULL, '')$$,
	$$* FROM cqrs_query('Things', '{}', NULL, '-1 s')$$,
	$$* FROM cqrs_query('Things', '{}', NULL, '100000 years')$$,
	$$* FROM cqrs_query_page(NULL)$$,
	$$* FROM cqrs_query_page('')$$,
	$$* FROM cqrs_query_page('{huge}')$$,
	$$* FROM cqrs_query_page('Things', NULL)$$,
	$$* FROM cqrs_query_page('Things', 'x')$$,
	$$items FROM cqrs_query_page('Things', 'null')$$,
	$$items FROM cqrs_query_page('ThingsLike', '{"label": ""}')$$,
	$$items FROM cqrs_query_page('Things', '{}', NULL)$$,
	$$items FROM cqrs_query_page('Things', '{}', 0)$$,
	$$items FROM cqrs_query_page('Things', '{}', -2147483648)$$,
	$$items FROM cqrs_query_page('Things', '{}', 2147483647)$$,
	$$items FROM cqrs_query_page('Things', '{}', 1, NULL)$$,
	$$items FROM cqrs_query_page('Things', '{}', 1, 0)$$,
	$$items FROM cqrs_query_page('Things', '{}', 1, -2147483648)$$,
	$$items FROM cqrs_query_page('Things', '{}', 1, 1001)$$,
	$$items FROM cqrs_query_page('Things', '{}', 1, 2147483647)$$,
	$$items FROM cqrs_query_page('Things', '{}', 2147483647, 1000)$$]) AS call;

-- the rest
SELECT call, outcome(call) FROM unnest(ARRAY[
	$$cqrs_grant(NULL, 'send')$$,
	$$cqrs_grant('', 'send')$$,
	$$cqrs_grant('-', 'send')$$,
	$$cqrs_grant('4294967295', 'send')$$,
	$$cqrs_grant('{huge}', 'send')$$,
	$$cqrs_grant('regress_cqrs_arguments', NULL)$$,
	$$cqrs_grant('regress_cqrs_arguments', '')$$,
	$$cqrs_grant('regress_cqrs_arguments', 'SEND')$$,
	$$cqrs_grant('regress_cqrs_arguments', '{huge}')$$,
	$$cqrs_revoke(NULL, 'send')$$,
	$$cqrs_revoke('', 'send')$$,
	$$cqrs_revoke('4294967295', 'send')$$,
	$$cqrs_revoke('regress_cqrs_arguments', NULL)$$,
	$$cqrs_revoke('regress_cqrs_arguments', '')$$,
	$$cqrs_revoke('regress_cqrs_arguments', '{huge}')$$,
	$$cqrs_revoke('regress_cqrs_arguments', 'send')$$,
	$$cqrs_prune_ledger(NULL)$$,
	$$cqrs_prune_ledger(0)$$,
	$$cqrs_prune_ledger(-9223372036854775808)$$,
	$$cqrs_prune_ledger(9223372036854775807) >= 0$$,
	$$cqrs_prune_ledger('x')$$,
	$$* FROM cqrs.read_stats(NULL)$$,
	$$* FROM cqrs.read_stats('')$$,
	$$* FROM cqrs.read_stats('x')$$,
	$$cqrs.payload_fields(NULL)$$,
	$$cqrs.payload_fields('no.such_type')$$,
	$$cqrs.payload_fields('{huge}')$$]) AS call;

SELECT cqrs_drop_command(name) FROM cqrs.command_type WHERE handler LIKE 'arguments.%';
SELECT cqrs_drop_query(name) FROM cqrs.query_type WHERE handler LIKE 'arguments.%';
DROP SCHEMA arguments CASCADE;
DROP ROLE regress_cqrs_arguments;
