/* Part of cqrs: queries. */

--
-- Registered queries, stored as commands are
--
CREATE TABLE cqrs.query_registry (
	name text COLLATE pg_catalog."C" NOT NULL CONSTRAINT query_registry_pkey PRIMARY KEY,
	handler_schema text NOT NULL,
	handler_name text NOT NULL,
	argument text,
	owner text NOT NULL,
	description text,
	created_at timestamp with time zone NOT NULL DEFAULT pg_catalog.now()
);
REVOKE ALL ON TABLE cqrs.query_registry FROM PUBLIC;
COMMENT ON TABLE cqrs.query_registry IS 'Registered queries and their handlers';
COMMENT ON COLUMN cqrs.query_registry.argument IS 'Type of the parameters, schema-qualified; null when there are none';
COMMENT ON COLUMN cqrs.query_registry.owner IS 'Owner of the handler when it was registered';
COMMENT ON COLUMN cqrs.query_registry.name IS 'Name of the query';
COMMENT ON COLUMN cqrs.query_registry.handler_schema IS 'Schema of the handler';
COMMENT ON COLUMN cqrs.query_registry.handler_name IS 'Name of the handler';
COMMENT ON COLUMN cqrs.query_registry.description IS 'What the query answers';
COMMENT ON COLUMN cqrs.query_registry.created_at IS 'When it was registered';
SELECT pg_catalog.pg_extension_config_dump('cqrs.query_registry', '');

CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON cqrs.query_registry
	FOR EACH STATEMENT EXECUTE FUNCTION cqrs.invalidate();
ALTER TABLE cqrs.query_registry ENABLE ALWAYS TRIGGER invalidate;

CREATE VIEW cqrs.query_type AS
	SELECT r.name,
		   r.argument AS params,
		   cqrs.payload_fields(r.argument) AS fields,
		   pg_catalog.format('%I.%I(%s)', r.handler_schema, r.handler_name, r.argument) AS handler,
		   r.owner,
		   r.description,
		   r.created_at
	  FROM cqrs.query_registry r;
REVOKE ALL ON TABLE cqrs.query_type FROM PUBLIC;
COMMENT ON VIEW cqrs.query_type IS 'Registered queries, for those who run them';
COMMENT ON COLUMN cqrs.query_type.params IS 'Type of the parameters';
COMMENT ON COLUMN cqrs.query_type.fields IS
	'Fields of the parameters: name, type, required, comment of the field or else of its domain';
COMMENT ON COLUMN cqrs.query_type.name IS 'Name of the query, for cqrs_query()';
COMMENT ON COLUMN cqrs.query_type.handler IS 'Function that answers it; who may execute it may ask the query';
COMMENT ON COLUMN cqrs.query_type.owner IS 'Role that may drop or replace the query';
COMMENT ON COLUMN cqrs.query_type.description IS 'What the query answers';
COMMENT ON COLUMN cqrs.query_type.created_at IS 'When it was registered';

CREATE FUNCTION cqrs_create_query(name text, handler regprocedure, description text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_create_query(text, regprocedure, text) IS
	'Registers a query and the function that answers it';

CREATE FUNCTION cqrs_drop_query(name text)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_drop_query(text) IS 'Removes a query; its handler stays';

-- PostgreSQL collects all rows of a function in FROM before it gives the first
-- one.  So cqrs_query() is one that the planner sees through: what remains is a
-- set-returning function in a select list, whose rows come one by one.
CREATE FUNCTION cqrs.run_query(name text, params jsonb, token text, timeout interval)
	RETURNS SETOF jsonb
	LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100 AS 'MODULE_PATHNAME', 'cqrs_query';
COMMENT ON FUNCTION cqrs.run_query(text, jsonb, text, interval) IS 'Does the work of cqrs_query()';

CREATE FUNCTION cqrs_query(name text, params jsonb DEFAULT '{}', token text DEFAULT NULL,
						   timeout interval DEFAULT '5s')
	RETURNS SETOF jsonb
	LANGUAGE sql STABLE PARALLEL UNSAFE ROWS 100
	BEGIN ATOMIC
		SELECT cqrs.run_query(name, params, token, timeout);
	END;
COMMENT ON FUNCTION cqrs_query(text, jsonb, text, interval) IS
	'Runs a query and returns its rows as jsonb; with a token, when projections have followed';

CREATE FUNCTION cqrs_query_page(name text, params jsonb DEFAULT '{}', page integer DEFAULT 1,
								page_size integer DEFAULT 20)
	RETURNS TABLE (items jsonb, total bigint, page integer, page_size integer)
	LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_query_page(text, jsonb, integer, integer) IS
	'Runs a query and returns one page of its rows, and how many there are in all';

CREATE FUNCTION cqrs_diagram(format text DEFAULT 'mermaid')
	RETURNS text
	LANGUAGE C VOLATILE PARALLEL UNSAFE SET jit = off AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_diagram(text) IS
	'Draws which commands lead to which events, projections, views and queries, as text for mermaid or dot (graphviz)';

REVOKE ALL ON FUNCTION cqrs_create_query(text, regprocedure, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_drop_query(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs.run_query(text, jsonb, text, interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_query(text, jsonb, text, interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_query_page(text, jsonb, integer, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_diagram(text) FROM PUBLIC;
