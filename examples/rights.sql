-- The least that an application needs: one role owns everything, the other one
-- sends commands, runs queries, and reads views.  Workers log in as the owner;
-- without a password and a line in pg_hba.conf nobody else can.
CREATE ROLE example_owner LOGIN; -- NOLOGIN from PostgreSQL 17 on
CREATE ROLE example_app LOGIN;
CREATE SCHEMA shop AUTHORIZATION example_owner;
CREATE SCHEMA shop_read AUTHORIZATION example_owner;
SELECT cqrs_grant('example_owner', 'define'), cqrs_grant('example_owner', 'emit');
SELECT cqrs_grant('example_app', 'send'), cqrs_grant('example_app', 'query');

SET ROLE example_owner;
CREATE TABLE shop.item (order_id bigint, product text, qty int CHECK (qty > 0));
CREATE FUNCTION shop.add_item(p jsonb) RETURNS text LANGUAGE plpgsql
	SECURITY DEFINER SET search_path = shop, pg_temp AS $$
BEGIN
	INSERT INTO item VALUES ((p->>'order_id')::bigint, p->>'product', (p->>'qty')::int);
	PERFORM cqrs_emit('order-' || (p->>'order_id'), 'ItemAdded', p);
	RETURN p->>'order_id';
END $$;
SELECT cqrs_create_projection('order_summary', 'shop_read', $$
	CREATE TABLE order_summary (order_id bigint PRIMARY KEY, items int NOT NULL) $$),
	cqrs_on('order_summary', 'ItemAdded', $$
	INSERT INTO order_summary VALUES ((event.data->>'order_id')::bigint, (event.data->>'qty')::int)
	ON CONFLICT (order_id) DO UPDATE SET items = order_summary.items + excluded.items $$),
	cqrs_start('order_summary');
CREATE FUNCTION shop_read.order_of(p jsonb) RETURNS TABLE (order_id bigint, items int) LANGUAGE sql STABLE AS $$
	SELECT order_id, items FROM shop_read.order_summary WHERE order_id = (p->>'order_id')::bigint $$;
REVOKE EXECUTE ON FUNCTION shop.add_item(jsonb), shop_read.order_of(jsonb) FROM PUBLIC;
SELECT cqrs_create_command('AddItem', 'shop.add_item(jsonb)'), cqrs_create_query('OrderOf', 'shop_read.order_of(jsonb)');
-- What the application gets: no table, no schema but the one it reads.
GRANT EXECUTE ON FUNCTION shop.add_item(jsonb), shop_read.order_of(jsonb) TO example_app;
GRANT USAGE ON SCHEMA shop_read TO example_app;
GRANT SELECT ON shop_read.order_summary TO example_app;
RESET ROLE;

SET ROLE example_app;
SELECT cqrs_send('AddItem', '{"order_id": 7, "product": "pen", "qty": 2}');
SELECT ok, message FROM cqrs_try_send('AddItem', '{"order_id": 7, "product": "pen", "qty": 0}');
RESET ROLE;
SELECT cqrs_catch_up() >= 0 AS caught_up;
SET ROLE example_app;
SELECT * FROM cqrs_query('OrderOf', '{"order_id": 7}');
TABLE shop_read.order_summary;
-- And nothing else.
CREATE FUNCTION pg_temp.outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'went through';
EXCEPTION WHEN insufficient_privilege THEN
	RETURN sqlerrm;
END $$;
SELECT statement, pg_temp.outcome(statement) FROM unnest(ARRAY[
	'TABLE shop.item',
	'SELECT shop.add_item(''{}'')',
	'SELECT cqrs_emit(''order-7'', ''ItemAdded'')',
	'SELECT cqrs_stream(''order-7'')',
	'TABLE cqrs.outbox',
	'TABLE cqrs.ledger',
	'TABLE "order_summary$1".order_summary',
	'UPDATE shop_read.order_summary SET items = 0',
	'SELECT cqrs_pause(''order_summary'')',
	'SELECT cqrs_drop_command(''AddItem'')']) statement;
RESET ROLE;
