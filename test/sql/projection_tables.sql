-- What stands in "tables" beside plain tables, and what becomes of it.
CREATE ROLE pt_reader;
CREATE SCHEMA pt;

-- what does not live and die with the cursor: refused at the start
CREATE FOREIGN DATA WRAPPER pt_wrapper;
CREATE SERVER pt_server FOREIGN DATA WRAPPER pt_wrapper;
CREATE FOREIGN TABLE pt.far (n bigint) SERVER pt_server;
CREATE UNLOGGED TABLE pt.unlogged (n bigint);
CREATE TABLE pt.parted (n bigint) PARTITION BY LIST (n);
CREATE UNLOGGED TABLE pt.part PARTITION OF pt.parted DEFAULT;
CREATE TABLE pt.parent (n bigint);
CREATE FOREIGN TABLE pt.child () INHERITS (pt.parent) SERVER pt_server;
SELECT cqrs_create_projection('pt_lost', 'pt', 'CREATE UNLOGGED TABLE lost (n bigint PRIMARY KEY)');
SELECT cqrs_on('pt_lost', 'PtMade', 'INSERT INTO lost VALUES (event.position)');
SELECT * FROM fails($$SELECT cqrs_start('pt_lost')$$);
SELECT cqrs_revise('pt_lost', tables => 'CREATE FOREIGN TABLE lost (n bigint) SERVER pt_server');
SELECT * FROM fails($$SELECT cqrs_start('pt_lost')$$);
SELECT cqrs_revise('pt_lost', tables => 'CREATE TABLE lost (n bigint) PARTITION BY LIST (n); CREATE UNLOGGED TABLE _part PARTITION OF lost DEFAULT');
SELECT * FROM fails($$SELECT cqrs_start('pt_lost')$$);
SELECT cqrs_revise('pt_lost', tables => 'CREATE TABLE lost (n bigint PRIMARY KEY)');
SELECT cqrs_on('pt_lost', 'PtMade', 'INSERT INTO pt.far VALUES (event.position)');
SELECT * FROM fails($$SELECT cqrs_start('pt_lost')$$);
SELECT cqrs_on('pt_lost', 'PtMade', 'WITH w AS (INSERT INTO pt.unlogged VALUES (event.position) RETURNING n) INSERT INTO lost SELECT n FROM w');
SELECT * FROM fails($$SELECT cqrs_start('pt_lost')$$);
SELECT cqrs_on('pt_lost', 'PtMade', 'INSERT INTO pt.parted VALUES (event.position)');
SELECT * FROM fails($$SELECT cqrs_start('pt_lost')$$);
SELECT cqrs_on('pt_lost', 'PtMade', 'UPDATE pt.parent SET n = event.position');
SELECT * FROM fails($$SELECT cqrs_start('pt_lost')$$);
SELECT cqrs_on('pt_lost', 'PtMade', 'INSERT INTO lost VALUES (event.position)');
SELECT cqrs_start('pt_lost');
-- and when it comes later the projection stops
SELECT cqrs_emit('pt-1', 'PtMade') > 0 AS emitted;
SELECT cqrs_catch_up('pt_lost');
ALTER TABLE "pt_lost$1".lost SET UNLOGGED;
SELECT cqrs_emit('pt-1', 'PtMade') > 0 AS emitted;
SELECT cqrs_catch_up('pt_lost');
ALTER TABLE "pt_lost$1".lost SET LOGGED;
SELECT cqrs_resume('pt_lost');
SELECT cqrs_catch_up('pt_lost');
SELECT count(*) FROM pt.lost;
SELECT cqrs_drop_projection('pt_lost');
SET client_min_messages = warning;
DROP FOREIGN DATA WRAPPER pt_wrapper CASCADE;
RESET client_min_messages;

-- keys of types that the statements make: each build has its own
SELECT cqrs_create_projection('pt_keys', 'pt', $$
	CREATE TYPE region AS ENUM ('north', 'south');
	CREATE TYPE place AS (x numeric, y float8);
	CREATE TABLE by_region (r region, id int, qty int, PRIMARY KEY (r, id));
	CREATE TABLE by_place (p place, at timestamptz, b bytea, "a""b" numeric, n int, PRIMARY KEY (p, at, b, "a""b"));
$$);
SELECT cqrs_on('pt_keys', 'PtSold', $$
	INSERT INTO by_region VALUES ((event.data ->> 'region')::region, event.version, 1);
	INSERT INTO by_place VALUES (ROW(event.version * 1.10, 'NaN'), event.recorded_at, '\x00ff', 'NaN', 1);
$$);
SELECT cqrs_start('pt_keys');
SELECT count(cqrs_emit('keys-' || i, 'PtSold', jsonb_build_object('region', r))) FROM unnest(ARRAY['north', 'south', 'north']) WITH ORDINALITY u (r, i);
SELECT cqrs_emit('keys-1', 'PtSold', '{"region": "south"}') > 0 AS emitted;
SELECT cqrs_catch_up('pt_keys');
SELECT * FROM cqrs_check('pt_keys');
UPDATE "pt_keys$1".by_region SET qty = 5 WHERE id = 2;
UPDATE "pt_keys$1".by_place SET n = 2, p = ROW(1.1000, 'NaN') WHERE p = ROW(1.1, 'NaN')::"pt_keys$1".place AND at = (SELECT min(at) FROM "pt_keys$1".by_place);
SELECT relation, live - 'at' AS live, rebuilt - 'at' AS rebuilt FROM cqrs_check('pt_keys');
SELECT cqrs_drop_projection('pt_keys');

-- privileges on what no view shows
SELECT cqrs_create_projection('pt_rights', 'pt', $$
	CREATE TABLE shown (id bigint PRIMARY KEY) PARTITION BY HASH (id);
	CREATE TABLE part_0 PARTITION OF shown FOR VALUES WITH (MODULUS 1, REMAINDER 0);
	CREATE TABLE _hidden (id int, secret text);
	CREATE SEQUENCE numbers;
	CREATE MATERIALIZED VIEW _sums AS SELECT count(*) FROM shown;
$$);
SELECT cqrs_start('pt_rights');
GRANT SELECT ON "pt_rights$1".shown, "pt_rights$1".part_0, "pt_rights$1"._sums TO pt_reader;
GRANT SELECT (id) ON "pt_rights$1"._hidden TO pt_reader;
GRANT USAGE ON SEQUENCE "pt_rights$1".numbers TO pt_reader;
SELECT cqrs_rebuild('pt_rights');
SELECT cqrs_catch_up('pt_rights');
SELECT c.relname, a.attname, r.grantee::regrole, r.privilege_type
  FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attacl IS NOT NULL, aclexplode(coalesce(a.attacl, c.relacl)) r
 WHERE c.relnamespace = '"pt_rights$2"'::regnamespace AND r.grantee <> c.relowner ORDER BY 1, 2;
SELECT cqrs_drop_projection('pt_rights');

-- a materialized view is as of the end of the filling, and nobody's fault
SELECT cqrs_create_projection('pt_stored', 'pt', $$
	CREATE TABLE made (n bigint PRIMARY KEY);
	CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM made;
	CREATE MATERIALIZED VIEW _b AS SELECT count + 1 AS more FROM counted;
	CREATE MATERIALIZED VIEW a AS SELECT more + 1 AS more FROM _b;
	CREATE MATERIALIZED VIEW empty AS SELECT n FROM made WITH NO DATA;
$$);
SELECT cqrs_on('pt_stored', 'PtStored', 'INSERT INTO made VALUES (event.position)');
SELECT cqrs_start('pt_stored');
SELECT count(cqrs_emit('stored-' || i, 'PtStored')) FROM generate_series(1, 3) i;
SELECT cqrs_catch_up('pt_stored');
SELECT * FROM pt.counted;
SELECT cqrs_rebuild('pt_stored');
SELECT cqrs_catch_up('pt_stored');
SELECT * FROM pt.counted;
SELECT * FROM pt.a;
SELECT * FROM fails('SELECT * FROM pt.empty');
SELECT * FROM cqrs_check('pt_stored');
SELECT relname, reltuples FROM pg_class WHERE relnamespace = '"pt_stored$2"'::regnamespace AND relkind = 'm' ORDER BY 1;
SELECT cqrs_drop_projection('pt_stored');

-- a column that was added by hand is not one that the view hides
SELECT cqrs_create_projection('pt_wider', 'pt', 'CREATE TABLE wider (id bigint PRIMARY KEY, gone int, n int, secret text)');
SELECT cqrs_on('pt_wider', 'PtWide', 'INSERT INTO wider (id, n) VALUES (event.position, 1)');
SELECT cqrs_start('pt_wider');
SELECT cqrs_emit('wide-1', 'PtWide') > 0 AS emitted;
ALTER TABLE "pt_wider$1".wider ADD COLUMN by_hand int;
SELECT cqrs_rebuild('pt_wider');
SELECT cqrs_catch_up('pt_wider');
SELECT n, secret FROM pt.wider;
-- these are hidden: the last one, one in the middle, one that was added by hand before
DROP VIEW pt.wider;
CREATE VIEW pt.wider AS SELECT id, gone, n FROM "pt_wider$2".wider;
SELECT * FROM fails($$SELECT cqrs_rebuild('pt_wider')$$);
ALTER TABLE "pt_wider$2".wider ADD COLUMN by_hand int;
SELECT * FROM fails($$SELECT cqrs_rebuild('pt_wider')$$);
DROP VIEW pt.wider;
CREATE VIEW pt.wider AS SELECT id, n, secret, by_hand FROM "pt_wider$2".wider;
SELECT * FROM fails($$SELECT cqrs_rebuild('pt_wider')$$);
CREATE OR REPLACE VIEW pt.wider AS SELECT id, n, secret, by_hand, gone FROM "pt_wider$2".wider;
SELECT cqrs_rebuild('pt_wider');
SELECT cqrs_cancel_build('pt_wider');
DROP VIEW pt.wider;
CREATE VIEW pt.wider AS SELECT id, gone, n, secret FROM "pt_wider$2".wider;
SELECT * FROM fails($$SELECT cqrs_rebuild('pt_wider')$$);
-- what is hidden and has been dropped is not hidden any more
ALTER TABLE "pt_wider$2".wider DROP COLUMN by_hand;
SELECT cqrs_rebuild('pt_wider');
SELECT cqrs_catch_up('pt_wider');
SELECT n, secret FROM pt.wider;
SELECT cqrs_drop_projection('pt_wider');

DROP TABLE pt.unlogged, pt.parted, pt.parent;
DROP SCHEMA pt;
DROP ROLE pt_reader;
