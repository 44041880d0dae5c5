-- Errors that take some effort to reach.
CREATE ROLE regress_cqrs_owner;
CREATE ROLE regress_cqrs_other;
CREATE SCHEMA odd AUTHORIZATION regress_cqrs_owner;
SELECT count(cqrs_grant('regress_cqrs_owner', g)) FROM unnest('{send,query,emit,define}'::text[]) g;
\set VERBOSITY terse

-- Rights: given EXECUTE on the function that grants them, one is not the owner yet.
GRANT EXECUTE ON FUNCTION cqrs_grant TO regress_cqrs_other;
SET ROLE regress_cqrs_other;
SELECT cqrs_grant('regress_cqrs_other', 'send');
RESET ROLE;
SELECT cqrs_grant(4294967295::oid::regrole, 'send');
SELECT cqrs_grant('regress_cqrs_other', '');

-- Handlers and registrations
SELECT cqrs_drop_command('Nothing'), cqrs_drop_query('Nothing');
SELECT cqrs_drop_query(repeat('x', 200));
SELECT cqrs_send(repeat('x', 129));
SELECT cqrs_query(repeat('x', 129));
CREATE FUNCTION odd.pseudo(p jsonb) RETURNS cstring LANGUAGE internal STRICT AS 'jsonb_out';
SELECT cqrs_create_command('Pseudo', 'odd.pseudo(jsonb)');
SELECT cqrs_create_query('Pseudo', 'odd.pseudo(jsonb)');
SELECT cqrs_create_command('Pseudo', 4294967295::regprocedure), cqrs_create_query('Pseudo', 0::regprocedure);
SELECT cqrs_create_event_type('Pseudo', 4294967295::regtype);
SELECT cqrs_create_event_type('Pseudo', 'int');
CREATE FUNCTION odd.forget(p jsonb) RETURNS void LANGUAGE sql AS 'DELETE FROM cqrs.ledger';
REVOKE ALL ON FUNCTION odd.forget FROM PUBLIC;
SELECT cqrs_create_command('Forget', 'odd.forget(jsonb)');
SELECT cqrs_send('Forget', command_id => '00000000-0000-0000-0000-00000000f0f0');
SELECT cqrs_drop_command('Forget');
-- A payload type that has come to be something else.
CREATE TYPE odd.payload AS (a int);
SELECT cqrs_create_event_type('Odd', 'odd.payload');
SELECT cqrs_emit('oddpayload-1', 'Odd', '{"a": 1}');
DROP TYPE odd.payload;
SELECT cqrs_emit('oddpayload-1', 'Odd', '{"a": 1}');
CREATE DOMAIN odd.payload AS int;
SELECT cqrs_emit('oddpayload-1', 'Odd', '{"a": 1}');
DELETE FROM cqrs.event_type WHERE name = 'Odd';

-- Rules that have come to be something else between registration and start.
SET ROLE regress_cqrs_owner;
CREATE FUNCTION odd.rule(e cqrs.event) RETURNS void LANGUAGE sql AS '';
SELECT cqrs_create_projection('odd', 'odd', 'CREATE TABLE t (a bigint); CREATE RULE also AS ON INSERT TO t DO ALSO NOTIFY x'),
	cqrs_on('odd', 'Odd', 'odd.rule(cqrs.event)'::regprocedure);
DROP FUNCTION odd.rule;
SELECT cqrs_start('odd');
CREATE FUNCTION odd.rule(e cqrs.event) RETURNS SETOF int LANGUAGE sql AS 'SELECT 1';
SELECT cqrs_start('odd');
DROP FUNCTION odd.rule;
CREATE PROCEDURE odd.rule(e cqrs.event) LANGUAGE sql AS '';
SELECT cqrs_start('odd');
DROP PROCEDURE odd.rule;
SELECT cqrs_off('odd', 'Odd');
SELECT cqrs_on('odd', 'Odd', 'INSERT INTO t VALUES (1)');
SELECT cqrs_start('odd');
SELECT cqrs_on('odd', 'Odd', 'SELECT 1');
SELECT cqrs_start('odd');
RESET ROLE;
-- The role that owns it goes, or nearly: what was built keeps it.
DROP OWNED BY regress_cqrs_owner;
DROP ROLE regress_cqrs_owner;
SELECT cqrs_drop_projection('odd');
CREATE ROLE regress_cqrs_leaver;
SELECT cqrs_grant('regress_cqrs_leaver', 'define');
CREATE SCHEMA odd2;
GRANT ALL ON SCHEMA odd2 TO regress_cqrs_leaver;
SET ROLE regress_cqrs_leaver;
SELECT cqrs_create_projection('left_draft', 'odd2', '');
RESET ROLE;
DROP OWNED BY regress_cqrs_leaver;
DROP ROLE regress_cqrs_leaver;
SELECT cqrs_start('left_draft');
SELECT cqrs_explain('left_draft');
SELECT 'goes on' AS session;
SELECT cqrs_drop_projection('left_draft');

-- A time that has no end in this calendar
SELECT cqrs_create_projection('endless', 'odd2', '', keep_previous => '178000000 years');
SELECT cqrs_create_projection('endless', 'odd2', ''), cqrs_start('endless');
SELECT cqrs_revise('endless', keep_previous => '178000000 years');
SELECT cqrs_rebuild('endless', keep_previous => '178000000 years');
SELECT cqrs_drop_projection('endless');

-- What is not a plain table of the build, one by one: said by cqrs_explain().
SELECT cqrs_create_projection('plans', 'odd2', $$
	CREATE TABLE plain (id bigint PRIMARY KEY, a int, b text);
	CREATE TABLE parent (id bigint PRIMARY KEY, a int);
	CREATE TABLE child () INHERITS (parent);
	CREATE TABLE ruled (id bigint PRIMARY KEY, a int);
	CREATE RULE r AS ON DELETE TO ruled DO INSTEAD NOTHING;
	CREATE TABLE secured (id bigint PRIMARY KEY, a int);
	ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
	CREATE TABLE stored_plain (id bigint PRIMARY KEY, b text);
	ALTER TABLE stored_plain ALTER b SET STORAGE plain;
	CREATE TABLE deferred_key (id bigint PRIMARY KEY DEFERRABLE, a int);
	CREATE TABLE gist (id bigint PRIMARY KEY, r int4range);
	CREATE INDEX ON gist USING gist (r);
	CREATE TABLE odd_key (id jsonb PRIMARY KEY, a int);
	CREATE TABLE generated_key (a int, id int GENERATED ALWAYS AS (a + 1) STORED PRIMARY KEY);
	CREATE VIEW a_view AS SELECT * FROM plain$$);
SELECT cqrs_on('plans', 'P' || n, rule) FROM (VALUES
	(1, 'INSERT INTO parent VALUES (event.position, 1)'), (2, 'UPDATE ruled SET a = 1 WHERE id = event.position'),
	(3, 'INSERT INTO secured VALUES (event.position, 1)'), (4, 'INSERT INTO stored_plain VALUES (event.position, NULL)'),
	(5, 'INSERT INTO deferred_key VALUES (event.position, 1)'), (6, 'INSERT INTO gist VALUES (event.position, NULL)'),
	(7, 'INSERT INTO odd_key VALUES (event.data, 1)'), (8, 'INSERT INTO generated_key (a) VALUES (event.version::int)'),
	(9, 'INSERT INTO a_view VALUES (event.position, 1, NULL)'), (10, 'INSERT INTO plain VALUES (event.position, 1, NULL), (event.version, 2, NULL)'),
	(11, 'UPDATE plain SET a = p.a FROM parent p WHERE plain.id = event.position'), (12, 'UPDATE plain SET b = plain::text WHERE id = event.position'),
	(13, 'UPDATE plain SET a = (SELECT 1) WHERE id = event.position'), (14, 'UPDATE plain SET a = a + 1 WHERE a = event.position'),
	(15, 'UPDATE plain SET b = ctid::text WHERE id = event.position'), (16, 'INSERT INTO odd2.outside VALUES (event.position)'),
	(17, 'DELETE FROM plain WHERE id = event.position OR a = 1'), (18, 'UPDATE plain SET a = 1 WHERE id = event.position + a'),
	(19, 'UPDATE plain SET a = 1 WHERE id IN (event.position, event.version)'), (20, 'UPDATE plain SET a = 1 WHERE id = event.position RETURNING 1'),
	(21, 'INSERT INTO plain SELECT id, 1 FROM odd2."Prices" UNION SELECT id, 2 FROM odd2.outside; WITH w AS (DELETE FROM odd2.outside RETURNING id) UPDATE odd2."Prices" p SET a = 1 FROM w, a_view v WHERE w.id = p.id AND w.id = v.id')) r (n, rule);
CREATE TABLE odd2.outside (id bigint PRIMARY KEY);
CREATE TABLE odd2."Prices" (id bigint PRIMARY KEY, a int);
SELECT cqrs_on_batch('plans', '{P22}', 'INSERT INTO plain SELECT position, a FROM events JOIN odd2."Prices" ON id = position');
SELECT event_type, plan, reason FROM cqrs_explain('plans');
SELECT cqrs_drop_projection('plans');

-- Settings that a session can spoil: ignored, or said.
BEGIN READ ONLY;
SELECT * FROM fails($$SELECT cqrs_check('plans')$$);
SELECT * FROM fails($$SELECT cqrs_catch_up()$$);
SELECT * FROM fails($$SELECT cqrs_try_send('X')$$);
SELECT * FROM fails($$SELECT cqrs_emit('a-1', 'T')$$);
COMMIT;
CALL cqrs_execute('Nothing');
CALL cqrs_execute(NULL);
CALL cqrs_execute('Nothing', timeout => '-1s');
BEGIN;
CALL cqrs_execute('Nothing');
ROLLBACK;

SET client_min_messages = warning;
DROP SCHEMA odd, odd2 CASCADE;
DROP OWNED BY regress_cqrs_owner, regress_cqrs_other;
DROP ROLE regress_cqrs_owner, regress_cqrs_other;
