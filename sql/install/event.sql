/* Part of cqrs: the event log. */

--
-- Incarnations.  An event's xid means something only in the database in which
-- it was written.  Events beyond "after_position" were written in the database
-- that the row names; the row is added by the first append after a restore, an
-- upgrade or a copy.  First appends at the same time add equal rows.
--
CREATE TABLE cqrs.incarnation (
	id integer NOT NULL,
	system_identifier bigint NOT NULL,
	database oid NOT NULL,
	after_position bigint NOT NULL,
	started_at timestamp with time zone NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
REVOKE ALL ON TABLE cqrs.incarnation FROM PUBLIC;
COMMENT ON TABLE cqrs.incarnation IS
	'The databases this event log has lived in: one row for the first, and one more for each restore, upgrade or copy';
COMMENT ON COLUMN cqrs.incarnation.id IS 'Number of the incarnation: 1, 2, 3';
COMMENT ON COLUMN cqrs.incarnation.system_identifier IS 'Cluster, as in pg_control_system()';
COMMENT ON COLUMN cqrs.incarnation.database IS 'OID of the database';
COMMENT ON COLUMN cqrs.incarnation.after_position IS 'Events beyond this position were written here';
COMMENT ON COLUMN cqrs.incarnation.started_at IS 'When the first of them was';
SELECT pg_catalog.pg_extension_config_dump('cqrs.incarnation', '');

--
-- Event types.  Registering one is optional; it gives the type a payload type
-- that every event is checked against, and a description.
--
CREATE TABLE cqrs.event_type (
	name text COLLATE pg_catalog."C" NOT NULL CONSTRAINT event_type_pkey PRIMARY KEY,
	owner text NOT NULL,
	payload text,
	schema_version integer NOT NULL DEFAULT 1,
	description text,
	created_at timestamp with time zone NOT NULL DEFAULT pg_catalog.now()
);
REVOKE ALL ON TABLE cqrs.event_type FROM PUBLIC;
COMMENT ON TABLE cqrs.event_type IS 'Registered event types';
COMMENT ON COLUMN cqrs.event_type.owner IS 'Role that registered it: functions in constraints of the payload run as this one';
COMMENT ON COLUMN cqrs.event_type.payload IS 'Composite type that the data of such an event must fit, schema-qualified';
COMMENT ON COLUMN cqrs.event_type.schema_version IS 'Version that new events of this type are stored with';
COMMENT ON COLUMN cqrs.event_type.name IS 'Name of the event type';
COMMENT ON COLUMN cqrs.event_type.description IS 'What has happened then';
COMMENT ON COLUMN cqrs.event_type.created_at IS 'When it was registered';
SELECT pg_catalog.pg_extension_config_dump('cqrs.event_type', '');

CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON cqrs.event_type
	FOR EACH STATEMENT EXECUTE FUNCTION cqrs.invalidate();
ALTER TABLE cqrs.event_type ENABLE ALWAYS TRIGGER invalidate;

--
-- Events.  No cache on the sequence: the reader relies on positions being
-- drawn in the order in which transactions draw them.
--
CREATE SEQUENCE cqrs.event_position AS bigint CACHE 1 NO CYCLE;
REVOKE ALL ON SEQUENCE cqrs.event_position FROM PUBLIC;
COMMENT ON SEQUENCE cqrs.event_position IS 'Positions of events';
SELECT pg_catalog.pg_extension_config_dump('cqrs.event_position', '');

CREATE TABLE cqrs.event (
	position bigint NOT NULL CONSTRAINT event_pkey PRIMARY KEY,
	xid xid8 NOT NULL,
	stream text NOT NULL,
	category text NOT NULL,
	version bigint NOT NULL,
	type text NOT NULL,
	schema_version integer NOT NULL,
	data jsonb NOT NULL,
	metadata jsonb,
	command_id uuid,
	recorded_at timestamp with time zone NOT NULL
) USING heap;
-- Byte order: names are compared as names, fast, and no change of the operating
-- system's collations can break the index.
CREATE UNIQUE INDEX event_stream_version_idx ON cqrs.event (stream COLLATE pg_catalog."C", version);
-- Finds the events of a transaction that committed late, in position order.
CREATE INDEX event_xid_position_idx ON cqrs.event (xid, position);
REVOKE ALL ON TABLE cqrs.event FROM PUBLIC;
COMMENT ON TABLE cqrs.event IS 'The event log: outbox and event store in one, insert-only';
COMMENT ON COLUMN cqrs.event.position IS 'Number of the event in the log: unique and rising, with holes';
COMMENT ON COLUMN cqrs.event.xid IS 'Top-level transaction that appended the event';
COMMENT ON COLUMN cqrs.event.stream IS 'Stream of the event, such as order-7';
COMMENT ON COLUMN cqrs.event.category IS 'Part of the stream''s name before the first "-"';
COMMENT ON COLUMN cqrs.event.version IS 'Number of the event in its stream: 1, 2, 3, without holes';
COMMENT ON COLUMN cqrs.event.type IS 'Type of the event, such as ItemAdded';
COMMENT ON COLUMN cqrs.event.schema_version IS 'Version of the event type''s payload that the data was written with';
COMMENT ON COLUMN cqrs.event.data IS 'What happened';
COMMENT ON COLUMN cqrs.event.metadata IS 'What else is known of it, such as who caused it; null when nothing is';
COMMENT ON COLUMN cqrs.event.command_id IS 'Command that caused the event';
COMMENT ON COLUMN cqrs.event.recorded_at IS 'Time of the append, by the server''s clock; says nothing about order';
SELECT pg_catalog.pg_extension_config_dump('cqrs.event', '');

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON cqrs.event
	FOR EACH STATEMENT EXECUTE FUNCTION cqrs.refuse_change();

--
-- Streams.  A stream is its events: it has no row of its own.
--
CREATE VIEW cqrs.stream AS
	SELECT e.stream, e.category, pg_catalog.max(e.version) AS version
	  FROM cqrs.event e
	 GROUP BY e.stream, e.category;
REVOKE ALL ON TABLE cqrs.stream FROM PUBLIC;
COMMENT ON VIEW cqrs.stream IS 'Streams and their last version';
COMMENT ON COLUMN cqrs.stream.stream IS 'Name of the stream';
COMMENT ON COLUMN cqrs.stream.category IS 'Part of the name before the first "-"';
COMMENT ON COLUMN cqrs.stream.version IS 'Version of its last event';

--
-- Cursors.  One row a durable reader of the log; src/event/cursor.h explains
-- the columns.  Few rows, updated often: keep the pages nearly empty.  VACUUM shall not
-- cut the table off: on a standby, the lock for that would wait for those who wait for events.
--
CREATE TABLE cqrs.cursor (
	name text COLLATE pg_catalog."C" NOT NULL CONSTRAINT cursor_pkey PRIMARY KEY,
	incarnation integer NOT NULL,
	done pg_snapshot NOT NULL,
	done_next_xid xid8 NOT NULL,
	done_floor bigint NOT NULL,
	target pg_snapshot,
	target_next_xid xid8,
	target_floor bigint,
	target_ceiling bigint,
	position bigint NOT NULL,
	own_xid xid8,
	own_position bigint
) USING heap WITH (fillfactor = 10, vacuum_truncate = false);
REVOKE ALL ON TABLE cqrs.cursor FROM PUBLIC;
COMMENT ON TABLE cqrs.cursor IS 'How far each durable reader of the event log has come';
COMMENT ON COLUMN cqrs.cursor.name IS 'Name of the reader; that of a projection is called like its build';
COMMENT ON COLUMN cqrs.cursor.incarnation IS 'Incarnation that the snapshots belong to';
COMMENT ON COLUMN cqrs.cursor.done IS 'What this shows has been read';
COMMENT ON COLUMN cqrs.cursor.done_next_xid IS 'Transactions from this one on that "done" does not show have drawn positions beyond done_floor';
COMMENT ON COLUMN cqrs.cursor.done_floor IS 'Last position that had been drawn before "done" was taken';
COMMENT ON COLUMN cqrs.cursor.target IS 'What this shows and "done" does not is being read';
COMMENT ON COLUMN cqrs.cursor.target_next_xid IS 'Transactions from this one on that "target" does not show have drawn positions beyond target_floor';
COMMENT ON COLUMN cqrs.cursor.target_floor IS 'Last position that had been drawn before "target" was taken';
COMMENT ON COLUMN cqrs.cursor.target_ceiling IS 'Last position that had been drawn after "target" was taken';
COMMENT ON COLUMN cqrs.cursor.position IS 'Last position read of what "target" shows';
COMMENT ON COLUMN cqrs.cursor.own_xid IS 'Transaction of the reader itself, some of whose events were read';
COMMENT ON COLUMN cqrs.cursor.own_position IS 'Last position read of that transaction';
SELECT pg_catalog.pg_extension_config_dump('cqrs.cursor', '');

--
-- Functions
--
CREATE FUNCTION cqrs_create_event_type(name text, payload regtype DEFAULT NULL, description text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_create_event_type(text, regtype, text) IS
	'Registers an event type, optionally with a composite type that its data must fit';

CREATE FUNCTION cqrs_emit(stream text, type text, data jsonb DEFAULT '{}', expected_version bigint DEFAULT NULL,
						  metadata jsonb DEFAULT NULL)
	RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_emit(text, text, jsonb, bigint, jsonb) IS
	'Appends an event to a stream and returns its version in the stream';

CREATE FUNCTION cqrs_append(stream text, types text[], data jsonb[], expected_version bigint DEFAULT NULL)
	RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_append(text, text[], jsonb[], bigint) IS
	'Appends many events to a stream and returns the version of the last one';

CREATE FUNCTION cqrs_stream(stream text, from_version bigint DEFAULT 1, max_count bigint DEFAULT NULL)
	RETURNS SETOF cqrs.event
	LANGUAGE C STABLE PARALLEL SAFE ROWS 100 AS 'MODULE_PATHNAME', 'cqrs_stream_events';
COMMENT ON FUNCTION cqrs_stream(text, bigint, bigint) IS
	'Events of a stream in version order';

CREATE FUNCTION cqrs_stream_version(stream text)
	RETURNS bigint
	LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_stream_version(text) IS
	'Last version of a stream, 0 when there is none';

REVOKE ALL ON FUNCTION cqrs_create_event_type(text, regtype, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_emit(text, text, jsonb, bigint, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_append(text, text[], jsonb[], bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_stream(text, bigint, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_stream_version(text) FROM PUBLIC;

--
-- The log with the column names of the Debezium outbox event router
--
CREATE VIEW cqrs.outbox AS
	SELECT e.position AS id,
		   e.category AS aggregatetype,
		   CASE WHEN e.category OPERATOR(pg_catalog.=) e.stream THEN e.stream
				ELSE pg_catalog.substr(e.stream, pg_catalog.length(e.category) OPERATOR(pg_catalog.+) 2)
		   END AS aggregateid,
		   e.type,
		   e.data AS payload,
		   e.version,
		   e.recorded_at AS "timestamp",
		   e.schema_version,
		   e.metadata OPERATOR(pg_catalog.->>) 'tracingspancontext' AS tracingspancontext,
		   e.stream,
		   e.metadata,
		   e.command_id
	  FROM cqrs.event e;
REVOKE ALL ON TABLE cqrs.outbox FROM PUBLIC;
COMMENT ON VIEW cqrs.outbox IS 'The event log with the column names of the Debezium outbox event router';
COMMENT ON COLUMN cqrs.outbox.id IS 'Position of the event';
COMMENT ON COLUMN cqrs.outbox.aggregatetype IS 'Category of the stream';
COMMENT ON COLUMN cqrs.outbox.aggregateid IS 'Id of the stream, without the category';
COMMENT ON COLUMN cqrs.outbox.type IS 'Type of the event';
COMMENT ON COLUMN cqrs.outbox.payload IS 'Data of the event';
COMMENT ON COLUMN cqrs.outbox.version IS 'Number of the event in its stream';
COMMENT ON COLUMN cqrs.outbox.timestamp IS 'Time of the append';
COMMENT ON COLUMN cqrs.outbox.schema_version IS 'Version of the payload that the data was written with';
COMMENT ON COLUMN cqrs.outbox.tracingspancontext IS 'Trace context of the metadata, if any';
COMMENT ON COLUMN cqrs.outbox.stream IS 'Stream of the event';
COMMENT ON COLUMN cqrs.outbox.metadata IS 'Metadata of the event';
COMMENT ON COLUMN cqrs.outbox.command_id IS 'Command that caused the event';
