-- What stands in "tables" beside plain tables, and what becomes of it.
CREATE ROLE pt_reader;
CREATE SCHEMA pt;

-- what does not live and die with the cursor: refused at the start
CREATE FOREIGN DATA WRAPPER pt_wrapper;
CREATE SERVER pt_server FOREIGN DATA WRAPPER pt_wrapper;
CREATE FOREIGN TABLE pt.far (n bigint) SERVER pt_server;
CREATE UNLOGGED TABLE pt.unlogged (n bigint);
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

DROP TABLE pt.unlogged;
DROP SCHEMA pt;
DROP ROLE pt_reader;
