-- Another build beside the live one, which takes its place: what changes, what
-- stays, and what is refused before any work is done.
CREATE ROLE rb_owner;
CREATE ROLE rb_reader;
CREATE ROLE rb_other;
CREATE FUNCTION public.rights_on(relation regclass)
	RETURNS TABLE (attname name, grantor regrole, grantee regrole, privilege text, grantable boolean) LANGUAGE sql AS $$
	SELECT NULL::name, r.grantor, r.grantee, r.privilege_type, r.is_grantable
	  FROM pg_class c, aclexplode(c.relacl) r WHERE c.oid = relation AND r.grantee <> c.relowner
	 UNION ALL
	SELECT a.attname, r.grantor, r.grantee, r.privilege_type, r.is_grantable
	  FROM pg_attribute a, aclexplode(a.attacl) r WHERE a.attrelid = relation AND NOT a.attisdropped
	 ORDER BY 1 NULLS FIRST, 3, 2, 4
$$;
-- what a view looks like, whatever way the server writes it
CREATE FUNCTION public.about(relation regclass)
	RETURNS TABLE (attname name, type regtype, comment text, options text, looks_at text) LANGUAGE sql AS $$
	SELECT a.attname, a.atttypid, col_description(c.oid, a.attnum), c.reloptions::text,
		   (SELECT string_agg(DISTINCT d.refobjid::regclass::text, ' ') FROM pg_rewrite w JOIN pg_depend d ON d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
			 WHERE w.ev_class = c.oid AND d.refobjid <> c.oid)
	  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 WHERE c.oid = relation ORDER BY a.attnum
$$;
SELECT cqrs_grant('rb_owner', 'define'), cqrs_grant('rb_owner', 'emit');
CREATE SCHEMA rb AUTHORIZATION rb_owner;
CREATE OPERATOR CLASS public.rb_int_ops FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int);
GRANT USAGE ON SCHEMA rb TO rb_reader, rb_other;
SET ROLE rb_owner;
SELECT cqrs_create_projection('rb', 'rb', $$
	CREATE TABLE orders (id int PRIMARY KEY, customer text, qty int, note text DEFAULT 'none');
	CREATE INDEX orders_customer ON orders (customer);
	CREATE INDEX orders_big ON orders (customer, qty DESC);
	CREATE TABLE _hidden (n int);
$$);
SELECT cqrs_on('rb', 'RbMade', $$ INSERT INTO orders (id, customer, qty) VALUES ((event.data ->> 'id')::int, event.data ->> 'customer', 0) $$);
SELECT cqrs_on('rb', 'RbAdded', $$ UPDATE orders SET qty = qty + (event.data ->> 'qty')::int WHERE id = (event.data ->> 'id')::int $$);
SELECT cqrs_start('rb');
SELECT count(cqrs_emit('rb-' || i, 'RbMade', jsonb_build_object('id', i, 'customer', 'c' || i % 2))) FROM generate_series(1, 4) i;
SELECT count(cqrs_emit('rb-' || i, 'RbAdded', jsonb_build_object('id', i, 'qty', i * 10))) FROM generate_series(1, 3) i;
-- one that is parked, as its number is none
SELECT cqrs_emit('rb-4', 'RbAdded', '{"id": 4, "qty": "many"}');
SELECT cqrs_catch_up('rb');
SELECT * FROM rb.orders ORDER BY id;
SELECT projection, build, stream, sqlstate FROM cqrs.projection_parked WHERE projection = 'rb';

-- is it what its events make?  Yes; and when somebody has had a hand in it, no.
SELECT * FROM cqrs_check('rb');
UPDATE "rb$1".orders SET note = 'by hand' WHERE id = 1;
DELETE FROM "rb$1".orders WHERE id = 2;
INSERT INTO "rb$1".orders VALUES (9, 'nobody', 1);
INSERT INTO "rb$1"._hidden VALUES (1), (1), (2);
SELECT * FROM cqrs_check('rb');
SELECT number, state FROM cqrs.build WHERE projection = 'rb';	-- permission denied: not for users
RESET ROLE;
SELECT number, state FROM cqrs.build WHERE projection = 'rb';

-- a draft is no obstacle to a check, and is still there after it
SET ROLE rb_owner;
SELECT cqrs_revise('rb');
SELECT relation FROM cqrs_check('rb') LIMIT 1;
SELECT cqrs_cancel_build('rb');
RESET ROLE;

-- what a user has added to the view
SET ROLE rb_owner;
COMMENT ON VIEW rb.orders IS 'all orders';
COMMENT ON COLUMN rb.orders.qty IS 'pieces';
COMMENT ON COLUMN rb.orders.note IS 'soon gone';
GRANT SELECT ON rb.orders TO rb_reader WITH GRANT OPTION;
GRANT SELECT (id, note), REFERENCES (id) ON rb.orders TO rb_other;
ALTER VIEW rb.orders SET (security_barrier = true, security_invoker = true);
GRANT USAGE ON SCHEMA "rb$1" TO rb_reader;
GRANT SELECT ON "rb$1".orders TO rb_reader;
GRANT SELECT (id) ON "rb$1".orders TO rb_other;
SET ROLE rb_reader;
GRANT SELECT ON rb.orders TO rb_other;
RESET ROLE;

-- the same again: all is repaired, everything stays
SET ROLE rb_owner;
SELECT cqrs_rebuild('rb');
SELECT * FROM fails($$SELECT cqrs_rebuild('rb')$$);
SELECT cqrs_revise('rb');
SELECT * FROM fails($$SELECT cqrs_on('rb', 'RbMade', 'DELETE FROM orders')$$);
SELECT cqrs_start('rb');
SELECT indexname FROM pg_indexes WHERE schemaname = 'rb$2' ORDER BY 1;	-- those that readers need come later
RESET ROLE;
SELECT projection, build, phase, events_done, time_left, tuples_written, waits_for_pids, last_error FROM cqrs.build_progress WHERE projection = 'rb';
SELECT state, live_build, next_build, progress FROM cqrs.projection_status WHERE projection = 'rb';
SET ROLE rb_owner;
SELECT * FROM rb.orders ORDER BY id;							-- meanwhile, nothing has changed
SELECT cqrs_catch_up('rb');
SELECT * FROM rb.orders ORDER BY id;
SELECT * FROM cqrs_check('rb');
SELECT indexdef FROM pg_indexes WHERE schemaname = 'rb$2' ORDER BY 1;
SELECT relname, reltuples FROM pg_class WHERE relnamespace = 'rb$2'::regnamespace AND relkind = 'r' ORDER BY 1;
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'rb$%' ORDER BY 1;
SELECT projection, build, stream, sqlstate FROM cqrs.projection_parked WHERE projection = 'rb';
SELECT * FROM about('rb.orders');
SELECT * FROM rights_on('rb.orders');
SELECT * FROM rights_on('"rb$2".orders');
SELECT obj_description('rb.orders'::regclass);
SET ROLE rb_reader;
SELECT count(*) FROM rb.orders;									-- security_invoker: by the privileges on the table
RESET ROLE;
SELECT state, live_build, next_build, progress FROM cqrs.projection_status WHERE projection = 'rb';

-- another shape: columns renamed, retyped, added and dropped, in another order; tables added and removed
SET ROLE rb_owner;
SELECT cqrs_revise('rb', tables => $$
	CREATE TABLE orders (customer text, id bigint PRIMARY KEY, pieces numeric, events int NOT NULL DEFAULT 0);
	CREATE TABLE customers (customer text PRIMARY KEY, orders int);
	CREATE VIEW busy AS SELECT * FROM customers WHERE orders > 1;
$$);
SELECT cqrs_on('rb', 'RbMade', $$
	INSERT INTO orders (id, customer, pieces) VALUES ((event.data ->> 'id')::int, event.data ->> 'customer', 0);
	INSERT INTO customers VALUES (event.data ->> 'customer', 1)
		ON CONFLICT (customer) DO UPDATE SET orders = customers.orders + 1;
$$);
SELECT cqrs_start('rb');										-- the other rule does not fit any more
SELECT cqrs_on('rb', 'RbAdded', $$ UPDATE orders SET pieces = pieces + (event.data ->> 'qty')::int, events = events + 1 WHERE id = (event.data ->> 'id')::int $$);
SELECT * FROM cqrs_explain('rb');

-- nothing may depend on what changes
CREATE VIEW rb.mine AS SELECT id, qty FROM rb.orders;
CREATE FUNCTION rb.f(o rb.orders) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE VIEW rb.deep AS SELECT id FROM "rb$2".orders;
CREATE TABLE rb.refers (id int REFERENCES "rb$2".orders);
CREATE TABLE rb.customers ();
SELECT cqrs_start('rb');
DROP VIEW rb.mine;
SELECT cqrs_start('rb');
DROP FUNCTION rb.f;
SELECT cqrs_start('rb');
DROP TABLE rb.customers;
SELECT cqrs_start('rb');
DROP VIEW rb.deep;
SELECT cqrs_start('rb');
DROP TABLE rb.refers;
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'rb$%' ORDER BY 1;	-- nothing is half created
SELECT cqrs_start('rb');
-- and if something has come in between, the old build stays
CREATE VIEW rb.mine AS SELECT id, qty FROM rb.orders;
SELECT cqrs_catch_up('rb');
SELECT * FROM rb.orders ORDER BY id;
RESET ROLE;
SELECT build, phase, last_error FROM cqrs.build_progress WHERE projection = 'rb';
SET ROLE rb_owner;
DROP VIEW rb.mine;
SELECT cqrs_catch_up('rb');
SELECT cqrs_resume('rb');
SELECT cqrs_catch_up('rb');
SELECT * FROM rb.orders ORDER BY id;
SELECT * FROM rb.busy;
SELECT * FROM rb.customers ORDER BY 1;
SELECT * FROM about('rb.orders');
SELECT * FROM rights_on('rb.orders');
SELECT * FROM rights_on('"rb$3".orders');
SELECT obj_description('rb.orders'::regclass);
SELECT cqrs_emit('rb-5', 'RbMade', '{"id": 5, "customer": "c9"}');
SELECT cqrs_catch_up('rb');
SELECT * FROM cqrs_check('rb');

-- a column more at the end: the view keeps its identity, and what looks at it
SELECT oid AS view_oid FROM pg_class WHERE relname = 'orders' AND relnamespace = 'rb'::regnamespace \gset
CREATE VIEW rb.mine AS SELECT id, pieces FROM rb.orders;
SELECT cqrs_revise('rb', tables => $$
	CREATE TABLE orders (customer text, id bigint PRIMARY KEY, pieces numeric, events int NOT NULL DEFAULT 0, more text DEFAULT 'x');
	CREATE TABLE customers (customer text PRIMARY KEY, orders int);
$$, keep_previous => '1 hour');
SELECT cqrs_start('rb');
SELECT cqrs_catch_up('rb');
SELECT oid = :view_oid AS same FROM pg_class WHERE relname = 'orders' AND relnamespace = 'rb'::regnamespace;
SELECT * FROM rb.orders WHERE id = 5;
SELECT * FROM rb.mine WHERE id = 5;
SELECT * FROM rb.busy;											-- gone
-- the previous build is kept, and can be brought back
RESET ROLE;
SELECT number, state, keep_until > now() + '59 min' AS kept FROM cqrs.build WHERE projection = 'rb' ORDER BY 1;
SET ROLE rb_owner;
SELECT cqrs_emit('rb-5', 'RbAdded', '{"id": 5, "qty": 50}');
SELECT cqrs_catch_up('rb');
DROP VIEW rb.mine;
SELECT cqrs_revert('rb');
SELECT * FROM rb.orders WHERE id = 5;
SELECT * FROM rb.busy;
RESET ROLE;
SELECT number, state, keep_until > now() + '59 min' AS kept FROM cqrs.build WHERE projection = 'rb' ORDER BY 1;
SET ROLE rb_owner;
-- and back again, with events that nobody has applied yet
SELECT cqrs_emit('rb-5', 'RbAdded', '{"id": 5, "qty": 5}');
SELECT cqrs_revert('rb');
SELECT * FROM rb.orders WHERE id = 5;
SELECT * FROM cqrs_check('rb');
RESET ROLE;
UPDATE cqrs.build SET keep_until = now() WHERE projection = 'rb' AND state = 'previous';
SET ROLE rb_owner;
SELECT cqrs_revert('rb');
SELECT cqrs_catch_up('rb');
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'rb$%' ORDER BY 1;

-- a new rule that fails stops the new build, not the projection
SELECT cqrs_revise('rb', keep_previous => '0');
SELECT cqrs_revise('rb');
SELECT cqrs_on('rb', 'RbAdded', $$ UPDATE orders SET pieces = 1 / ((event.data ->> 'qty')::int - 50) WHERE id = (event.data ->> 'id')::int $$);
SELECT cqrs_rebuild('rb');
SELECT cqrs_start('rb');
SELECT cqrs_cancel_build('rb');
RESET ROLE;
UPDATE cqrs.projection SET on_error = 'stop' WHERE name = 'rb';
SET ROLE rb_owner;
SELECT cqrs_revise('rb');
SELECT cqrs_on('rb', 'RbAdded', $$ UPDATE orders SET pieces = 1 / ((event.data ->> 'qty')::int - 50) WHERE id = (event.data ->> 'id')::int $$);
\set VERBOSITY terse
SELECT cqrs_start('rb');
SELECT cqrs_catch_up('rb');
SELECT cqrs_emit('rb-5', 'RbMade', '{"id": 6, "customer": "c6"}');
SELECT cqrs_catch_up('rb');
SELECT count(*) FROM rb.orders;
RESET ROLE;
SELECT state, live_build, next_build FROM cqrs.projection_status WHERE projection = 'rb';
SELECT build, phase, regexp_replace(last_error, '\d+', 'N') AS last_error FROM cqrs.build_progress WHERE projection = 'rb';
SET ROLE rb_owner;
SELECT cqrs_cancel_build('rb');
SELECT cqrs_cancel_build('rb');

-- one that has been stopped is mended by a better rule
SELECT cqrs_emit('rb-6', 'RbMade', '{"id": 6, "customer": "again"}');
SELECT cqrs_catch_up('rb');
SELECT cqrs_revise('rb');
SELECT cqrs_on('rb', 'RbMade', $$
	INSERT INTO orders (id, customer, pieces) VALUES ((event.data ->> 'id')::int, event.data ->> 'customer', 0)
		ON CONFLICT DO NOTHING $$);
SELECT cqrs_on('rb', 'RbAdded', $$ UPDATE orders SET pieces = pieces + length(event.data ->> 'qty') WHERE id = (event.data ->> 'id')::int $$);
SELECT cqrs_start('rb');
SELECT cqrs_catch_up('rb');
RESET ROLE;
SELECT state, live_build, next_build FROM cqrs.projection_status WHERE projection = 'rb';
SET ROLE rb_owner;
SELECT id, customer, pieces FROM rb.orders ORDER BY id;
\set VERBOSITY default

-- paused is the whole projection
SELECT cqrs_rebuild('rb');
SELECT cqrs_pause('rb');
SELECT cqrs_catch_up('rb');
RESET ROLE;
SELECT phase FROM cqrs.build_progress WHERE projection = 'rb';
SET ROLE rb_owner;
SELECT cqrs_resume('rb');

-- all in one transaction, which is rolled back
BEGIN;
SELECT cqrs_emit('rb-7', 'RbMade', '{"id": 7, "customer": "c7"}');
SELECT cqrs_catch_up('rb');
SELECT customer FROM rb.orders WHERE id = 7;
SELECT * FROM cqrs_check('rb');
ROLLBACK;
SELECT customer FROM rb.orders WHERE id = 7;
SELECT cqrs_cancel_build('rb');

-- views that are somebody else's
RESET ROLE;
ALTER VIEW rb.orders OWNER TO rb_other;
SET ROLE rb_owner;
SELECT cqrs_rebuild('rb');
RESET ROLE;
GRANT rb_other TO rb_owner;
SET ROLE rb_owner;
SELECT cqrs_rebuild('rb');
SELECT cqrs_catch_up('rb');
SELECT viewowner FROM pg_views WHERE schemaname = 'rb' AND viewname = 'orders';

-- nobody else's business
SET ROLE rb_other;
SELECT cqrs_rebuild('rb');
RESET ROLE;
SELECT cqrs_grant('rb_other', 'define');
SET ROLE rb_other;
SELECT cqrs_rebuild('rb');
SELECT cqrs_revise('rb');
SELECT cqrs_cancel_build('rb');
SELECT cqrs_revert('rb');
SELECT * FROM cqrs_check('rb');
RESET ROLE;

-- arguments
SELECT cqrs_rebuild(NULL);
SELECT cqrs_rebuild('no such');
SELECT cqrs_rebuild('rb', '-1 day');
SELECT cqrs_revise(NULL);
SELECT cqrs_revise('no such');
SELECT cqrs_cancel_build(NULL);
SELECT cqrs_cancel_build('no such');
SELECT cqrs_revert(NULL);
SELECT cqrs_revert('no such');
SELECT * FROM cqrs_check(NULL);
SELECT * FROM cqrs_check('no such');
SELECT cqrs_create_projection('rb_draft', 'rb', 'CREATE TABLE a (id int)', keep_previous => '-1 s');
SELECT cqrs_create_projection('rb_draft', 'rb', 'CREATE TABLE a (id int)', keep_previous => NULL);
SELECT cqrs_create_projection('rb_draft', 'rb', 'CREATE TABLE a (id int)');
SELECT cqrs_rebuild('rb_draft');
SELECT cqrs_check('rb_draft');
SELECT cqrs_cancel_build('rb_draft');
SELECT cqrs_revert('rb_draft');
SELECT cqrs_revise('rb_draft');
SELECT cqrs_revise('rb_draft', 'CREATE TABLE b (id int)');
SELECT cqrs_start('rb_draft');
SELECT * FROM rb.b;
SELECT cqrs_drop_projection('rb_draft');

-- inline: the model is current at each moment, and so is the next one when it comes
SELECT cqrs_create_projection('rb_inline', 'rb', 'CREATE TABLE inl (id int PRIMARY KEY, n int)', mode => 'inline', keep_previous => '1 hour');
SELECT cqrs_on('rb_inline', 'RbMade', $$ INSERT INTO inl VALUES ((event.data ->> 'id')::int, 1) ON CONFLICT (id) DO UPDATE SET n = inl.n + 1 $$);
SELECT cqrs_start('rb_inline');
SELECT * FROM cqrs_check('rb_inline');
SELECT cqrs_revise('rb_inline');
SELECT cqrs_on('rb_inline', 'RbMade', $$ INSERT INTO inl VALUES ((event.data ->> 'id')::int, 100) ON CONFLICT (id) DO UPDATE SET n = inl.n + 100 $$);
SELECT cqrs_start('rb_inline');
SELECT cqrs_emit('rb-8', 'RbMade', '{"id": 8, "customer": "c8"}');
SELECT * FROM rb.inl ORDER BY id;
BEGIN;
SELECT cqrs_emit('rb-9', 'RbMade', '{"id": 9, "customer": "c9"}');
SELECT cqrs_catch_up('rb_inline') > 0 AS applied;
SELECT * FROM rb.inl ORDER BY id;
SELECT cqrs_emit('rb-10', 'RbMade', '{"id": 10, "customer": "c10"}');
SELECT * FROM rb.inl WHERE id >= 9 ORDER BY id;
COMMIT;
SELECT cqrs_emit('rb-10', 'RbMade', '{"id": 10, "customer": "c10"}');
SELECT * FROM rb.inl WHERE id >= 9 ORDER BY id;
SELECT * FROM cqrs_check('rb_inline');
SELECT cqrs_revert('rb_inline');
SELECT * FROM rb.inl ORDER BY id;
SELECT cqrs_emit('rb-10', 'RbMade', '{"id": 10, "customer": "c10"}');
SELECT * FROM rb.inl WHERE id = 10;
SELECT * FROM cqrs_check('rb_inline');
-- one that cannot take every event does not get there
SELECT cqrs_revise('rb_inline');
SELECT cqrs_on('rb_inline', 'RbMade', $$ INSERT INTO inl VALUES ((event.data ->> 'id')::int, 1 / ((event.data ->> 'id')::int - 9)) $$);
SELECT cqrs_start('rb_inline');
SELECT cqrs_catch_up('rb_inline') > 0 AS applied;
SELECT build, phase, last_error FROM cqrs.build_progress WHERE projection = 'rb_inline';
SELECT cqrs_emit('rb-10', 'RbMade', '{"id": 10, "customer": "c10"}');
SELECT * FROM rb.inl WHERE id = 10;

-- what is created afterwards is what was left out, whatever could be named without a schema when it was
SELECT cqrs_start('rb_path') FROM (SELECT cqrs_create_projection('rb_path', 'rb', 'CREATE TABLE halves (id int PRIMARY KEY, n int); CREATE INDEX ON halves (n public.rb_int_ops)'),
	cqrs_on('rb_path', 'RbMade', 'INSERT INTO halves VALUES ((event.data ->> ''id'')::int, 1)')) x;
SET search_path = rb, public, pg_catalog;
SELECT cqrs_rebuild('rb_path');
RESET search_path;
SELECT cqrs_catch_up('rb_path') > 0;
SELECT indexdef FROM pg_indexes WHERE schemaname LIKE 'rb\_path$_' ORDER BY 1;
SELECT live_build, next_build FROM cqrs.projection_status WHERE projection = 'rb_path';
SELECT cqrs_drop_projection('rb_path');

-- a row that another index refuses: its event is parked, as it is when the index is there from the start
SELECT cqrs_start('rb_refuse') FROM (SELECT cqrs_create_projection('rb_refuse', 'rb', 'CREATE TABLE d (id int PRIMARY KEY, c text, n int); CREATE INDEX d_c ON d (c); CREATE INDEX d_n ON d ((1 / n)); CREATE INDEX d_p ON d (id) WHERE 1 / (n - 1) > 0'),
	cqrs_on('rb_refuse', 'RbRefused', 'INSERT INTO d VALUES ((event.data ->> ''id'')::int, event.data ->> ''c'', (event.data ->> ''n'')::int)')) x;
SELECT count(cqrs_emit('rbrefused-' || i, 'RbRefused', jsonb_build_object('id', i, 'n', CASE WHEN i < 4 THEN i ELSE 2 END, 'c', CASE WHEN i = 2 THEN (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 300) n) ELSE 'short' END)))
  FROM unnest(array[2, 0, 1, 4, 5]) i;
SELECT cqrs_catch_up('rb_refuse');
SELECT stream, sqlstate FROM cqrs.projection_parked WHERE projection = 'rb_refuse' ORDER BY position;
SELECT cqrs_rebuild('rb_refuse');
SELECT indexname FROM pg_indexes WHERE schemaname = 'rb_refuse$2' ORDER BY 1;
SELECT cqrs_catch_up('rb_refuse') > 0 AS applied;
SELECT build, stream, sqlstate FROM cqrs.projection_parked WHERE projection = 'rb_refuse' ORDER BY position;
SELECT id, n FROM rb.d ORDER BY id;
SELECT indexname FROM pg_indexes WHERE schemaname = 'rb_refuse$2' ORDER BY 1;
SELECT * FROM cqrs_check('rb_refuse');
SELECT live_build, next_build, regexp_replace(last_error, 'event \d+', 'event N') AS last_error FROM cqrs.projection_status WHERE projection = 'rb_refuse';
SELECT cqrs_drop_projection('rb_refuse');

-- a value that is too long for an index that comes later, even if another event shortens it again
SELECT cqrs_create_projection('rb_long', 'rb', $$ CREATE TABLE l (id int PRIMARY KEY, c text, j jsonb, h text);
	CREATE INDEX l_c ON l (id) INCLUDE (c); CREATE INDEX l_j ON l USING gin (j); CREATE INDEX l_h ON l USING hash (h) $$);
SELECT cqrs_on('rb_long', type, $$ INSERT INTO l VALUES (event.stream_id::int, event.data ->> 'c', event.data, event.data ->> 'h') ON CONFLICT (id) DO UPDATE SET c = excluded.c $$)
  FROM unnest(array['RbLong', 'RbLonger']) type;
SELECT cqrs_start('rb_long');
SELECT count(cqrs_emit('rblong-' || i, 'RbLong', jsonb_build_object('c', c, 'h', repeat(md5('h'), 100))))
  FROM (VALUES (1, 'short'), (2, 'short'), (1, 'shorter'), (3, 'short')) AS v(i, c);
SELECT cqrs_catch_up('rb_long');
SELECT cqrs_rebuild('rb_long');
SELECT indexname FROM pg_indexes WHERE schemaname = 'rb_long$2' ORDER BY 1;
SELECT cqrs_catch_up('rb_long') > 0 AS applied;
SELECT count(cqrs_emit('rblong-' || i, 'RbLonger', jsonb_build_object('c', c)))
  FROM (SELECT 2, string_agg(md5(n::text), '') FROM generate_series(1, 300) n UNION ALL VALUES (2, 'shortened'), (3, 'shortened')) AS v(i, c);
SELECT cqrs_catch_up('rb_long') > 0 AS applied;
SELECT stream, sqlstate FROM cqrs.projection_parked WHERE projection = 'rb_long' ORDER BY position;
SELECT cqrs_rebuild('rb_long');
SELECT cqrs_catch_up('rb_long') > 0 AS applied;
SELECT build, stream, sqlstate FROM cqrs.projection_parked WHERE projection = 'rb_long' ORDER BY position;
SELECT indexname FROM pg_indexes WHERE schemaname = 'rb_long$3' ORDER BY 1;
SELECT id, c FROM rb.l ORDER BY id;
SELECT * FROM cqrs_check('rb_long');
SELECT cqrs_drop_projection('rb_long');

-- a unique index decides about rows, so it is there from the start; and with it rules
-- are statements, which may look for rows by any index
SELECT cqrs_create_projection('rb_unique', 'rb', 'CREATE TABLE u (id int PRIMARY KEY, c text UNIQUE, n int); CREATE INDEX u_n ON u (n)');
SELECT cqrs_on('rb_unique', 'RbMade', $$ INSERT INTO u VALUES ((event.data ->> 'id')::int, event.stream, 1) ON CONFLICT DO NOTHING $$);
SELECT cqrs_start('rb_unique');
SELECT cqrs_catch_up('rb_unique') > 0 AS applied;
SELECT cqrs_rebuild('rb_unique');
SELECT indexname FROM pg_indexes WHERE schemaname = 'rb_unique$2' ORDER BY 1;
SELECT cqrs_catch_up('rb_unique') > 0 AS applied;
SELECT live_build FROM cqrs.projection_status WHERE projection = 'rb_unique';
SELECT cqrs_drop_projection('rb_unique');

-- comments of the definition are shown on the views, unless these have others
SELECT cqrs_start('rb_said') FROM (SELECT cqrs_create_projection('rb_said', 'rb', $$CREATE TABLE said (id int PRIMARY KEY, a int, b int, c int);
	COMMENT ON TABLE said IS 'what was said'; COMMENT ON COLUMN said.a IS 'first'; COMMENT ON COLUMN said.b IS 'second'; COMMENT ON COLUMN said.c IS 'third'$$)) x;
SELECT obj_description('rb.said'::regclass), attname, comment FROM about('rb.said');
COMMENT ON COLUMN rb.said.id IS 'mine';
COMMENT ON COLUMN rb.said.a IS 'mine';
COMMENT ON COLUMN rb.said.b IS NULL;
SELECT cqrs_revise('rb_said', $$CREATE TABLE said (d int, id int PRIMARY KEY, a int, b int, c int);
	COMMENT ON COLUMN said.id IS 'key'; COMMENT ON COLUMN said.a IS '1st'; COMMENT ON COLUMN said.b IS '2nd'; COMMENT ON COLUMN said.c IS '3rd'; COMMENT ON COLUMN said.d IS '4th'$$),
	cqrs_start('rb_said');
SELECT cqrs_catch_up('rb_said');
SELECT obj_description('rb.said'::regclass), attname, comment FROM about('rb.said');
SELECT cqrs_drop_projection('rb_said');

-- a type that is made with the tables is another one in each build, and so is a row of the view
SELECT cqrs_start('rb_type') FROM (SELECT cqrs_create_projection('rb_type', 'rb', 'CREATE TYPE state AS ENUM (''in'', ''out''); CREATE TABLE book (id int PRIMARY KEY, state state)')) x;
CREATE FUNCTION rb.books() RETURNS SETOF rb.book LANGUAGE sql AS 'SELECT * FROM rb.book';
SELECT * FROM fails($$SELECT cqrs_rebuild('rb_type')$$);
DROP FUNCTION rb.books;
SELECT cqrs_rebuild('rb_type', keep_previous => '1 day');
SELECT * FROM fails($$SELECT cqrs_revert('rb_type')$$);			-- not yet
CREATE FUNCTION rb.books() RETURNS SETOF rb.book LANGUAGE sql AS 'SELECT * FROM rb.book';
SELECT cqrs_catch_up('rb_type');
SELECT last_error FROM cqrs.build_progress WHERE projection = 'rb_type';
DROP FUNCTION rb.books;
SELECT cqrs_drop_projection('rb_type');

-- a schema that we know nothing of is left alone
SELECT cqrs_drop_projection('rb_inline');
CREATE SCHEMA "rb_inline$1";
SELECT cqrs_create_projection('rb_inline', 'rb', 'CREATE TABLE inl (id int PRIMARY KEY, n int)');
SELECT cqrs_start('rb_inline');
SELECT live_build FROM cqrs.projection_status WHERE projection = 'rb_inline';
SELECT cqrs_drop_projection('rb_inline');
DROP SCHEMA "rb_inline$1";
SELECT cqrs_drop_projection('rb');
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'rb%$%';
SELECT name FROM cqrs.cursor WHERE name LIKE 'rb%';
SELECT count(*) FROM cqrs.build WHERE projection LIKE 'rb%';
DROP SCHEMA rb CASCADE;
SELECT cqrs_revoke('rb_owner', 'define'), cqrs_revoke('rb_owner', 'emit'), cqrs_revoke('rb_other', 'define');
DROP FUNCTION public.rights_on, public.about;
DROP OPERATOR FAMILY public.rb_int_ops USING btree;
DROP ROLE rb_owner, rb_reader, rb_other;
