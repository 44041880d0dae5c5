-- Rebuilding: what was hidden stays hidden, and whose code runs does not change.
CREATE ROLE regress_cqrs_mallory;
CREATE ROLE regress_cqrs_victim;
CREATE ROLE regress_cqrs_reader;
CREATE SCHEMA evil AUTHORIZATION regress_cqrs_mallory;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
SELECT count(cqrs_grant('regress_cqrs_mallory', g)) FROM unnest('{emit,define}'::text[]) g;
\set VERBOSITY terse

--
-- A view that has been narrowed is not silently widened.
--
SET ROLE regress_cqrs_mallory;
SELECT cqrs_create_projection('narrow', 'evil', 'CREATE TABLE people (id bigint PRIMARY KEY, name text, salary int, tenant text)'),
	cqrs_on('narrow', 'Hired', 'INSERT INTO people VALUES (event.position, event.data->>''name'', (event.data->>''salary'')::int, event.data->>''tenant'')'),
	cqrs_start('narrow');
SELECT cqrs_emit('hired-1', 'Hired', '{"name": "a", "salary": 1, "tenant": "x"}'), cqrs_emit('hired-2', 'Hired', '{"name": "b", "salary": 2, "tenant": "y"}');
SELECT cqrs_catch_up('narrow');
GRANT SELECT ON evil.people TO regress_cqrs_reader;
CREATE FUNCTION evil.try_rebuild() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		PERFORM cqrs_rebuild('narrow');
		PERFORM cqrs_catch_up('narrow');
		RETURN 'rebuilt';
	EXCEPTION WHEN OTHERS THEN
		RETURN sqlstate || ' ' || sqlerrm;
	END;
END $$;
CREATE OR REPLACE VIEW evil.people AS SELECT * FROM "narrow$1".people WHERE tenant = 'x';
SELECT evil.try_rebuild();
CREATE OR REPLACE VIEW evil.people AS SELECT id, name, NULL::int AS salary, tenant FROM "narrow$1".people;
SELECT evil.try_rebuild();
DROP VIEW evil.people;
CREATE VIEW evil.people AS SELECT id, name FROM "narrow$1".people;
GRANT SELECT ON evil.people TO regress_cqrs_reader;
SELECT evil.try_rebuild();
CREATE OR REPLACE VIEW evil.people AS SELECT DISTINCT id, name FROM "narrow$1".people;
SELECT evil.try_rebuild();
CREATE OR REPLACE VIEW evil.people AS SELECT p.id, p.name FROM "narrow$1".people p JOIN "narrow$1".people q USING (id);
SELECT evil.try_rebuild();
SET ROLE regress_cqrs_reader;
SELECT name FROM evil.people ORDER BY name;
SET ROLE regress_cqrs_mallory;
DROP VIEW evil.people;
CREATE VIEW evil.people WITH (security_barrier) AS SELECT * FROM "narrow$1".people;
GRANT SELECT (id, name) ON evil.people TO regress_cqrs_reader;
SELECT evil.try_rebuild();
RESET ROLE;
SELECT live_build, next_build FROM cqrs.projection_status;
-- What was granted, and no more; options stay.
SET ROLE regress_cqrs_reader;
SELECT id > 0 AS id, name FROM evil.people ORDER BY name;
SELECT salary FROM evil.people;
SELECT * FROM "narrow$2".people;
RESET ROLE;
SELECT reloptions FROM pg_class WHERE oid = 'evil.people'::regclass;
SELECT cqrs_drop_projection('narrow');

--
-- Rows that a policy on the table hides stay hidden.
--
SET ROLE regress_cqrs_mallory;
SELECT cqrs_create_projection('rows', 'evil', 'CREATE TABLE rows (id bigint PRIMARY KEY, tenant name); CREATE TABLE _rest (id bigint)'),
	cqrs_on('rows', 'Rowed', 'INSERT INTO rows VALUES (event.position, event.data->>''tenant'')'),
	cqrs_start('rows');
SELECT cqrs_emit('rowed-1', 'Rowed', '{"tenant": "regress_cqrs_reader"}'), cqrs_emit('rowed-2', 'Rowed', '{"tenant": "other"}');
SELECT cqrs_catch_up('rows');
ALTER VIEW evil.rows SET (security_invoker);
GRANT USAGE ON SCHEMA "rows$1" TO regress_cqrs_reader;
GRANT SELECT ON evil.rows, "rows$1".rows TO regress_cqrs_reader;
CREATE POLICY own ON "rows$1".rows USING (tenant = current_user);
ALTER TABLE "rows$1".rows ENABLE ROW LEVEL SECURITY;
SELECT * FROM fails($$SELECT cqrs_rebuild('rows')$$);
SELECT cqrs_revise('rows', 'CREATE TABLE rows (id bigint PRIMARY KEY, tenant name); CREATE POLICY own ON rows USING (tenant = current_user); ALTER TABLE rows ENABLE ROW LEVEL SECURITY'),
	cqrs_start('rows');
SELECT cqrs_catch_up('rows');
ALTER TABLE "rows$2".rows FORCE ROW LEVEL SECURITY;
SELECT * FROM fails($$SELECT cqrs_rebuild('rows')$$);
ALTER TABLE "rows$2".rows NO FORCE ROW LEVEL SECURITY;
-- ... also when it comes while the build is under way
ALTER TABLE "rows$2".rows DISABLE ROW LEVEL SECURITY;
SELECT cqrs_revise('rows', 'CREATE TABLE rows (id bigint PRIMARY KEY, tenant name)'), cqrs_start('rows');
ALTER TABLE "rows$2".rows ENABLE ROW LEVEL SECURITY;
SELECT cqrs_catch_up('rows');
SET ROLE regress_cqrs_reader;
SELECT tenant FROM evil.rows;
RESET ROLE;
SELECT build, last_error FROM cqrs.build_progress WHERE projection = 'rows';
SET ROLE regress_cqrs_mallory;
ALTER TABLE "rows$3".rows ENABLE ROW LEVEL SECURITY;
SELECT cqrs_resume('rows');
SELECT cqrs_catch_up('rows');
RESET ROLE;
SELECT live_build, next_build FROM cqrs.projection_status;
SET ROLE regress_cqrs_reader;
SELECT tenant FROM evil.rows;
RESET ROLE;
SELECT cqrs_drop_projection('rows');
-- ... those of a partition as well, which can be read by itself
SET ROLE regress_cqrs_mallory;
SELECT cqrs_create_projection('parts', 'evil', 'CREATE TABLE parts (id bigint PRIMARY KEY, tenant name) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF parts DEFAULT'),
	cqrs_on('parts', 'Rowed', 'INSERT INTO parts VALUES (event.position, event.data->>''tenant'')'),
	cqrs_start('parts');
CREATE POLICY own ON "parts$1".part USING (tenant = current_user);
ALTER TABLE "parts$1".part ENABLE ROW LEVEL SECURITY;
SELECT * FROM fails($$SELECT cqrs_rebuild('parts')$$);
RESET ROLE;
SELECT cqrs_drop_projection('parts');
-- ... and what was changed in policies that the definition makes; what it changes itself is its affair
SET ROLE regress_cqrs_mallory;
SELECT cqrs_create_projection('rules', 'evil', 'CREATE TABLE rules (id bigint PRIMARY KEY, tenant name); CREATE TABLE more (id bigint); ALTER TABLE rules ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON rules USING (tenant = current_user AND id NOT IN (SELECT m.id FROM more m)); CREATE POLICY all_of_them ON more', keep_previous => '1 day'),
	cqrs_start('rules');
SELECT cqrs_rebuild('rules');
SELECT cqrs_catch_up('rules');
CREATE POLICY none ON "rules$2".more USING (false);								-- without effect
CREATE POLICY later ON "rules$2".rules AS RESTRICTIVE USING (tenant > 'm');
SELECT * FROM fails($$SELECT cqrs_revert('rules')$$);
SELECT * FROM fails($$SELECT cqrs_rebuild('rules')$$);
DROP POLICY later ON "rules$2".rules;
ALTER POLICY own ON "rules$2".rules TO regress_cqrs_reader;
SELECT detail FROM fails($$SELECT cqrs_rebuild('rules')$$);
ALTER POLICY own ON "rules$2".rules TO PUBLIC USING (tenant = current_user);
SELECT detail FROM fails($$SELECT cqrs_rebuild('rules')$$);
DROP POLICY own ON "rules$2".rules;
SELECT detail FROM fails($$SELECT cqrs_rebuild('rules')$$);
SELECT detail FROM fails($$SELECT cqrs_revert('rules')$$);
-- ... also while the build is under way
CREATE POLICY own ON "rules$2".rules USING (tenant = current_user AND id NOT IN (SELECT more.id FROM "rules$2".more));
SELECT detail FROM fails($$SELECT cqrs_rebuild('rules')$$);
ALTER POLICY own ON "rules$2".rules USING (tenant = current_user AND id NOT IN (SELECT m.id FROM "rules$2".more m));
SELECT cqrs_rebuild('rules');
DROP POLICY own ON "rules$2".rules;
SELECT cqrs_catch_up('rules');
RESET ROLE;
SELECT build, last_error FROM cqrs.build_progress WHERE projection = 'rules';
SET ROLE regress_cqrs_mallory;
SELECT cqrs_cancel_build('rules');
CREATE POLICY own ON "rules$2".rules USING (tenant = current_user AND id NOT IN (SELECT m.id FROM "rules$2".more m));
SELECT cqrs_revise('rules', 'CREATE TABLE rules (id bigint PRIMARY KEY, tenant name, shown bool); ALTER TABLE rules ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON rules USING (shown)'),
	cqrs_start('rules');
SELECT cqrs_catch_up('rules');
SELECT cqrs_revert('rules');
RESET ROLE;
SELECT live_build, next_build FROM cqrs.projection_status;
SELECT cqrs_drop_projection('rules');

--
-- What was revoked does not come back: not by default privileges, nor by the definition, nor with the build before.
--
SET ROLE regress_cqrs_mallory;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO regress_cqrs_victim;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO regress_cqrs_victim;
SELECT cqrs_create_projection('told', 'evil', 'CREATE TABLE told (id bigint PRIMARY KEY, a int); GRANT SELECT, UPDATE (a) ON told TO regress_cqrs_reader; CREATE TABLE _kind (); CREATE SEQUENCE _n', keep_previous => '1 day'),
	cqrs_start('told');
CREATE FUNCTION evil.rights(projection text) RETURNS TABLE (build text, object text, rights text) LANGUAGE sql AS $$
	SELECT o.build, o.object, string_agg(a.grantee::regrole || ': ' || a.privilege_type, ', ' ORDER BY a.grantee::regrole::text, a.privilege_type)
	  FROM (SELECT nspname, '(schema)', nspacl, nspowner FROM pg_namespace
			UNION ALL SELECT nspname, relname, relacl, relowner FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace AND relkind IN ('r', 'S')
			UNION ALL SELECT nspname, attname, attacl, relowner FROM pg_attribute JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace) AS o (build, object, acl, owner)
	 CROSS JOIN aclexplode(o.acl) a
	 WHERE o.build LIKE projection || '$_' AND a.grantee <> o.owner GROUP BY o.build, o.object ORDER BY 1, 2
$$;
SELECT * FROM evil.rights('told');
REVOKE USAGE ON SCHEMA "told$1" FROM regress_cqrs_victim;
REVOKE ALL ON "told$1".told FROM regress_cqrs_victim, regress_cqrs_reader;
GRANT USAGE ON SEQUENCE "told$1"._n TO regress_cqrs_reader;
SELECT cqrs_rebuild('told');
SELECT cqrs_catch_up('told');
SELECT * FROM evil.rights('told') WHERE build LIKE '%2';
GRANT INSERT, SELECT (id) ON "told$2".told TO regress_cqrs_victim;
REVOKE ALL ON SEQUENCE "told$2"._n FROM regress_cqrs_reader;
SELECT cqrs_revert('told');
SELECT * FROM evil.rights('told') WHERE build LIKE '%1';
-- a revised definition adds what it grants itself; and to a sequence nothing of a table
SELECT cqrs_revise('told', 'CREATE TABLE told (id bigint PRIMARY KEY, a int); GRANT DELETE ON told TO regress_cqrs_reader; CREATE SEQUENCE _kind; CREATE TABLE _n ()'), cqrs_start('told');
SELECT cqrs_catch_up('told');
SELECT * FROM evil.rights('told') WHERE build LIKE '%3';
RESET ROLE;
SELECT cqrs_drop_projection('told');
SET ROLE regress_cqrs_mallory;
ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM regress_cqrs_victim;
ALTER DEFAULT PRIVILEGES REVOKE USAGE ON SCHEMAS FROM regress_cqrs_victim;
RESET ROLE;

--
-- Comparing, explaining and rebuilding by a superuser runs the owner's code as him.
--
SET ROLE regress_cqrs_mallory;
CREATE FUNCTION evil.calm(place text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.sing(place); RETURN 1; END';
CREATE TYPE evil.pair AS (a int);
CREATE FUNCTION evil.to_json(evil.pair) RETURNS json LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.sing(''cast to json''); RETURN ''{}''; END';
CREATE CAST (evil.pair AS json) WITH FUNCTION evil.to_json(evil.pair);
SELECT cqrs_create_projection('again', 'evil', $$
	CREATE TABLE again (id bigint PRIMARY KEY, t text, p evil.pair, d int DEFAULT evil.calm('default'));
	CREATE INDEX ON again (evil.calm(t));
	CREATE INDEX ON again (t) WHERE evil.calm('predicate') = 1;
	CREATE STATISTICS on_expression ON (evil.calm(t)), id FROM again;
	CREATE RULE also AS ON INSERT TO again DO ALSO SELECT evil.calm('rule');
	CREATE VIEW looks AS SELECT evil.calm('view') AS a, t FROM again;
	CREATE TABLE other (t text, n int)$$, mode => 'async'),
	cqrs_on('again', 'Again', 'INSERT INTO again (id, t, p) VALUES (event.version, event.type, ROW(1)); INSERT INTO other VALUES (event.type, event.version)'),
	cqrs_start('again');
SELECT cqrs_append('again-1', array_fill('Again'::text, ARRAY[20]), array_fill('{}'::jsonb, ARRAY[20]));
RESET ROLE;
SELECT cqrs_catch_up('again');
-- A column that is named as a row in our own statements would be compared in its place.
SELECT * FROM cqrs_check('again');
-- (By the owner: whoever changes a table runs what hangs on it.)
SET ROLE regress_cqrs_mallory;
UPDATE "again$1".again SET d = 2 WHERE id = 3;
UPDATE "again$1".other SET n = 100 WHERE n = 4;
RESET ROLE;
SELECT * FROM cqrs_check('again');
SELECT cqrs_rebuild('again');
SELECT cqrs_catch_up('again');
SELECT * FROM cqrs_check('again');
SELECT cqrs_revise('again', 'CREATE TABLE again (id bigint PRIMARY KEY, x int DEFAULT 1/0)');
-- An error in between leaves nothing open.
SELECT * FROM cqrs_explain('again');
SELECT 'goes on' AS session;
SELECT cqrs_start('again');
SELECT 'goes on' AS session;
SELECT cqrs_cancel_build('again');
ALTER FUNCTION evil.to_json OWNER TO regress_cqrs_victim;
REVOKE ALL ON FUNCTION evil.to_json FROM PUBLIC;
SELECT * FROM cqrs_check('again');
SELECT 'goes on' AS session;
SELECT place, who FROM song GROUP BY 1, 2 ORDER BY place COLLATE "C";
TABLE canary;
TRUNCATE song;
SELECT cqrs_drop_projection('again');

-- Nobody but the owner.
SET ROLE regress_cqrs_mallory;
SELECT cqrs_create_projection('mine', 'evil', ''), cqrs_start('mine');
RESET ROLE;
SELECT cqrs_grant('regress_cqrs_victim', 'define');
SET ROLE regress_cqrs_victim;
SELECT s.statement, f.state, f.message FROM (VALUES ($$SELECT cqrs_check('mine')$$), ($$SELECT cqrs_revise('mine')$$), ($$SELECT cqrs_rebuild('mine')$$),
	($$SELECT cqrs_cancel_build('mine')$$), ($$SELECT cqrs_revert('mine')$$)) s (statement), LATERAL fails(statement) f;
RESET ROLE;
SELECT cqrs_drop_projection('mine');

SET client_min_messages = warning;
DROP SCHEMA evil CASCADE;
DROP OWNED BY regress_cqrs_mallory, regress_cqrs_victim, regress_cqrs_reader;
DROP ROLE regress_cqrs_mallory, regress_cqrs_victim, regress_cqrs_reader;
