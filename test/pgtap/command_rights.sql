-- The surface of commands, queries and statistics, and who may use it.
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS cqrs;
SET client_min_messages TO warning;
SELECT plan(66);

SELECT has_function('pg_catalog', 'cqrs_create_command', '{text,regprocedure,text,text}');
SELECT has_function('pg_catalog', 'cqrs_drop_command', '{text}');
SELECT has_function('pg_catalog', 'cqrs_send', '{text,jsonb,uuid,uuid,uuid,jsonb}');
SELECT has_function('pg_catalog', 'cqrs_try_send', '{text,jsonb,uuid,uuid,uuid,jsonb}');
SELECT has_function('pg_catalog', 'cqrs_command_id', '{}'::name[]);
SELECT has_function('pg_catalog', 'cqrs_correlation_id', '{}'::name[]);
SELECT has_function('pg_catalog', 'cqrs_payload', '{}'::name[]);
SELECT function_returns('pg_catalog', 'cqrs_payload', '{}'::name[], 'jsonb');
SELECT has_function('pg_catalog', 'cqrs_actor', '{}'::name[]);
SELECT has_function('pg_catalog', 'cqrs_token', '{}'::name[]);
SELECT has_function('pg_catalog', 'cqrs_create_query', '{text,regprocedure,text}');
SELECT has_function('pg_catalog', 'cqrs_drop_query', '{text}');
SELECT has_function('pg_catalog', 'cqrs_query', '{text,jsonb,text,interval}');
SELECT has_function('pg_catalog', 'cqrs_query_page', '{text,jsonb,integer,integer}');
SELECT has_function('pg_catalog', 'cqrs_grant', '{regrole,text}');
SELECT has_function('pg_catalog', 'cqrs_revoke', '{regrole,text}');
SELECT function_returns('pg_catalog', 'cqrs_send', '{text,jsonb,uuid,uuid,uuid,jsonb}'::name[], 'text');
SELECT function_returns('pg_catalog', 'cqrs_try_send', '{text,jsonb,uuid,uuid,uuid,jsonb}'::name[], 'cqrs.command_result');
SELECT columns_are('cqrs', 'command_stats',
	'{name,calls,accepted,rejected,replayed,total_ms,mean_ms,max_ms}'::name[]);
SELECT is((SELECT array_agg(attname || ' ' || format_type(atttypid, atttypmod) ORDER BY attnum)
	FROM pg_attribute WHERE attrelid = 'cqrs.command_result'::regclass),
	'{ok boolean,id text,command_id uuid,token text,sqlstate text,message text,detail text,hint text}', 'cqrs.command_result');
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass
	JOIN pg_extension e ON e.oid = d.refobjid AND d.deptype = 'e' WHERE e.extname = 'cqrs'
	AND (p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) WHERE grantee = 0))$$, 'PUBLIC may execute nothing');
SELECT is_empty($$SELECT c.relname FROM pg_class c WHERE relnamespace = 'cqrs'::regnamespace AND relkind IN ('r', 'v', 'S')
	AND EXISTS (SELECT FROM aclexplode(c.relacl) WHERE grantee = 0)$$, 'PUBLIC may read nothing');

CREATE ROLE regress_cqrs_nobody;
CREATE ROLE regress_cqrs_app;
CREATE ROLE regress_cqrs_dev;
CREATE SCHEMA app AUTHORIZATION regress_cqrs_dev;
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO PUBLIC;
SELECT cqrs_grant('regress_cqrs_app', 'send');
SELECT cqrs_grant('regress_cqrs_dev', r) FROM unnest('{send,query,emit,define}'::text[]) r;

-- nobody
SET ROLE regress_cqrs_nobody;
SELECT throws_ok($$SELECT cqrs_send('Work')$$, '42501', NULL, 'nobody cannot send');
SELECT throws_ok($$SELECT cqrs_query('Read')$$, '42501', NULL, 'nobody cannot query');
SELECT throws_ok('SELECT cqrs_payload()', '42501', NULL, 'nobody cannot ask for payloads');
SELECT throws_ok($$SELECT cqrs_grant('regress_cqrs_nobody', 'send')$$, '42501', NULL, 'nobody cannot grant');
SELECT throws_ok('SELECT * FROM cqrs.command_type', '42501', NULL, 'nobody sees no commands');
SELECT throws_ok($$CREATE FUNCTION pg_temp.outcome() RETURNS cqrs.command_result LANGUAGE sql AS 'SELECT NULL'$$, '42501', NULL, 'nobody writes functions that return outcomes');
RESET ROLE;

-- a developer
SET ROLE regress_cqrs_dev;
CREATE FUNCTION app.work(p jsonb) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS
	$$ BEGIN PERFORM cqrs_emit('work-1', 'Worked'); RETURN current_user || ' for ' || cqrs_actor(); END $$;
CREATE FUNCTION app.work_as_caller(p jsonb) RETURNS text LANGUAGE sql AS 'SELECT current_user::text';
CREATE FUNCTION app.read() RETURNS text LANGUAGE sql STABLE AS 'SELECT 1::text';
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA app FROM PUBLIC;
SELECT lives_ok($$SELECT cqrs_create_command('Work', 'app.work(jsonb)')$$, 'a developer registers commands');
CREATE TYPE app.typed AS (n int);
CREATE FUNCTION app.typed(p app.typed) RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS
	$$ BEGIN PERFORM cqrs_emit('work-2', 'TypedWork', to_jsonb(p)); RETURN p.n; END $$;
REVOKE EXECUTE ON FUNCTION app.typed FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.typed TO regress_cqrs_app;
SELECT lives_ok($$SELECT cqrs_create_event_type('TypedWork', 'app.typed')$$, 'a developer registers event types');
SELECT lives_ok($$SELECT cqrs_create_command('TypedWork', 'app.typed(app.typed)')$$);
SELECT lives_ok($$SELECT cqrs_create_command('WorkAsCaller', 'app.work_as_caller(jsonb)')$$);
SELECT lives_ok($$SELECT cqrs_create_query('Read', 'app.read()')$$, 'a developer registers queries');
CREATE TYPE app."Typed ""Params""" AS (since date);
CREATE FUNCTION app.typed_read(p app."Typed ""Params""") RETURNS text LANGUAGE sql STABLE AS 'SELECT 1::text';
REVOKE EXECUTE ON FUNCTION app.typed_read FROM PUBLIC;
SELECT lives_ok($$SELECT cqrs_create_query('TypedRead', 'app.typed_read(app."Typed ""Params""")')$$);
SELECT throws_ok($$SELECT cqrs_create_query('X', 'pg_catalog.now()')$$, '42501', NULL, 'not functions of others');
SELECT throws_ok($$SELECT cqrs_grant('regress_cqrs_dev', 'watch')$$, '42501', NULL, 'a developer cannot grant');
SELECT throws_ok('SELECT cqrs_prune_ledger()', '42501', NULL, 'nor remove from the ledger');
SELECT throws_ok('SELECT cqrs_reset_stats()', '42501', NULL, 'nor reset counters');
SELECT throws_ok('SELECT * FROM cqrs.ledger', '42501', NULL, 'nor read the ledger');
RESET ROLE;

-- an application
SET ROLE regress_cqrs_app;
SELECT throws_ok($$SELECT cqrs_send('Work')$$, '42501', 'permission denied for function work', 'EXECUTE on the handler is needed');
SELECT is((cqrs_try_send('Work')).sqlstate, '42501', 'and its lack is a rejection');
SELECT is((SELECT name FROM cqrs.command_type WHERE name = 'Work'), 'Work', 'an application sees commands');
SELECT lives_ok($$CREATE FUNCTION pg_temp.outcome() RETURNS cqrs.command_result LANGUAGE sql AS 'SELECT cqrs_try_send(''Work'')'$$, 'an application writes functions that return outcomes');
SELECT is((SELECT jsonb_object_agg(name, fields->0->>'name') FROM cqrs.command_type), '{"TypedWork": "n", "Work": null, "WorkAsCaller": null}',
	'with their fields, without a right on the schema');
RESET ROLE;
GRANT EXECUTE ON FUNCTION app.work(jsonb), app.work_as_caller(jsonb) TO regress_cqrs_app;
SET ROLE regress_cqrs_app;
SELECT is(cqrs_send('Work', metadata => '{"actor": "somebody"}'), 'regress_cqrs_dev for ' || session_user, 'a handler runs as its own attributes say');
SELECT is(cqrs_payload(), NULL, 'an application may ask for the payload, and there is none outside of handlers');
SELECT is(cqrs_send('WorkAsCaller'), 'regress_cqrs_app', 'a handler runs as its caller');
SELECT is(cqrs_send('TypedWork', '{"n": 7}'), '7', 'no right on the schema is needed');
SELECT throws_ok($$SELECT app.typed('(7)')$$, '42501', 'permission denied for schema app', 'though without it the handler cannot be called');
SELECT throws_ok($$SELECT cqrs_emit('work-1', 'X')$$, '42501', NULL, 'who may send cannot forge events');
SELECT throws_ok($$SELECT cqrs_drop_command('Work')$$, '42501', NULL, 'nor drop commands');
RESET ROLE;

-- counters: those of one's own, of all, of none
CREATE FUNCTION public.other(jsonb) RETURNS text LANGUAGE sql AS 'SELECT 1::text';
CREATE FUNCTION public.other() RETURNS text LANGUAGE sql STABLE AS 'SELECT 1::text';
SELECT cqrs_create_command('Other', 'public.other(jsonb)');
SELECT cqrs_create_query('OtherQuery', 'public.other()');
SELECT cqrs_send('Other'), cqrs_query('OtherQuery'), cqrs_query('Read');
CREATE ROLE regress_cqrs_watcher;
SELECT cqrs_grant('regress_cqrs_watcher', 'watch');
SET ROLE regress_cqrs_dev;
SELECT results_eq($$SELECT name FROM cqrs.command_stats ORDER BY name$$, $$VALUES ('TypedWork'), ('Work'), ('WorkAsCaller')$$, 'a developer sees the counters of his commands');
SELECT results_eq($$SELECT name FROM cqrs.query_stats$$, $$VALUES ('Read')$$, 'and of his queries');
SELECT results_eq($$SELECT name FROM cqrs.read_stats('c') ORDER BY name$$, $$VALUES ('TypedWork'), ('Work'), ('WorkAsCaller')$$, 'by no other way more');
SET ROLE regress_cqrs_app;
SELECT throws_ok('SELECT * FROM cqrs.command_stats', '42501', NULL, 'an application sees none');
SET ROLE regress_cqrs_watcher;
SELECT ok('{Other,Work,WorkAsCaller}' <@ array_agg(name), 'who may watch sees all') FROM cqrs.command_stats;
SET ROLE pg_monitor;
SELECT ok('{Other,Work,WorkAsCaller}' <@ array_agg(name), 'and so does pg_monitor') FROM cqrs.command_stats;
RESET ROLE;
SELECT cqrs_revoke('regress_cqrs_watcher', 'watch');
SELECT ok(NOT has_table_privilege('regress_cqrs_watcher', 'cqrs.command_stats', 'SELECT'), 'until that is revoked');

-- rights are given and taken
GRANT EXECUTE ON FUNCTION cqrs_drop_command(text) TO regress_cqrs_app;
SET ROLE regress_cqrs_app;
SELECT throws_ok($$SELECT cqrs_drop_command('Work')$$, '42501', 'must be owner of command "Work"', 'a command belongs to the owner of its handler');
RESET ROLE;
SELECT cqrs_grant('regress_cqrs_app', 'query');
SET ROLE regress_cqrs_app;
SELECT is((SELECT fields->0->>'type' FROM cqrs.query_type WHERE name = 'TypedRead'), 'date', 'an application sees queries, with their fields');
RESET ROLE;
SELECT cqrs_revoke('regress_cqrs_app', 'send');
SELECT ok(has_function_privilege('regress_cqrs_app', 'cqrs_token()', 'EXECUTE'), 'what another right needs stays');
SELECT ok(NOT has_function_privilege('regress_cqrs_app', 'cqrs_send(text, jsonb, uuid, uuid, uuid, jsonb)', 'EXECUTE'), 'the rest does not');
SELECT ok(NOT has_type_privilege('regress_cqrs_app', 'cqrs.command_result', 'USAGE'), 'nor do outcomes');
SELECT cqrs_revoke('regress_cqrs_app', 'query');
SELECT ok(NOT has_schema_privilege('regress_cqrs_app', 'cqrs', 'USAGE'), 'the last right takes the schema along');
SELECT throws_ok($$SELECT cqrs_grant('regress_cqrs_app', 'everything')$$, '22023', 'unrecognized right: "everything"', 'rights are known');
SELECT ok(has_table_privilege('pg_monitor', 'cqrs.command_stats', 'SELECT'), 'pg_monitor sees the counters');

SELECT * FROM finish();
ROLLBACK;
