-- Queries: registration, rows, pages, and that nothing can be written.
CREATE SCHEMA shop;
SET search_path TO shop, public;
SET client_min_messages TO warning;
CREATE TABLE item (id int PRIMARY KEY, name text, price numeric(10,2));
INSERT INTO item SELECT i, 'item ' || i, i * 1.5 FROM generate_series(1, 25) i;
CREATE TYPE item_params AS (min_id int, sort text, max_rows bigint);

-- the pattern for sorting and filtering: values are compared, never made part of a statement
CREATE FUNCTION items(p item_params) RETURNS TABLE (id int, name text) LANGUAGE sql STABLE AS $$
	SELECT i.id, i.name FROM shop.item i
	WHERE i.id >= COALESCE(p.min_id, 0)
	ORDER BY CASE p.sort WHEN 'name' THEN i.name END,
			 CASE p.sort WHEN '-id' THEN -i.id ELSE i.id END
	LIMIT p.max_rows
$$;
CREATE FUNCTION all_items() RETURNS SETOF item LANGUAGE sql STABLE AS 'SELECT * FROM shop.item ORDER BY id';
CREATE FUNCTION one_item(p jsonb) RETURNS item LANGUAGE sql STABLE AS $$ SELECT * FROM shop.item WHERE id = (p->>'id')::int $$;
CREATE FUNCTION item_count() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM shop.item';
CREATE FUNCTION no_value() RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT NULL';
CREATE FUNCTION documents() RETURNS SETOF jsonb LANGUAGE sql STABLE AS $$ VALUES ('{"a": 1}'::jsonb), ('[2]'), ('null'), (NULL) $$;
CREATE FUNCTION pair(OUT a int, OUT b text) LANGUAGE sql STABLE AS $$ SELECT 1, 'x' $$;
CREATE FUNCTION act(p jsonb) RETURNS SETOF text LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN QUERY EXECUTE p->>'sql'; END $$;

SELECT cqrs_create_query('Items', 'items(item_params)', 'Items from an id on');
SELECT cqrs_create_query('AllItems', 'all_items()');
SELECT cqrs_create_query('OneItem', 'one_item(jsonb)');
SELECT cqrs_create_query('ItemCount', 'item_count()');
SELECT cqrs_create_query('NoValue', 'no_value()');
SELECT cqrs_create_query('Documents', 'documents()');
SELECT cqrs_create_query('Pair', 'pair()');
SELECT cqrs_create_query('Act', 'act(jsonb)');
SELECT name, params, fields, handler, description FROM cqrs.query_type ORDER BY name;

-- what a domain requires, those over it require, too
CREATE DOMAIN id AS integer NOT NULL;
CREATE DOMAIN item_id AS id;
CREATE TYPE item_key AS (id item_id, note text);
CREATE FUNCTION item_name(p item_key) RETURNS text LANGUAGE sql STABLE AS 'SELECT name FROM shop.item WHERE id = p.id';
SELECT cqrs_create_query('ItemName', 'item_name(item_key)');
SELECT fields FROM cqrs.query_type WHERE name = 'ItemName';
SELECT * FROM fails($$SELECT cqrs_query('ItemName')$$);

-- what is refused
CREATE FUNCTION writes(p jsonb) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT ''x''';
CREATE FUNCTION unknown_columns() RETURNS SETOF record LANGUAGE sql STABLE AS 'SELECT 1, 2';
CREATE FUNCTION one_unknown(OUT r record) LANGUAGE sql STABLE AS 'SELECT ROW(1, 2)';
CREATE FUNCTION returns_nothing() RETURNS void LANGUAGE sql STABLE AS '';
SELECT * FROM fails($$SELECT cqrs_create_query('X', 'writes(jsonb)')$$);
SELECT * FROM fails($$SELECT cqrs_create_query('X', 'unknown_columns()')$$);
SELECT * FROM fails($$SELECT cqrs_create_query('X', 'one_unknown()')$$);
SELECT * FROM fails($$SELECT cqrs_create_query('X', 'returns_nothing()')$$);
SELECT * FROM fails($$SELECT cqrs_create_query('X', 'fails(text)')$$);
SELECT * FROM fails($$SELECT cqrs_create_query('Items', 'all_items()')$$);
SELECT * FROM fails($$SELECT cqrs_create_query(NULL, 'all_items()')$$);
SELECT * FROM fails($$SELECT cqrs_create_query('X', NULL)$$);
SELECT * FROM fails($$SELECT cqrs_create_query('', 'all_items()')$$);
SELECT * FROM fails($$SELECT cqrs_drop_query('Unknown')$$);
SELECT * FROM fails($$SELECT cqrs_drop_query(NULL)$$);

-- rows
SELECT * FROM cqrs_query('Items', '{"min_id": 3, "max_rows": 2}');
SELECT * FROM cqrs_query('Items', '{"sort": "-id", "max_rows": 2}');
SELECT * FROM cqrs_query('Items', $${"sort": "id; DROP TABLE shop.item", "max_rows": 1}$$);
SELECT cqrs_query('OneItem', '{"id": 5}');
SELECT cqrs_query('OneItem', '{"id": 500}');
SELECT * FROM cqrs_query('ItemCount');
SELECT * FROM cqrs_query('NoValue');
SELECT * FROM cqrs_query('Documents');
SELECT * FROM cqrs_query('Pair');
SELECT count(*) FROM cqrs_query('AllItems');
SELECT * FROM fails($$SELECT cqrs_query('Unknown')$$);
SELECT * FROM fails($$SELECT cqrs_query(NULL)$$);
SELECT * FROM fails($$SELECT cqrs_query('Items', NULL)$$);
SELECT * FROM fails($$SELECT cqrs_query('Items', '{"min_id": "x", "max": 1}')$$);
SELECT * FROM fails($$SELECT cqrs_query('AllItems', '{"x": 1}')$$);
SELECT * FROM fails($$SELECT cqrs_query('AllItems', '[]')$$);
SELECT * FROM fails($$SELECT cqrs_query('Act', '{"sql": "SELECT (1/0)::text"}')$$);
SELECT * FROM fails($$SELECT cqrs_query('ItemCount', token => 'x')$$);
SELECT * FROM fails($$SELECT cqrs_query('ItemCount', token => '1-1-99999999999999999999')$$);
SELECT * FROM fails($$SELECT cqrs_query('ItemCount', token => '1-1-5', timeout => NULL)$$);
SELECT * FROM fails($$SELECT cqrs_query('ItemCount', token => '1-1-5', timeout => '-1s')$$);
SELECT * FROM fails($$SELECT cqrs_query('ItemCount', timeout => NULL)$$);
SELECT * FROM fails($$SELECT cqrs_query('ItemCount', timeout => '-1s')$$);

-- rows come as they are asked for: also from FROM, and from a cursor
CREATE FUNCTION made() RETURNS SETOF int LANGUAGE sql STABLE AS
	$$ SELECT i FROM generate_series(1, 1000000) i WHERE i < 1000 OR 1 / (1000 - LEAST(i, 1000)) = 0 $$;
SELECT cqrs_create_query('Made', 'made()');
SELECT * FROM fails($$SELECT count(*) FROM cqrs_query('Made')$$);
SELECT * FROM cqrs_query('Made') LIMIT 3;
SELECT * FROM cqrs_query('Made', token => cqrs_token()) LIMIT 3;
SELECT cqrs_query('Made') LIMIT 3;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM cqrs_query('Made');
FETCH 2 FROM c;
FETCH 2 FROM c;
SELECT count(*) FROM pg_cursors WHERE name <> 'c' AND name LIKE '<unnamed portal%';
CLOSE c;
SELECT count(*) FROM pg_cursors;
COMMIT;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM cqrs_query('Made');
FETCH 2 FROM c;
CLOSE ALL;
COMMIT;
-- a savepoint that is rolled back takes its queries along
BEGIN;
SAVEPOINT a;
DECLARE c CURSOR FOR SELECT * FROM cqrs_query('Made');
FETCH 1 FROM c;
ROLLBACK TO a;
SELECT count(*) FROM pg_cursors;
COMMIT;

-- pages
SELECT * FROM cqrs_query_page('Items', '{"min_id": 3}', 2, 3);
SELECT * FROM cqrs_query_page('Items', '{"sort": "-id"}', page_size => 2);
SELECT * FROM cqrs_query_page('Items', page => 9, page_size => 3);
SELECT * FROM cqrs_query_page('Items', page => 10, page_size => 3);
SELECT items, total FROM cqrs_query_page('Items', page => 2147483647, page_size => 1000);
SELECT items, total FROM cqrs_query_page('OneItem', '{"id": 500}');
SELECT items, total FROM cqrs_query_page('Documents');
SELECT jsonb_array_length(items), total, page, page_size FROM cqrs_query_page('AllItems');
SELECT * FROM fails($$SELECT cqrs_query_page('Items', page => 0)$$);
SELECT * FROM fails($$SELECT cqrs_query_page('Items', page => -1)$$);
SELECT * FROM fails($$SELECT cqrs_query_page('Items', page_size => 0)$$);
SELECT * FROM fails($$SELECT cqrs_query_page('Items', page_size => 1001)$$);
SELECT * FROM fails($$SELECT cqrs_query_page('Items', page => NULL)$$);
SELECT * FROM fails($$SELECT cqrs_query_page('Items', page_size => NULL)$$);
SELECT * FROM fails($$SELECT cqrs_query_page(NULL)$$);
SELECT * FROM fails($$SELECT cqrs_query_page('Items', NULL)$$);
SELECT * FROM fails($$SELECT cqrs_query_page('Items', '{"x": 1}')$$);
SELECT * FROM fails($$SELECT cqrs_query_page('Unknown')$$);

-- nothing can be written, whatever is called
CREATE SEQUENCE numbers;
CREATE FUNCTION insert_item() RETURNS text LANGUAGE sql AS $$ INSERT INTO shop.item VALUES (0) RETURNING name $$;
CREATE FUNCTION try_all() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		SET LOCAL transaction_read_only = off;
		RETURN 'switched it off';
	EXCEPTION WHEN OTHERS THEN
	END;
	BEGIN
		PERFORM set_config('transaction_read_only', 'off', true);
		RETURN 'switched it off';
	EXCEPTION WHEN OTHERS THEN
	END;
	BEGIN
		INSERT INTO shop.item VALUES (0);
		RETURN 'written';
	EXCEPTION WHEN read_only_sql_transaction THEN
	END;
	RETURN shop.insert_item();
END $$;
CREATE FUNCTION switches() RETURNS text LANGUAGE sql AS 'SELECT set_config(''transaction_read_only'', ''off'', true)';
CREATE FUNCTION writes_after() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM cqrs_query('ItemCount'); RETURN shop.insert_item(); END $$;
SELECT sql, f.state, f.message FROM unnest(ARRAY[
	'SELECT shop.insert_item()', 'SELECT shop.try_all()', 'SELECT shop.writes_after()', 'SELECT shop.switches()',
	'SELECT nextval(''shop.numbers'')::text', 'SELECT setval(''shop.numbers'', 1)::text',
	'WITH x AS (DELETE FROM shop.item RETURNING 1) SELECT count(*)::text FROM x', 'SELECT name FROM shop.item FOR UPDATE',
	'SELECT cqrs_emit(''a-1'', ''X'')::text', 'SELECT cqrs_send(''X'')', 'SELECT cqrs_drop_query(''Items'')::text',
	'SELECT cqrs_query(''Act'', ''{"sql": "SELECT shop.insert_item()"}'')::text']) sql,
	fails(format('SELECT cqrs_query(''Act'', jsonb_build_object(''sql'', %L))', sql)) f;
SELECT state FROM fails($$SELECT cqrs_query_page('Act', '{"sql": "SELECT shop.insert_item()"}')$$);
-- nor by what resets the setting, puts it back before anybody looks, or goes on from row to row
CREATE FUNCTION resets(sql text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE sql;
	INSERT INTO shop.item SELECT LEAST(min(id), 1) - 1 FROM shop.item;
	SET transaction_read_only = on;
	RETURN 'written';
EXCEPTION WHEN OTHERS THEN
	RETURN 'not written';
END $$;
CREATE FUNCTION resets_inside(sql text) RETURNS text LANGUAGE plpgsql SET work_mem = '1MB' AS 'BEGIN EXECUTE sql; INSERT INTO shop.item SELECT LEAST(min(id), 1) - 1 FROM shop.item; RETURN ''written''; EXCEPTION WHEN OTHERS THEN RETURN ''not written''; END';
CREATE FUNCTION resets_often(sql text) RETURNS SETOF text LANGUAGE sql AS 'SELECT shop.resets(sql) FROM generate_series(1, 3)';
SELECT sql, (SELECT array_agg(DISTINCT o.r) FROM unnest('{resets,resets_inside,resets_often}'::text[]) f,
		LATERAL cqrs_query('Act', jsonb_build_object('sql', format('SELECT shop.%s(%L)', f, sql))) o (r)) AS outcome,
	(SELECT items FROM cqrs_query_page('Act', jsonb_build_object('sql', format('SELECT shop.resets(%L)', sql)))) AS page,
	cqrs_query('Act', jsonb_build_object('sql', format('SELECT cqrs_query(%L, %L)::text', 'Act', jsonb_build_object('sql', format('SELECT shop.resets(%L)', sql))))) AS nested
  FROM unnest(ARRAY['RESET transaction_read_only', 'SET transaction_read_only TO DEFAULT', 'SET LOCAL transaction_read_only TO DEFAULT',
	'SELECT set_config(''transaction_read_only'', NULL, true)', 'SET LOCAL transaction_read_only = off', 'SET TRANSACTION READ WRITE',
	'SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE', 'RESET ALL', 'DISCARD ALL']) sql;
SELECT count(*) FROM item WHERE id <= 0;
-- the caller can write between two rows
DO $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT * FROM cqrs_query('AllItems') LOOP
		INSERT INTO shop.item SELECT LEAST(min(id), 1) - 1 FROM shop.item;
		EXIT;
	END LOOP;
END $$;
SELECT count(*) FROM item WHERE id <= 0;
DELETE FROM item WHERE id <= 0;
-- outside it is as it was: in the same statement, after an error, and in a savepoint
SHOW transaction_read_only;
BEGIN;
SELECT (SELECT cqrs_query('ItemCount')), shop.insert_item();
SAVEPOINT a;
SELECT cqrs_query('Act', '{"sql": "SELECT shop.insert_item()"}');
ROLLBACK TO a;
SHOW transaction_read_only;
DELETE FROM item WHERE id = 0;
ROLLBACK;
SELECT count(*) FROM item;

-- the portal belongs to the query: who closes it ends the query, and what takes its name is not read
BEGIN;
DECLARE c CURSOR FOR SELECT cqrs_query('AllItems')->>'id' AS id;
FETCH 1 FROM c;
SELECT name AS portal FROM pg_cursors WHERE name <> 'c' \gset
CLOSE :"portal";
SAVEPOINT a;
FETCH 1 FROM c;
ROLLBACK TO a;
CLOSE c;
DECLARE c CURSOR FOR SELECT cqrs_query('AllItems')->>'id' AS id;
FETCH 1 FROM c;
SELECT name AS portal FROM pg_cursors WHERE name <> 'c' \gset
CLOSE :"portal";
DECLARE :"portal" CURSOR FOR SELECT 4702111234474983745::int8;
SAVEPOINT a;
FETCH 1 FROM c;
ROLLBACK TO a;
CLOSE c;
FETCH 1 FROM :"portal";
CLOSE :"portal";
DECLARE c CURSOR FOR SELECT cqrs_query('AllItems')->>'id' AS id;
FETCH 1 FROM c;
SELECT name AS portal FROM pg_cursors WHERE name <> 'c' \gset
CLOSE :"portal";
DECLARE :"portal" CURSOR FOR SELECT NULL::jsonb;
SAVEPOINT a;
FETCH 1 FROM c;
ROLLBACK TO a;
COMMIT;

-- rights: EXECUTE on the handler, at each call
CREATE ROLE regress_cqrs_reader;
GRANT USAGE ON SCHEMA shop TO regress_cqrs_reader;
GRANT SELECT ON item TO regress_cqrs_reader;
SELECT cqrs_grant('regress_cqrs_reader', 'query');
REVOKE EXECUTE ON FUNCTION items(item_params), item_count() FROM PUBLIC;
SELECT count(*) FROM cqrs_query('Items');
SET ROLE regress_cqrs_reader;
SELECT * FROM fails($$SELECT cqrs_query('Items')$$);
SELECT * FROM fails($$SELECT cqrs_query_page('ItemCount')$$);
SELECT count(*) FROM cqrs_query('AllItems');
RESET ROLE;
GRANT EXECUTE ON FUNCTION items(item_params) TO regress_cqrs_reader;
SET ROLE regress_cqrs_reader;
SELECT count(*) FROM cqrs_query('Items');
RESET ROLE;
-- a handler may ask who asks
CREATE FUNCTION who() RETURNS boolean LANGUAGE sql STABLE AS 'SELECT cqrs_actor() = session_user';
SELECT cqrs_create_query('Who', 'who()');
SET ROLE regress_cqrs_reader;
SELECT cqrs_query('Who');
RESET ROLE;
-- no right on the handler's schema is needed; what the function reads as its caller is another matter
REVOKE USAGE ON SCHEMA shop FROM regress_cqrs_reader;
ALTER FUNCTION items(item_params) SECURITY DEFINER;
SELECT total FROM cqrs_query_page('Items');
SET ROLE regress_cqrs_reader;
SELECT count(*) FROM cqrs_query('Items', '{"min_id": 3}');
SELECT total FROM cqrs_query_page('Items', '{"min_id": 3}');
DO $$
DECLARE
	path text;
BEGIN
	FOREACH path IN ARRAY ARRAY['public', '', 'pg_catalog, public', 'pg_temp', 'shop, "$user", "no such"', 'public, pg_temp'] LOOP
		PERFORM set_config('search_path', path, false);
		RAISE INFO '%: % %', path, (SELECT count(*) FROM cqrs_query('Items', '{"min_id": 3}')), (SELECT total FROM cqrs_query_page('Items', '{"min_id": 3}'));
	END LOOP;
END $$;
SET search_path TO public;
SELECT state, message FROM fails($$SELECT cqrs_query('AllItems')$$);
RESET ROLE;
SET search_path TO shop, public;
GRANT USAGE ON SCHEMA shop TO regress_cqrs_reader;

-- handlers that changed
ALTER FUNCTION item_count() VOLATILE;
SELECT * FROM fails($$SELECT cqrs_query('ItemCount')$$);
SELECT * FROM fails($$SELECT * FROM cqrs_query_page('ItemCount')$$);
ALTER FUNCTION item_count() IMMUTABLE;
SELECT * FROM cqrs_query('ItemCount');
DROP FUNCTION item_count();
SELECT * FROM fails($$SELECT cqrs_query('ItemCount')$$);
CREATE FUNCTION item_count() RETURNS record LANGUAGE sql STABLE AS 'SELECT 1, 2';
SELECT * FROM fails($$SELECT cqrs_query('ItemCount')$$);
DROP FUNCTION item_count();
CREATE PROCEDURE item_count() LANGUAGE sql AS '';
SELECT * FROM fails($$SELECT cqrs_query('ItemCount')$$);
DROP PROCEDURE item_count();
ALTER TABLE item ADD COLUMN colour text DEFAULT 'red';
SELECT * FROM cqrs_query('OneItem', '{"id": 1}');

-- what was dropped is gone, also when it was dropped where triggers are not fired
SET session_replication_role TO replica;
SELECT cqrs_drop_query('Who');
RESET session_replication_role;
SELECT state, message FROM fails($$SELECT cqrs_query('Who')$$);
SELECT tgrelid::regclass FROM pg_trigger WHERE tgname = 'invalidate' AND tgenabled <> 'A';

-- counters
SELECT cqrs_reset_stats();
DO $$
BEGIN
	PERFORM * FROM cqrs_query('AllItems');
	PERFORM * FROM cqrs_query('AllItems') LIMIT 1;
	PERFORM * FROM cqrs_query_page('AllItems');
	BEGIN
		PERFORM * FROM cqrs_query('Act', '{"sql": "SELECT (1/0)::text"}');
	EXCEPTION WHEN OTHERS THEN
	END;
END $$;
SELECT name, calls, accepted, rejected, replayed, total_ms >= max_ms AND max_ms >= mean_ms AS timed FROM cqrs.query_stats ORDER BY name;

SELECT cqrs_revoke('regress_cqrs_reader', 'query');
DROP SCHEMA shop CASCADE;
DROP ROLE regress_cqrs_reader;
SELECT cqrs_drop_query(name) FROM cqrs.query_type ORDER BY name;
