-- cqrs_diagram(): in a database of its own, as it draws all there is.
SELECT f.* FROM (VALUES
	($$SELECT cqrs_diagram('png')$$),
	($$SELECT cqrs_diagram('')$$),
	($$SELECT cqrs_diagram('Dot')$$),
	($$SELECT cqrs_diagram(NULL)$$)) s (statement), LATERAL fails(statement) f;
SELECT current_database() AS regression \gset
CREATE DATABASE regress_cqrs_diagram;
\c regress_cqrs_diagram
SET client_min_messages TO warning;
CREATE EXTENSION cqrs;
\pset format unaligned
\pset tuples_only on

-- nothing to draw
SELECT cqrs_diagram();
SELECT cqrs_diagram('dot');

-- A flow: what a command leads to is drawn when it has happened.
CREATE SCHEMA app;
CREATE SCHEMA pages;
CREATE FUNCTION app.open(p jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cqrs_emit('account-' || (p->>'id'), 'Opened', p);
	IF p ? 'money' THEN
		PERFORM cqrs_emit('account-' || (p->>'id'), 'Paid in', p);
	END IF;
	RETURN p->>'id';
END $$;
CREATE FUNCTION app.close(p jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cqrs_emit('account-' || (p->>'id'), 'Closed');
	RAISE EXCEPTION 'never';
END $$;
SELECT cqrs_create_command('Open', 'app.open(jsonb)');
SELECT cqrs_create_command('Close', 'app.close(jsonb)');
SELECT cqrs_create_event_type('Reviewed');
SELECT cqrs_create_projection('accounts', 'pages', 'CREATE TABLE account (id text PRIMARY KEY); CREATE TABLE total (n int PRIMARY KEY); CREATE TABLE _own (n int)');
SELECT cqrs_on('accounts', 'Opened', $$INSERT INTO account VALUES (event.stream_id)$$);
SELECT cqrs_on('accounts', 'Closed', $$DELETE FROM account WHERE id = event.stream_id$$);
SELECT cqrs_diagram();
SELECT cqrs_start('accounts');
SELECT cqrs_create_projection('log', 'pages', 'CREATE TABLE log (n bigint PRIMARY KEY)', mode => 'inline');
SELECT cqrs_on('log', '*', $$INSERT INTO log VALUES (event.position)$$);
SELECT cqrs_start('log');
SELECT cqrs_create_projection('later', 'pages', 'CREATE TABLE later (n bigint PRIMARY KEY)');
SELECT cqrs_on_batch('later', '{Opened,"Paid in"}', 'INSERT INTO later SELECT position FROM events');
SELECT cqrs_send('Open', '{"id": 1}');
SELECT ok, message FROM cqrs_try_send('Close', '{"id": 1}');
SELECT cqrs_emit('account-1', 'Paid in');

-- queries: what a body names, or depends on, and nothing that only looks like it
CREATE FUNCTION app.by_name() RETURNS SETOF text LANGUAGE sql STABLE AS 'SELECT id FROM pages.account';
CREATE FUNCTION app.by_quoted_name() RETURNS SETOF text LANGUAGE sql STABLE AS 'SELECT id FROM "pages" . "account" a, PAGES.Total';
CREATE FUNCTION app.by_path() RETURNS SETOF text LANGUAGE sql STABLE SET search_path TO pg_catalog, pages AS 'SELECT id FROM account';
CREATE FUNCTION app.by_dependency() RETURNS SETOF text LANGUAGE sql STABLE BEGIN ATOMIC SELECT id FROM pages.account; END;
CREATE FUNCTION app.by_none(p jsonb) RETURNS text LANGUAGE sql STABLE
	AS $$SELECT 'account, pages.account2, mypages.account, pages.account$1, x.pages.account, log'$$;
CREATE FUNCTION app.by_other_path() RETURNS text LANGUAGE sql STABLE SET search_path TO pages2 AS $$SELECT 'account'$$;
SELECT cqrs_create_query(name, ('app.' || name || args)::regprocedure)
FROM (VALUES ('by_name', '()'), ('by_quoted_name', '()'), ('by_path', '()'), ('by_dependency', '()'), ('by_none', '(jsonb)'), ('by_other_path', '()')) f (name, args);
SELECT cqrs_diagram();
SELECT cqrs_diagram('dot');

-- What has been dropped is not drawn; what a query's lost handler read neither.
SELECT cqrs_drop_command('Close');
SELECT cqrs_drop_projection('log'), cqrs_drop_projection('later');
DROP FUNCTION app.by_name(), app.by_path(), app.by_dependency();
SELECT cqrs_drop_query('by_none'), cqrs_drop_query('by_other_path'), cqrs_drop_query('by_path'), cqrs_drop_query('by_dependency');
SELECT cqrs_diagram();

-- What was seen long ago is seen still, and costs no look at all of the log.
SELECT cqrs_send('Open', '{"id": 2, "money": 5}');
SELECT cqrs_append('bulk-1', array_agg('Bulk'::text), array_agg('{}'::jsonb)) FROM generate_series(1, 11000);
SELECT line FROM string_to_table(cqrs_diagram(), E'\n') AS line WHERE line ~ 'c1|Paid';

-- What leaves the ledger is remembered; what no command has caused is not.
SELECT count(*) FROM cqrs.emission;
UPDATE cqrs.ledger SET received_at = received_at - interval '1 year';
SELECT cqrs_prune_ledger(1), cqrs_prune_ledger();
SELECT count(*) FROM cqrs.ledger;
SELECT command, event_type FROM cqrs.emission ORDER BY command, event_type;
SELECT line FROM string_to_table(cqrs_diagram(), E'\n') AS line WHERE line ~ 'c1|Paid';

-- in a read-only transaction
BEGIN READ ONLY;
SELECT length(cqrs_diagram()) > 0;
COMMIT;

-- who may
CREATE ROLE regress_cqrs_diagram;
SET ROLE regress_cqrs_diagram;
SELECT cqrs_diagram();
RESET ROLE;
SELECT cqrs_grant('regress_cqrs_diagram', 'watch');
SET ROLE regress_cqrs_diagram;
SELECT length(cqrs_diagram()) > 0;
RESET ROLE;
SELECT cqrs_revoke('regress_cqrs_diagram', 'watch');
DROP ROLE regress_cqrs_diagram;

-- Names cannot end a label, begin a line or bring markup along.
SELECT cqrs_drop_projection('accounts');
SELECT cqrs_drop_query('by_name'), cqrs_drop_query('by_quoted_name');
SELECT cqrs_create_command('Open"]; c1 --> e9', 'app.open(jsonb)');
SELECT cqrs_create_event_type('<img src=x>&amp;#35;`**bold**`\N');
SELECT cqrs_create_event_type('click e1 href "javascript:alert(1)" %% {{x}}');
CREATE SCHEMA "my ""pages"".*";
SELECT cqrs_create_projection('p" , shape=box];', 'my "pages".*', E'CREATE TABLE "a\n\tb" (n bigint PRIMARY KEY); CREATE TABLE "Käse.+" (n bigint PRIMARY KEY)');
SELECT cqrs_on('p" , shape=box];', 'Opened', $$INSERT INTO "Käse.+" VALUES (event.position)$$);
SELECT cqrs_start('p" , shape=box];');
CREATE FUNCTION app.by_odd_name() RETURNS SETOF bigint LANGUAGE sql STABLE AS $$SELECT n FROM "my ""pages"".*"."Käse.+"$$;
CREATE FUNCTION app.by_pattern() RETURNS text LANGUAGE sql STABLE AS $$SELECT '"my pages".x.Käseee'$$;
SELECT cqrs_create_query('odd', 'app.by_odd_name()'), cqrs_create_query('pattern', 'app.by_pattern()');
SELECT cqrs_diagram();
SELECT cqrs_diagram('dot');

\c :regression
DROP DATABASE regress_cqrs_diagram;
