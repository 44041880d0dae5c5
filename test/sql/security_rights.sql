-- Who may call, read and change what: by enumeration, so that nothing new is
-- forgotten.
CREATE ROLE regress_cqrs_mallory;
CREATE ROLE regress_cqrs_victim;
CREATE SCHEMA theirs AUTHORIZATION regress_cqrs_victim;
CREATE SCHEMA evil AUTHORIZATION regress_cqrs_mallory;
GRANT USAGE ON SCHEMA evil, theirs TO PUBLIC;

-- PUBLIC may do nothing with any object of the extension, schema and types included.
CREATE VIEW public.ours AS
	SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension x ON x.oid = d.refobjid
	 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND x.extname = 'cqrs';
SELECT p.oid::regprocedure FROM pg_proc p JOIN ours o ON o.classid = 'pg_proc'::regclass AND o.objid = p.oid
 WHERE has_function_privilege('regress_cqrs_mallory', p.oid, 'EXECUTE');
SELECT c.oid::regclass FROM pg_class c JOIN ours o ON o.classid = 'pg_class'::regclass AND o.objid = c.oid
 WHERE c.relkind <> 'S' AND (has_table_privilege('regress_cqrs_mallory', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
	OR has_any_column_privilege('regress_cqrs_mallory', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES'));
SELECT c.oid::regclass FROM pg_class c JOIN ours o ON o.classid = 'pg_class'::regclass AND o.objid = c.oid
 WHERE CASE c.relkind WHEN 'S' THEN has_sequence_privilege('regress_cqrs_mallory', c.oid, 'USAGE, SELECT, UPDATE') END;
SELECT t.oid::regtype FROM pg_type t JOIN ours o ON o.classid = 'pg_type'::regclass AND o.objid = t.oid
 WHERE t.typacl IS NULL AND t.typrelid = 0 AND t.typelem = 0;
SELECT has_schema_privilege('regress_cqrs_mallory', 'cqrs', 'USAGE, CREATE') AS schema;

-- No function of ours runs as its owner.
SELECT p.oid::regprocedure FROM pg_proc p JOIN ours o ON o.classid = 'pg_proc'::regclass AND o.objid = p.oid
 WHERE p.prosecdef;

-- Called all the same, by nobody: denied, each of them.
CREATE FUNCTION public.call_all(role text) RETURNS TABLE (state text, message text, functions bigint) LANGUAGE plpgsql AS $$
DECLARE
	f record;
	s text;
	m text;
BEGIN
	CREATE TEMP TABLE outcome (state text, message text);
	FOR f IN
		SELECT p.oid, p.prokind, format('%I.%I(%s)', n.nspname, p.proname,
				(SELECT string_agg('NULL::' || t::regtype, ', ') FROM unnest(p.proargtypes) t)) AS call
		  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
		  JOIN ours o ON o.classid = 'pg_proc'::regclass AND o.objid = p.oid
	LOOP
		BEGIN
			EXECUTE format('SET LOCAL ROLE %I', role);
			EXECUTE CASE f.prokind WHEN 'p' THEN 'CALL ' ELSE 'SELECT ' END || f.call;
			s := '00000'; m := 'no error: ' || f.call;
		EXCEPTION WHEN OTHERS THEN
			s := sqlstate; m := regexp_replace(sqlerrm, '(function|procedure|schema) \S+$', '\1');
		END;
		RESET ROLE;
		INSERT INTO outcome VALUES (s, m);
	END LOOP;
	RETURN QUERY SELECT o.state, o.message, count(*) FROM outcome o GROUP BY 1, 2 ORDER BY 1, 2;
	DROP TABLE outcome;
END $$;
SELECT state, message, functions > 0 AS some FROM call_all('regress_cqrs_mallory');
-- In the schema cqrs and out of it.
GRANT USAGE ON SCHEMA cqrs TO regress_cqrs_mallory;
SELECT state, message, functions > 0 AS some FROM call_all('regress_cqrs_mallory');

-- Each right, and all of them together, leave out what is the owner's.
DO $$
DECLARE
	r text;
	f text;
BEGIN
	FOREACH r IN ARRAY '{send,query,emit,define,watch}'::text[] LOOP
		PERFORM cqrs_grant('regress_cqrs_mallory', r);
		SELECT string_agg(DISTINCT p.proname::text, ' ') INTO f
		  FROM pg_proc p JOIN ours o ON o.classid = 'pg_proc'::regclass AND o.objid = p.oid
		 WHERE has_function_privilege('regress_cqrs_mallory', p.oid, 'EXECUTE')
		   AND p.proname ~ 'grant|revoke|prune|reset|invalidate|refuse';
		ASSERT f IS NULL, f;
		SELECT string_agg(c.relname::text, ' ') INTO f FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE n.nspname = 'cqrs' AND c.relkind IN ('r', 'S')
		   AND has_table_privilege('regress_cqrs_mallory', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER');
		ASSERT f IS NULL, f;
		PERFORM cqrs_revoke('regress_cqrs_mallory', r);
		ASSERT NOT has_schema_privilege('regress_cqrs_mallory', 'cqrs', 'USAGE'), r;
	END LOOP;
	FOREACH r IN ARRAY '{send,query,emit,define}'::text[] LOOP
		PERFORM cqrs_grant('regress_cqrs_mallory', r);
		PERFORM cqrs_grant('regress_cqrs_victim', r);
	END LOOP;
END $$;

-- With all rights that an application has, the tables are still out of reach,
-- and nothing can be hung onto them: not for any table of ours.
CREATE FUNCTION evil.sing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM public.sing(tg_table_name); RETURN new; END';
CREATE FUNCTION evil.handle(p jsonb) RETURNS text LANGUAGE sql AS 'SELECT ''stolen''';
ALTER FUNCTION evil.sing OWNER TO regress_cqrs_mallory;
ALTER FUNCTION evil.handle OWNER TO regress_cqrs_mallory;
CREATE FUNCTION public.attack_tables() RETURNS TABLE (attack text, state text, relations bigint) LANGUAGE plpgsql AS $$
DECLARE
	t record;
	s text;
BEGIN
	CREATE TEMP TABLE attacked (attack text, state text);
	FOR t IN
		SELECT a.attack, format(a.statement, c.oid::regclass, (SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1)) AS statement
		  FROM pg_class c JOIN ours o ON o.classid = 'pg_class'::regclass AND o.objid = c.oid
		 CROSS JOIN (VALUES
			('select', 'SELECT * FROM %1$s'),
			('insert', 'INSERT INTO %1$s DEFAULT VALUES'),
			('update', 'UPDATE %1$s SET %2$I = %2$I'),
			('delete', 'DELETE FROM %1$s'),
			('truncate', 'TRUNCATE %1$s'),
			('lock', 'LOCK TABLE %1$s IN ACCESS SHARE MODE'),
			('trigger', 'CREATE TRIGGER t AFTER INSERT ON %1$s FOR EACH STATEMENT EXECUTE FUNCTION evil.sing()'),
			('rule', 'CREATE RULE r AS ON INSERT TO %1$s DO ALSO SELECT public.sing(''rule'')'),
			('policy', 'CREATE POLICY p ON %1$s USING (public.sing(''policy''))'),
			('index', 'CREATE INDEX ON %1$s ((public.sing(''index'')))'),
			('references', 'CREATE TABLE evil.t (a bigint REFERENCES %1$s)'),
			('inherits', 'CREATE TABLE evil.t () INHERITS (%1$s)'),
			('attach', 'ALTER TABLE evil.parent ATTACH PARTITION %1$s DEFAULT'),
			('owner', 'ALTER TABLE %1$s OWNER TO regress_cqrs_mallory'),
			('rename', 'ALTER TABLE %1$s RENAME TO x'),
			('column', 'ALTER TABLE %1$s ADD x int DEFAULT public.sing(''default'')::int'),
			('replica', 'ALTER TABLE %1$s REPLICA IDENTITY FULL'),
			('statistics', 'CREATE STATISTICS evil.s ON (public.sing(''statistics'')) FROM %1$s'),
			('grant', 'GRANT ALL ON %1$s TO regress_cqrs_mallory'),
			('analyze', 'REINDEX TABLE %1$s'),
			('comment', 'COMMENT ON TABLE %1$s IS ''x'''),
			('drop', 'DROP TABLE %1$s CASCADE')) a (attack, statement)
		 WHERE c.relkind = 'r'
	LOOP
		BEGIN
			SET LOCAL ROLE regress_cqrs_mallory;
			EXECUTE t.statement;
			s := 'went through: ' || t.statement;
		EXCEPTION WHEN OTHERS THEN
			s := sqlstate;
		END;
		RESET ROLE;
		INSERT INTO attacked VALUES (t.attack, s);
	END LOOP;
	RETURN QUERY SELECT a.attack, string_agg(DISTINCT a.state, ' '), count(*) FROM attacked a GROUP BY 1;
	DROP TABLE attacked;
END $$;
SET ROLE regress_cqrs_mallory;
CREATE TABLE evil.parent (LIKE pg_catalog.pg_am) PARTITION BY LIST (oid);
RESET ROLE;
SELECT attack, state, relations > 10 AS tables FROM attack_tables() ORDER BY attack COLLATE "C";
SET ROLE regress_cqrs_mallory;
COPY cqrs.event TO STDOUT;
COPY cqrs.event FROM STDIN;
\.
COPY (SELECT * FROM cqrs.ledger) TO STDOUT;
SELECT nextval('cqrs.event_position');
SELECT setval('cqrs.event_position', 1);
RESET ROLE;

-- Nor onto functions, types and the extension itself.
SET ROLE regress_cqrs_mallory;
SELECT s.statement, f.state FROM (VALUES
	('ALTER FUNCTION pg_catalog.cqrs_emit OWNER TO regress_cqrs_mallory'),
	('CREATE OR REPLACE FUNCTION pg_catalog.cqrs_token() RETURNS text LANGUAGE sql AS ''SELECT NULL::text'''),
	('ALTER FUNCTION pg_catalog.cqrs_emit SECURITY DEFINER'),
	('ALTER TYPE cqrs.command_result ADD ATTRIBUTE x int'),
	('CREATE CAST (cqrs.command_result AS text) WITH INOUT AS IMPLICIT'),
	('CREATE FUNCTION cqrs.f() RETURNS int LANGUAGE sql AS ''SELECT 1'''),
	('ALTER SEQUENCE cqrs.event_position INCREMENT 0'),
	('ALTER VIEW cqrs.outbox RENAME TO x'),
	('ALTER FUNCTION evil.sing() DEPENDS ON EXTENSION cqrs'),
	('ALTER EXTENSION cqrs ADD FUNCTION evil.sing()'),
	('ALTER EXTENSION cqrs DROP FUNCTION cqrs.behind(text)'),
	('ALTER EXTENSION cqrs SET SCHEMA evil'),
	('ALTER EXTENSION cqrs UPDATE'),
	('DROP EXTENSION cqrs'),
	('CREATE EXTENSION cqrs SCHEMA evil'),
	('CREATE PUBLICATION p FOR ALL TABLES'),
	('SET session_replication_role = replica'),
	('CREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION evil.sing()')) s (statement), LATERAL public.fails(statement) f;
RESET ROLE;

-- The work of others: their commands, queries, projections and parked events.
CREATE FUNCTION theirs.handle(p jsonb) RETURNS text LANGUAGE sql AS 'SELECT ''handled''';
CREATE FUNCTION theirs.answer() RETURNS int LANGUAGE sql STABLE AS 'SELECT 42';
CREATE FUNCTION theirs.rule(e cqrs.event) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION theirs.powerful(p jsonb) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT ''powerful''';
ALTER FUNCTION theirs.handle OWNER TO regress_cqrs_victim;
ALTER FUNCTION theirs.answer OWNER TO regress_cqrs_victim;
ALTER FUNCTION theirs.rule OWNER TO regress_cqrs_victim;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA theirs FROM PUBLIC;
SET ROLE regress_cqrs_victim;
SELECT cqrs_create_command('Theirs', 'theirs.handle(jsonb)'), cqrs_create_query('Theirs', 'theirs.answer()');
SELECT cqrs_create_projection('theirs', 'theirs', 'CREATE TABLE theirs (a bigint)');
SELECT cqrs_on('theirs', 'Theirs', 'INSERT INTO theirs VALUES (event.stream_id::int)');
SELECT cqrs_start('theirs');
SELECT cqrs_emit('theirs-x', 'Theirs');
SELECT cqrs_catch_up('theirs');
SELECT cqrs_create_projection('drafted', 'theirs', '');
RESET ROLE;
GRANT USAGE ON SCHEMA theirs TO regress_cqrs_mallory;
SELECT cqrs_grant('regress_cqrs_mallory', 'watch');
SET ROLE regress_cqrs_mallory;
SELECT s.statement, f.state, f.message FROM (VALUES
	($$SELECT cqrs_send('Theirs')$$),
	($$SELECT cqrs_try_send('Theirs')$$),
	($$SELECT cqrs_query('Theirs')$$),
	($$SELECT cqrs_query_page('Theirs')$$),
	($$SELECT cqrs_drop_command('Theirs')$$),
	($$SELECT cqrs_drop_query('Theirs')$$),
	($$SELECT cqrs_create_command('Theirs', 'evil.handle(jsonb)')$$),
	($$SELECT cqrs_create_command('Mine', 'theirs.powerful(jsonb)')$$),
	($$SELECT cqrs_create_command('Mine', 'theirs.handle(jsonb)')$$),
	($$SELECT cqrs_create_query('Mine', 'theirs.answer()')$$),
	($$SELECT cqrs_create_projection('theirs', 'evil', '')$$),
	($$SELECT cqrs_create_projection('mine', 'theirs', '')$$),
	($$SELECT cqrs_on('drafted', 'X', 'SELECT 1')$$),
	($$SELECT cqrs_on('drafted', 'X', 'theirs.rule(cqrs.event)'::regprocedure)$$),
	($$SELECT cqrs_on_batch('drafted', '{X}', 'SELECT 1')$$),
	($$SELECT cqrs_off('drafted', 'X')$$),
	($$SELECT cqrs_start('drafted')$$),
	($$SELECT cqrs_explain('drafted')$$),
	($$SELECT cqrs_explain('theirs')$$),
	($$SELECT cqrs_pause('theirs')$$),
	($$SELECT cqrs_resume('theirs')$$),
	($$SELECT cqrs_catch_up('theirs')$$),
	($$SELECT cqrs_retry_parked('theirs')$$),
	($$SELECT cqrs_discard_parked('theirs')$$),
	($$SELECT cqrs_drop_projection('theirs')$$),
	($$SELECT * FROM "theirs$1".theirs$$),
	($$CREATE TABLE "theirs$1".x ()$$),
	($$CREATE VIEW theirs.x AS SELECT 1$$),
	($$SELECT cqrs_prune_ledger()$$),
	($$SELECT cqrs_reset_stats()$$),
	($$SELECT cqrs_grant('regress_cqrs_mallory', 'send')$$),
	($$SELECT cqrs_revoke('regress_cqrs_victim', 'send')$$)) s (statement), LATERAL public.fails(statement) f;
-- A rule that is a function of somebody else's is denied where rules are given.
SELECT cqrs_create_projection('mine', 'evil', '');
SELECT * FROM fails($$SELECT cqrs_on('mine', 'X', 'theirs.rule(cqrs.event)'::regprocedure)$$);
SELECT cqrs_drop_projection('mine');
SELECT count(*) FROM cqrs.projection_parked;
SELECT projection, state FROM cqrs.projection_status ORDER BY projection COLLATE "C";
-- Who defines projections sees how his own are doing, and by no trick more.
RESET ROLE;
SELECT cqrs_revoke('regress_cqrs_mallory', 'watch');
SET ROLE regress_cqrs_victim;
SELECT cqrs_rebuild('theirs');
SELECT projection, state, events_behind, next_build FROM cqrs.projection_status ORDER BY projection COLLATE "C";
SELECT projection, build, phase FROM cqrs.build_progress;
SET ROLE regress_cqrs_mallory;
SELECT cqrs_create_projection('mine', 'evil', '');
CREATE FUNCTION evil.peek(projection text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS 'BEGIN RAISE NOTICE ''sees %'', projection; RETURN true; END';
SELECT projection, state FROM cqrs.projection_status WHERE evil.peek(projection);
SELECT projection, build FROM cqrs.build_progress WHERE evil.peek(projection);
SELECT cqrs_drop_projection('mine');
SELECT * FROM fails('SELECT * FROM cqrs.worker_status');
RESET ROLE;
SELECT cqrs_grant('regress_cqrs_mallory', 'watch');
SET ROLE regress_cqrs_mallory;
SELECT projection, build FROM cqrs.build_progress;
RESET ROLE;
TABLE canary;

DROP FUNCTION call_all, attack_tables;
DROP VIEW ours;
SET ROLE regress_cqrs_victim;
SELECT cqrs_drop_projection('theirs'), cqrs_drop_projection('drafted'), cqrs_drop_command('Theirs'), cqrs_drop_query('Theirs');
RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA theirs, evil CASCADE;
DROP OWNED BY regress_cqrs_mallory, regress_cqrs_victim;
DROP ROLE regress_cqrs_mallory, regress_cqrs_victim;
