/* Part of cqrs: commands. */

--
-- Registered commands.  Handlers are stored by name, so that a dump restores
-- them, with the role they belonged to.
--
CREATE TABLE cqrs.command_registry (
	name text COLLATE pg_catalog."C" NOT NULL CONSTRAINT command_registry_pkey PRIMARY KEY,
	handler_schema text NOT NULL,
	handler_name text NOT NULL,
	argument text,
	owner text NOT NULL,
	description text,
	created_at timestamp with time zone NOT NULL DEFAULT pg_catalog.now()
);
REVOKE ALL ON TABLE cqrs.command_registry FROM PUBLIC;
COMMENT ON TABLE cqrs.command_registry IS 'Registered commands and their handlers';
COMMENT ON COLUMN cqrs.command_registry.argument IS 'Type of the payload, schema-qualified';
COMMENT ON COLUMN cqrs.command_registry.owner IS 'Owner of the handler when it was registered';
COMMENT ON COLUMN cqrs.command_registry.name IS 'Name of the command';
COMMENT ON COLUMN cqrs.command_registry.handler_schema IS 'Schema of the handler';
COMMENT ON COLUMN cqrs.command_registry.handler_name IS 'Name of the handler';
COMMENT ON COLUMN cqrs.command_registry.description IS 'What the command is for';
COMMENT ON COLUMN cqrs.command_registry.created_at IS 'When it was registered';
SELECT pg_catalog.pg_extension_config_dump('cqrs.command_registry', '');

CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON cqrs.command_registry
	FOR EACH STATEMENT EXECUTE FUNCTION cqrs.invalidate();
ALTER TABLE cqrs.command_registry ENABLE ALWAYS TRIGGER invalidate;

--
-- The fields of a composite type, for people: a JSON array of objects.  The type
-- is looked for by its name as text: who may see a command need not have USAGE on
-- the schema of its payload.
--
CREATE FUNCTION cqrs.payload_fields(payload text) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL SAFE
	RETURN (
		SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
					'name', a.attname,
					'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
					'required', a.attnotnull OR EXISTS (
						WITH RECURSIVE d AS (
							SELECT t.typbasetype, t.typnotnull
							UNION ALL
							SELECT b.typbasetype, b.typnotnull
							  FROM d
							  JOIN pg_catalog.pg_type b ON b.oid OPERATOR(pg_catalog.=) d.typbasetype
						)
						SELECT FROM d WHERE d.typnotnull),
					'comment', COALESCE(pg_catalog.col_description(a.attrelid, a.attnum),
										CASE WHEN t.typtype OPERATOR(pg_catalog.=) 'd'
											THEN pg_catalog.obj_description(t.oid, 'pg_type') END))
				ORDER BY a.attnum)
		  FROM pg_catalog.pg_type p
		  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.typnamespace
		  JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) p.typrelid
		  JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
		 WHERE p.typtype OPERATOR(pg_catalog.=) 'c'
		   AND ARRAY[n.nspname, p.typname]::pg_catalog.text[] OPERATOR(pg_catalog.=) pg_catalog.parse_ident(payload)
		   AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
	);
REVOKE ALL ON FUNCTION cqrs.payload_fields(text) FROM PUBLIC;
COMMENT ON FUNCTION cqrs.payload_fields(text) IS
	'Fields of a payload type with their types and comments; null when it is not composite';

CREATE VIEW cqrs.command_type AS
	SELECT r.name,
		   r.argument AS payload,
		   cqrs.payload_fields(r.argument) AS fields,
		   pg_catalog.format('%I.%I(%s)', r.handler_schema, r.handler_name, r.argument) AS handler,
		   r.owner,
		   r.description,
		   r.created_at
	  FROM cqrs.command_registry r;
REVOKE ALL ON TABLE cqrs.command_type FROM PUBLIC;
COMMENT ON VIEW cqrs.command_type IS 'Registered commands, for those who send them';
COMMENT ON COLUMN cqrs.command_type.payload IS 'Type of the payload';
COMMENT ON COLUMN cqrs.command_type.fields IS
	'Fields of the payload: name, type, required, comment of the field or else of its domain';
COMMENT ON COLUMN cqrs.command_type.name IS 'Name of the command, for cqrs_send()';
COMMENT ON COLUMN cqrs.command_type.handler IS 'Function that handles it; who may execute it may send the command';
COMMENT ON COLUMN cqrs.command_type.owner IS 'Role that may drop or replace the command';
COMMENT ON COLUMN cqrs.command_type.description IS 'What the command is for';
COMMENT ON COLUMN cqrs.command_type.created_at IS 'When it was registered';

--
-- The ledger.  A row is written when its command has ended, or, when the client
-- gave the id, before it runs, and completed afterwards: hence some room on the
-- pages.  Old rows are found where they lie, without an index; vacuum should not
-- wait long for what they leave.
--
CREATE TABLE cqrs.ledger (
	command_id uuid NOT NULL,
	actor text COLLATE pg_catalog."C" NOT NULL,
	command text NOT NULL,
	digest bytea NOT NULL,
	correlation_id uuid NOT NULL,
	causation_id uuid,
	received_at timestamp with time zone NOT NULL,
	duration interval,
	outcome text NOT NULL,
	result text,
	token text,
	sqlstate text,
	message text,
	detail text,
	hint text,
	CONSTRAINT ledger_pkey PRIMARY KEY (command_id, actor)
) USING heap WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02);
REVOKE ALL ON TABLE cqrs.ledger FROM PUBLIC;
COMMENT ON TABLE cqrs.ledger IS 'Who sent which command, and the outcome; makes command ids idempotent';
COMMENT ON COLUMN cqrs.ledger.actor IS 'Who sent it, as cqrs_actor() tells';
COMMENT ON COLUMN cqrs.ledger.digest IS 'Digest of the payload, to recognise it again';
COMMENT ON COLUMN cqrs.ledger.correlation_id IS 'What the command belongs to: the id of the outermost one, if nothing else was given';
COMMENT ON COLUMN cqrs.ledger.causation_id IS 'What caused it: the command whose handler sent it, if nothing else was given';
COMMENT ON COLUMN cqrs.ledger.duration IS 'How long it took to check the payload and to run the handler, with all that it caused';
COMMENT ON COLUMN cqrs.ledger.outcome IS 'accepted or rejected';
COMMENT ON COLUMN cqrs.ledger.result IS 'The identifier that the handler returned';
COMMENT ON COLUMN cqrs.ledger.token IS 'Token of the transaction, if it had appended events by then';
COMMENT ON COLUMN cqrs.ledger.sqlstate IS 'Why it was rejected';
COMMENT ON COLUMN cqrs.ledger.command_id IS 'Id of the command';
COMMENT ON COLUMN cqrs.ledger.command IS 'Name of the command';
COMMENT ON COLUMN cqrs.ledger.received_at IS 'When it was sent';
COMMENT ON COLUMN cqrs.ledger.message IS 'Error message of a rejection';
COMMENT ON COLUMN cqrs.ledger.detail IS 'Detail of a rejection';
COMMENT ON COLUMN cqrs.ledger.hint IS 'Hint of a rejection';
SELECT pg_catalog.pg_extension_config_dump('cqrs.ledger', '');

--
-- Which commands have appended which types of events, as far as the ledger does
-- not tell it any more.  For cqrs_diagram().
--
CREATE TABLE cqrs.emission (
	command text COLLATE pg_catalog."C" NOT NULL,
	event_type text COLLATE pg_catalog."C" NOT NULL,
	CONSTRAINT emission_pkey PRIMARY KEY (command, event_type)
);
REVOKE ALL ON TABLE cqrs.emission FROM PUBLIC;
COMMENT ON TABLE cqrs.emission IS 'Commands and the types of events they have appended, remembered when rows leave the ledger';
COMMENT ON COLUMN cqrs.emission.command IS 'Name of the command';
COMMENT ON COLUMN cqrs.emission.event_type IS 'Type of an event that it has appended';
SELECT pg_catalog.pg_extension_config_dump('cqrs.emission', '');

CREATE TYPE cqrs.command_result AS (
	ok boolean,
	id text,
	command_id uuid,
	token text,
	sqlstate text,
	message text,
	detail text,
	hint text
);
REVOKE ALL ON TYPE cqrs.command_result FROM PUBLIC;
COMMENT ON TYPE cqrs.command_result IS 'Outcome of a command, from cqrs_try_send()';
COMMENT ON COLUMN cqrs.command_result.ok IS 'Was the command accepted?';
COMMENT ON COLUMN cqrs.command_result.id IS 'Identifier that the handler returned';
COMMENT ON COLUMN cqrs.command_result.command_id IS 'Id of the command, to send it again with';
COMMENT ON COLUMN cqrs.command_result.token IS 'Token for cqrs_wait(), if the command appended events';
COMMENT ON COLUMN cqrs.command_result.sqlstate IS 'Why it was rejected';
COMMENT ON COLUMN cqrs.command_result.message IS 'Error message of the rejection';
COMMENT ON COLUMN cqrs.command_result.detail IS 'Detail of the rejection';
COMMENT ON COLUMN cqrs.command_result.hint IS 'Hint of the rejection';

--
-- Functions
--
CREATE FUNCTION cqrs_create_command(name text, handler regprocedure, stream text DEFAULT NULL,
									description text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_create_command(text, regprocedure, text, text) IS
	'Registers a command and the function that handles it';

CREATE FUNCTION cqrs_drop_command(name text)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_drop_command(text) IS 'Removes a command; its handler stays';

CREATE FUNCTION cqrs_send(command text, payload jsonb DEFAULT '{}', command_id uuid DEFAULT NULL,
						  correlation_id uuid DEFAULT NULL, causation_id uuid DEFAULT NULL,
						  metadata jsonb DEFAULT NULL)
	RETURNS text
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_send(text, jsonb, uuid, uuid, uuid, jsonb) IS
	'Sends a command and returns the identifier that its handler returns; a rejection is an error';

CREATE FUNCTION cqrs_try_send(command text, payload jsonb DEFAULT '{}', command_id uuid DEFAULT NULL,
							  correlation_id uuid DEFAULT NULL, causation_id uuid DEFAULT NULL,
							  metadata jsonb DEFAULT NULL)
	RETURNS cqrs.command_result
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_try_send(text, jsonb, uuid, uuid, uuid, jsonb) IS
	'Sends a command and returns its outcome, also when it is rejected';

CREATE PROCEDURE cqrs_execute(command text, payload jsonb DEFAULT '{}', projections text[] DEFAULT NULL,
							  timeout interval DEFAULT '5s', INOUT id text DEFAULT NULL,
							  INOUT token text DEFAULT NULL, INOUT synced boolean DEFAULT NULL)
	LANGUAGE C AS 'MODULE_PATHNAME';
COMMENT ON PROCEDURE cqrs_execute(text, jsonb, text[], interval, text, text, boolean) IS
	'Sends a command, commits, and waits until projections have followed';

CREATE FUNCTION cqrs_command_id()
	RETURNS uuid
	LANGUAGE C VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_command_id() IS 'Id of the command that is running, null outside of commands';

CREATE FUNCTION cqrs_correlation_id()
	RETURNS uuid
	LANGUAGE C VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_correlation_id() IS 'Correlation id of the command that is running, null outside of commands';

CREATE FUNCTION cqrs_payload()
	RETURNS jsonb
	LANGUAGE C VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_payload() IS 'Payload of the command whose handler is running, null outside of handlers';

CREATE FUNCTION cqrs_actor()
	RETURNS text
	LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_actor() IS
	'Who is connected, whatever SET ROLE and SECURITY DEFINER make of the current user; in code that is fenced in, the role that it runs as';

CREATE FUNCTION cqrs_token()
	RETURNS text
	LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_token() IS 'Token of this transaction, or else of the last one of this session, that appended events';

CREATE FUNCTION cqrs_prune_ledger(max_rows bigint DEFAULT 10000)
	RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_prune_ledger(bigint) IS
	'Removes rows from the ledger that are older than cqrs.ledger_retention, and returns how many';

REVOKE ALL ON FUNCTION cqrs_create_command(text, regprocedure, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_drop_command(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_send(text, jsonb, uuid, uuid, uuid, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_try_send(text, jsonb, uuid, uuid, uuid, jsonb) FROM PUBLIC;
REVOKE ALL ON PROCEDURE cqrs_execute(text, jsonb, text[], interval, text, text, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_command_id() FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_correlation_id() FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_payload() FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_actor() FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_token() FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_prune_ledger(bigint) FROM PUBLIC;
