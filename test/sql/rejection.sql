-- Rejections: which are remembered for their ids, and which are not.
SET client_min_messages TO warning;
CREATE SCHEMA rejection;
CREATE FUNCTION rejection.try(command text, payload jsonb DEFAULT '{}') RETURNS TABLE (ok boolean, id text, sqlstate text) LANGUAGE sql AS
	$$ SELECT ok, id, sqlstate FROM cqrs_try_send(command, payload, '00000000-0000-4000-8000-000000000070') $$;

--
-- A command that is unknown, broken, or not for the caller, is rejected without a
-- record: when that has been mended, the same command with the same id runs.
--
SELECT * FROM rejection.try('Late');
CREATE FUNCTION rejection.late(p jsonb) RETURNS text LANGUAGE plpgsql AS
	$$ BEGIN PERFORM cqrs_emit('late-1', 'Late'); RETURN 'handled'; END $$;
REVOKE ALL ON FUNCTION rejection.late FROM PUBLIC;
SELECT cqrs_create_command('Late', 'rejection.late(jsonb)');
-- gone
ALTER FUNCTION rejection.late RENAME TO gone;
SELECT * FROM rejection.try('Late');
ALTER FUNCTION rejection.gone RENAME TO late;
-- somebody else's
CREATE ROLE regress_cqrs_late;
ALTER FUNCTION rejection.late OWNER TO regress_cqrs_late;
SELECT * FROM rejection.try('Late');
ALTER FUNCTION rejection.late OWNER TO CURRENT_USER;
-- without EXECUTE
SELECT cqrs_grant('regress_cqrs_late', 'send'), cqrs_grant('regress_cqrs_late', 'emit');
GRANT USAGE ON SCHEMA rejection TO regress_cqrs_late;
SET ROLE regress_cqrs_late;
SELECT * FROM rejection.try('Late');
SELECT ok, sqlstate FROM cqrs_try_send('Late');
SELECT count(*) FROM (SELECT cqrs_try_send('Unknown' || n) FROM generate_series(1, 3) n) s;
RESET ROLE;
SELECT count(*) AS recorded FROM cqrs.ledger WHERE command LIKE 'Late%' OR command LIKE 'Unknown%' OR command_id = '00000000-0000-4000-8000-000000000070';
GRANT EXECUTE ON FUNCTION rejection.late TO regress_cqrs_late;
SET ROLE regress_cqrs_late;
SELECT * FROM rejection.try('Late');
SELECT * FROM rejection.try('Late');
RESET ROLE;
SELECT cqrs_stream_version('late-1');

-- all in one transaction, also where an outer command goes on
BEGIN;
DELETE FROM cqrs.ledger;
SELECT cqrs_drop_command('Late');
SELECT * FROM rejection.try('Late');
SELECT * FROM rejection.try('Late');
SELECT cqrs_create_command('Late', 'rejection.late(jsonb)');
SELECT * FROM rejection.try('Late');
SELECT * FROM rejection.try('Late');
CREATE FUNCTION rejection.outer(p jsonb) RETURNS text LANGUAGE sql AS
	$$ SELECT concat_ws(' ', ok, sqlstate) FROM cqrs_try_send('Inner', '{}', '00000000-0000-4000-8000-000000000071') $$;
SELECT cqrs_create_command('Outer', 'rejection.outer(jsonb)');
SELECT cqrs_send('Outer');
SELECT command, outcome, result FROM cqrs.ledger ORDER BY command;
ROLLBACK;

-- what is wrong with the payload, or what the handler says, is remembered
CREATE TYPE rejection.number AS (n int);
CREATE FUNCTION rejection.reciprocal(p rejection.number) RETURNS text LANGUAGE plpgsql AS
	$$ BEGIN IF p.n IS NULL THEN RAISE 'no' USING ERRCODE = 'insufficient_privilege'; END IF; RETURN 1 / p.n; END $$;
SELECT cqrs_create_command('Reciprocal', 'rejection.reciprocal(rejection.number)');
SELECT ok, sqlstate FROM cqrs_try_send('Reciprocal', '{"n": "x"}', '00000000-0000-4000-8000-000000000072');
SELECT ok, sqlstate FROM cqrs_try_send('Reciprocal', '{"n": 0}', '00000000-0000-4000-8000-000000000073');
SELECT ok, sqlstate FROM cqrs_try_send('Reciprocal', '{}', '00000000-0000-4000-8000-000000000074');
SELECT command_id, outcome, sqlstate, message FROM cqrs.ledger WHERE command = 'Reciprocal' ORDER BY command_id;

SELECT cqrs_drop_command(name) FROM cqrs.command_type ORDER BY name;
SELECT cqrs_revoke('regress_cqrs_late', 'send'), cqrs_revoke('regress_cqrs_late', 'emit');
DROP SCHEMA rejection CASCADE;
DROP ROLE regress_cqrs_late;
