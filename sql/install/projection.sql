/* Part of cqrs: projections. */

--
-- Projections.  src/README.md has the states.  The owner and the schema are
-- kept by name, so that a dump restores them.
--
CREATE TABLE cqrs.projection (
	name text COLLATE pg_catalog."C" NOT NULL CONSTRAINT projection_pkey PRIMARY KEY,
	owner text NOT NULL,
	read_schema text NOT NULL,
	on_error text NOT NULL,
	mode text NOT NULL,
	description text,
	state text NOT NULL,
	live_build integer,
	next_build integer,
	follower integer,
	keep_previous interval NOT NULL DEFAULT '0',
	last_error text,
	last_error_at timestamp with time zone,
	created_at timestamp with time zone NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT projection_on_error_check CHECK (on_error OPERATOR(pg_catalog.=) ANY (ARRAY['park', 'skip', 'stop'])),
	CONSTRAINT projection_mode_check CHECK (mode OPERATOR(pg_catalog.=) ANY (ARRAY['async', 'inline'])),
	CONSTRAINT projection_state_check
		CHECK (state OPERATOR(pg_catalog.=) ANY (ARRAY['draft', 'running', 'paused', 'stopped']))
);
REVOKE ALL ON TABLE cqrs.projection FROM PUBLIC;
COMMENT ON TABLE cqrs.projection IS 'Projections: named sets of read tables plus the rules that events apply to them';
COMMENT ON COLUMN cqrs.projection.owner IS 'Role that the rules run as';
COMMENT ON COLUMN cqrs.projection.read_schema IS 'Schema in which the views of the projection appear';
COMMENT ON COLUMN cqrs.projection.on_error IS 'What to do with an event that a rule fails for: park, skip or stop';
COMMENT ON COLUMN cqrs.projection.mode IS 'When events are applied: async, or inline, in the transaction that appends them';
COMMENT ON COLUMN cqrs.projection.state IS 'draft, running, paused by its owner, or stopped by an error';
COMMENT ON COLUMN cqrs.projection.live_build IS 'Build that the views show';
COMMENT ON COLUMN cqrs.projection.name IS 'Name of the projection';
COMMENT ON COLUMN cqrs.projection.description IS 'What it is for';
COMMENT ON COLUMN cqrs.projection.last_error IS 'The last event that failed, or why it stopped';
COMMENT ON COLUMN cqrs.projection.last_error_at IS 'When the last error was';
COMMENT ON COLUMN cqrs.projection.created_at IS 'When it was created';
COMMENT ON COLUMN cqrs.projection.next_build IS 'Build that is being filled to take its place';
COMMENT ON COLUMN cqrs.projection.follower IS 'The same, once it is complete: it gets each event in the transaction that the live one gets it in';
COMMENT ON COLUMN cqrs.projection.keep_previous IS 'How long a build that has been replaced is kept current, so that cqrs_revert() can bring it back';
SELECT pg_catalog.pg_extension_config_dump('cqrs.projection', '');

CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON cqrs.projection
	FOR EACH STATEMENT EXECUTE FUNCTION cqrs.invalidate();
ALTER TABLE cqrs.projection ENABLE ALWAYS TRIGGER invalidate;

--
-- Builds.  One row a physical copy of a projection's tables, which lives in
-- schema "<projection>$<number>".  Its cursor has the same name.
--
CREATE TABLE cqrs.build (
	projection text COLLATE pg_catalog."C" NOT NULL,
	number integer NOT NULL,
	state text NOT NULL,
	tables text NOT NULL,
	views text[] NOT NULL DEFAULT '{}',
	policies text[] NOT NULL DEFAULT '{}',
	later text[] NOT NULL DEFAULT '{}',
	waits_for text[],
	complete_xid xid8,
	keep_until timestamp with time zone,
	last_error text,
	created_at timestamp with time zone NOT NULL DEFAULT pg_catalog.now(),
	started_at timestamp with time zone,
	CONSTRAINT build_pkey PRIMARY KEY (projection, number),
	CONSTRAINT build_state_check CHECK (state OPERATOR(pg_catalog.=) ANY
		(ARRAY['draft', 'filling', 'indexing', 'catching up', 'following', 'live', 'previous', 'retired']))
);
CREATE UNIQUE INDEX build_draft_idx ON cqrs.build (projection) WHERE state OPERATOR(pg_catalog.=) 'draft';
REVOKE ALL ON TABLE cqrs.build FROM PUBLIC;
COMMENT ON TABLE cqrs.build IS
	'Builds of projections: a draft that is being described, one that is being filled, the one in use, one that was';
COMMENT ON COLUMN cqrs.build.state IS 'draft, filling, indexing, catching up, following, live, previous or retired';
COMMENT ON COLUMN cqrs.build.tables IS 'Statements that create the tables, with what belongs to them';
COMMENT ON COLUMN cqrs.build.views IS 'Names of the views that were created in the read schema';
COMMENT ON COLUMN cqrs.build.policies IS 'Policies of row-level security that these statements have made; what differs from them was changed by hand';
COMMENT ON COLUMN cqrs.build.projection IS 'Projection it belongs to';
COMMENT ON COLUMN cqrs.build.number IS 'Number of the build, part of the name of its schema';
COMMENT ON COLUMN cqrs.build.created_at IS 'When it was created';
COMMENT ON COLUMN cqrs.build.started_at IS 'When its tables were';
COMMENT ON COLUMN cqrs.build.later IS 'Statements that create the indexes left out while the build is being filled';
COMMENT ON COLUMN cqrs.build.waits_for IS
	'Transactions with snapshots that may not show all of a complete build: virtual transaction ids; null: not looked yet';
COMMENT ON COLUMN cqrs.build.complete_xid IS 'Transaction that completed the build';
COMMENT ON COLUMN cqrs.build.keep_until IS 'Until when a previous build is kept current';
COMMENT ON COLUMN cqrs.build.last_error IS 'What has stopped the build; null: nothing';
SELECT pg_catalog.pg_extension_config_dump('cqrs.build', '');

CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON cqrs.build
	FOR EACH STATEMENT EXECUTE FUNCTION cqrs.invalidate();
ALTER TABLE cqrs.build ENABLE ALWAYS TRIGGER invalidate;

--
-- Rules of builds.  They are applied in the order of their numbers.
--
CREATE TABLE cqrs.rule (
	projection text COLLATE pg_catalog."C" NOT NULL,
	build integer NOT NULL,
	number integer NOT NULL,
	kind text NOT NULL,
	event_types text[] COLLATE pg_catalog."C" NOT NULL,
	rule text NOT NULL,
	handler_owner text,
	CONSTRAINT rule_pkey PRIMARY KEY (projection, build, number),
	CONSTRAINT rule_kind_check CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['sql', 'function', 'batch']))
);
REVOKE ALL ON TABLE cqrs.rule FROM PUBLIC;
COMMENT ON TABLE cqrs.rule IS 'Rules of projections: what an event of some type does to the read tables';
COMMENT ON COLUMN cqrs.rule.event_types IS 'Event types that the rule is for, * for all; one, unless it is a batch rule';
COMMENT ON COLUMN cqrs.rule.rule IS 'SQL statements, or the signature of a function';
COMMENT ON COLUMN cqrs.rule.handler_owner IS 'Who owned the function when it was registered; nobody else''s is called in its place';
COMMENT ON COLUMN cqrs.rule.projection IS 'Projection it belongs to';
COMMENT ON COLUMN cqrs.rule.build IS 'Build it belongs to';
COMMENT ON COLUMN cqrs.rule.number IS 'Its place: rules are applied in the order of their numbers';
COMMENT ON COLUMN cqrs.rule.kind IS 'sql, function or batch';
SELECT pg_catalog.pg_extension_config_dump('cqrs.rule', '');

CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON cqrs.rule
	FOR EACH STATEMENT EXECUTE FUNCTION cqrs.invalidate();
ALTER TABLE cqrs.rule ENABLE ALWAYS TRIGGER invalidate;

--
-- Parked events: those that a rule has failed for, and those that wait behind
-- one in their stream.  The event itself is in the log.
--
CREATE TABLE cqrs.parked_event (
	projection text COLLATE pg_catalog."C" NOT NULL,
	build integer NOT NULL,
	position bigint NOT NULL,
	stream text COLLATE pg_catalog."C" NOT NULL,
	version bigint NOT NULL,
	event_type text NOT NULL,
	rule text,
	sqlstate text,
	message text,
	detail text,
	hint text,
	context text,
	attempts integer NOT NULL,
	parked_at timestamp with time zone NOT NULL,
	tried_at timestamp with time zone,
	CONSTRAINT parked_event_pkey PRIMARY KEY (projection, build, position)
);
CREATE INDEX parked_event_stream_idx ON cqrs.parked_event (projection, build, stream, position);
REVOKE ALL ON TABLE cqrs.parked_event FROM PUBLIC;
COMMENT ON TABLE cqrs.parked_event IS
	'Events that a projection could not apply, and later ones of their streams, in wait for cqrs_retry_parked or cqrs_discard_parked';
COMMENT ON COLUMN cqrs.parked_event.rule IS 'Event type, or types, of the rule that failed; null when the event waits behind another one';
COMMENT ON COLUMN cqrs.parked_event.attempts IS 'How often it was tried; 0 when the event waits behind another one';
COMMENT ON COLUMN cqrs.parked_event.projection IS 'Projection that could not apply it';
COMMENT ON COLUMN cqrs.parked_event.build IS 'Build of that projection';
COMMENT ON COLUMN cqrs.parked_event.position IS 'Position of the event';
COMMENT ON COLUMN cqrs.parked_event.stream IS 'Stream of the event';
COMMENT ON COLUMN cqrs.parked_event.version IS 'Version of the event in its stream';
COMMENT ON COLUMN cqrs.parked_event.event_type IS 'Type of the event';
COMMENT ON COLUMN cqrs.parked_event.sqlstate IS 'Why the rule failed';
COMMENT ON COLUMN cqrs.parked_event.message IS 'Error message';
COMMENT ON COLUMN cqrs.parked_event.detail IS 'Detail of the error';
COMMENT ON COLUMN cqrs.parked_event.hint IS 'Hint of the error';
COMMENT ON COLUMN cqrs.parked_event.context IS 'Where in the rule it happened';
COMMENT ON COLUMN cqrs.parked_event.parked_at IS 'When it was parked';
COMMENT ON COLUMN cqrs.parked_event.tried_at IS 'When it was last tried';
SELECT pg_catalog.pg_extension_config_dump('cqrs.parked_event', '');

--
-- Functions
--
CREATE FUNCTION cqrs_create_projection(name text, read_schema text, tables text, on_error text DEFAULT 'park',
									   mode text DEFAULT 'async', description text DEFAULT NULL,
									   keep_previous interval DEFAULT '0')
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_create_projection(text, text, text, text, text, text, interval) IS
	'Creates the draft of a projection, to be completed by rules and started';

CREATE FUNCTION cqrs_on(projection text, event_type text, rule text)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_on(text, text, text) IS
	'Sets the SQL statements that an event of a type, or of any type (*), executes; in a draft';

CREATE FUNCTION cqrs_on(projection text, event_type text, handler regprocedure)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cqrs_on_function';
COMMENT ON FUNCTION cqrs_on(text, text, regprocedure) IS
	'Sets the function that is called for an event of a type, or of any type (*); in a draft';

CREATE FUNCTION cqrs_on_batch(projection text, event_types text[], rule text)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_on_batch(text, text[], text) IS
	'Sets the SQL statement that is executed once for a batch of events, the relation "events"; in a draft';

CREATE FUNCTION cqrs_off(projection text, event_type text)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_off(text, text) IS
	'Removes the rules for an event type; in a draft';

CREATE FUNCTION cqrs_start(projection text)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_start(text) IS
	'Starts a projection: creates its tables and views, checks its rules';

CREATE FUNCTION cqrs_pause(projection text)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_pause(text) IS
	'Makes a projection apply no more events until it is resumed';

CREATE FUNCTION cqrs_resume(projection text)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_resume(text) IS
	'Makes a projection that was paused, or stopped by an error, go on';

CREATE FUNCTION cqrs_drop_projection(projection text)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_drop_projection(text) IS
	'Drops a projection with its tables and views';

CREATE FUNCTION cqrs_catch_up(projection text DEFAULT NULL, max_events bigint DEFAULT NULL)
	RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_catch_up(text, bigint) IS
	'Applies events to a projection, or to all, here and now, own uncommitted ones included, and returns how many';

CREATE FUNCTION cqrs_explain(projection text)
	RETURNS TABLE (event_type text, plan text, reason text)
	LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_explain(text) IS
	'Tells how each rule of a projection is executed, and why not in a better way';

CREATE FUNCTION cqrs_retry_parked(projection text, stream text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_retry_parked(text, text) IS
	'Applies parked events again, in order, and returns how many have been applied';

CREATE FUNCTION cqrs_discard_parked(projection text, stream text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_discard_parked(text, text) IS
	'Forgets parked events, so that their streams go on without them, and returns how many there were';

REVOKE ALL ON FUNCTION cqrs_create_projection(text, text, text, text, text, text, interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_on(text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_on(text, text, regprocedure) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_on_batch(text, text[], text) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_off(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_start(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_pause(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_resume(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_drop_projection(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_catch_up(text, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_explain(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_retry_parked(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_discard_parked(text, text) FROM PUBLIC;

--
-- Watching.  The function looks at the log, never at anything a user wrote.
--
CREATE FUNCTION cqrs.behind(cursor_name text, OUT events bigint, OUT seconds double precision)
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cqrs_behind';
COMMENT ON FUNCTION cqrs.behind(text) IS
	'How many committed events a durable reader of the log has before it, and the age of the oldest one';
REVOKE ALL ON FUNCTION cqrs.behind(text) FROM PUBLIC;

CREATE FUNCTION cqrs.open_appender() RETURNS integer
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cqrs_open_appender';
COMMENT ON FUNCTION cqrs.open_appender() IS
	'Process id of the session whose open transaction is the oldest that has appended events; 0 for a prepared one';
REVOKE ALL ON FUNCTION cqrs.open_appender() FROM PUBLIC;

-- How far a cursor has come, by positions of the log, of which some are holes.
CREATE FUNCTION cqrs.read_progress(cursor_name text, OUT events_done bigint, OUT events_total bigint)
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cqrs_read_progress';
COMMENT ON FUNCTION cqrs.read_progress(text) IS
	'How many positions of the log a durable reader has passed, and how many have been drawn';
REVOKE ALL ON FUNCTION cqrs.read_progress(text) FROM PUBLIC;

-- Everybody sees his own projections, and who may watch sees all.
CREATE VIEW cqrs.projection_status WITH (security_barrier) AS
	SELECT p.name AS projection,
		   p.state,
		   CASE WHEN p.state OPERATOR(pg_catalog.=) 'running' AND p.mode OPERATOR(pg_catalog.=) 'async'
				 AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname::pg_catalog.text OPERATOR(pg_catalog.=) p.owner)
				THEN 'owner does not exist' ELSE w.state END AS worker,
		   CASE WHEN p.mode OPERATOR(pg_catalog.=) 'inline' AND p.state OPERATOR(pg_catalog.=) 'running' THEN 0
				ELSE b.events END AS events_behind,
		   CASE WHEN p.mode OPERATOR(pg_catalog.=) 'inline' AND p.state OPERATOR(pg_catalog.=) 'running' THEN 0
				ELSE pg_catalog.round(b.seconds::pg_catalog.numeric, 3)::pg_catalog.float8 END AS seconds_behind,
		   w.applied AS events_applied,
		   (SELECT pg_catalog.count(*) FROM cqrs.parked_event e
			 WHERE e.projection OPERATOR(pg_catalog.=) p.name
			   AND e.build OPERATOR(pg_catalog.=) p.live_build) AS events_parked,
		   p.live_build,
		   COALESCE(p.next_build, (SELECT d.number FROM cqrs.build d WHERE d.projection OPERATOR(pg_catalog.=) p.name
									AND d.state OPERATOR(pg_catalog.=) 'draft')) AS next_build,
		   g.progress,
		   COALESCE((pg_catalog.pg_blocking_pids(w.pid))[1],
					CASE WHEN p.state OPERATOR(pg_catalog.=) 'running' AND p.mode OPERATOR(pg_catalog.=) 'async'
						 THEN (SELECT cqrs.open_appender()) END) AS blocked_by_pid,
		   p.last_error_at,
		   p.last_error
	  FROM cqrs.projection p
	  CROSS JOIN LATERAL cqrs.read_work(p.name) w
	  LEFT JOIN LATERAL (
			SELECT h.events, h.seconds
			  FROM cqrs.behind(p.name OPERATOR(pg_catalog.||) '$' OPERATOR(pg_catalog.||) p.live_build::pg_catalog.text) h
			 WHERE p.live_build IS NOT NULL
			   AND NOT (p.mode OPERATOR(pg_catalog.=) 'inline' AND p.state OPERATOR(pg_catalog.=) 'running')) b ON true
	  LEFT JOIN LATERAL (
			SELECT CASE WHEN r.events_total OPERATOR(pg_catalog.>) 0
						THEN pg_catalog.round((r.events_done::pg_catalog.numeric OPERATOR(pg_catalog./)
											   r.events_total::pg_catalog.numeric), 3)::pg_catalog.float8
						ELSE 1 END AS progress
			  FROM cqrs.read_progress(p.name OPERATOR(pg_catalog.||) '$' OPERATOR(pg_catalog.||) p.next_build::pg_catalog.text) r
			 WHERE p.next_build IS NOT NULL) g ON true
	 WHERE pg_catalog.has_table_privilege('cqrs.worker_status', 'SELECT')
		OR EXISTS (SELECT FROM pg_catalog.pg_roles o
					WHERE o.rolname OPERATOR(pg_catalog.=) p.owner::pg_catalog.name AND pg_catalog.pg_has_role(o.oid, 'USAGE'))
	 ORDER BY p.name;
REVOKE ALL ON TABLE cqrs.projection_status FROM PUBLIC;
COMMENT ON VIEW cqrs.projection_status IS 'How projections are doing: those of the current user, or all, for who may watch';
COMMENT ON COLUMN cqrs.projection_status.projection IS 'Name of the projection';
COMMENT ON COLUMN cqrs.projection_status.state IS 'draft, running, paused by its owner, or stopped by an error';
COMMENT ON COLUMN cqrs.projection_status.live_build IS 'Number of the build that the views show';
COMMENT ON COLUMN cqrs.projection_status.next_build IS 'Number of the build that is to take its place, or of the draft of one';
COMMENT ON COLUMN cqrs.projection_status.events_behind IS 'Committed events that it has not seen yet, of any type; an estimate beyond 100,000';
COMMENT ON COLUMN cqrs.projection_status.seconds_behind IS 'Age of the oldest of them';
COMMENT ON COLUMN cqrs.projection_status.events_applied IS 'Events that have been applied since the server started, the projection was created or the counters were reset';
COMMENT ON COLUMN cqrs.projection_status.events_parked IS 'Events in wait for cqrs_retry_parked() or cqrs_discard_parked()';
COMMENT ON COLUMN cqrs.projection_status.last_error IS 'The last event that failed, or why it stopped';
COMMENT ON COLUMN cqrs.projection_status.last_error_at IS 'When the last error was';
COMMENT ON COLUMN cqrs.projection_status.blocked_by_pid IS 'Process whose lock its worker waits for, or which has appended events and not committed them yet; 0 for a prepared transaction';
COMMENT ON COLUMN cqrs.projection_status.progress IS 'How much of the next build is done, 0 to 1';
COMMENT ON COLUMN cqrs.projection_status.worker IS 'What a worker does for it now; null when none knows of it';

-- Messages may tell of data, so everybody sees those of his own projections.
CREATE VIEW cqrs.projection_parked WITH (security_barrier) AS
	SELECT e.projection,
		   e.build,
		   e.stream,
		   e.version,
		   e.position,
		   e.event_type,
		   e.rule,
		   e.sqlstate,
		   e.message,
		   e.detail,
		   e.hint,
		   e.context,
		   e.attempts,
		   e.parked_at,
		   e.tried_at
	  FROM cqrs.parked_event e
	  JOIN cqrs.projection p ON p.name OPERATOR(pg_catalog.=) e.projection
	  JOIN pg_catalog.pg_roles r ON r.rolname OPERATOR(pg_catalog.=) p.owner::pg_catalog.name
	 WHERE pg_catalog.pg_has_role(r.oid, 'USAGE');
REVOKE ALL ON TABLE cqrs.projection_parked FROM PUBLIC;
COMMENT ON VIEW cqrs.projection_parked IS
	'Parked events of the projections that the current user owns: what went wrong, and what waits behind it';
COMMENT ON COLUMN cqrs.projection_parked.projection IS 'Projection that could not apply the event';
COMMENT ON COLUMN cqrs.projection_parked.build IS 'Build of that projection';
COMMENT ON COLUMN cqrs.projection_parked.stream IS 'Stream of the event';
COMMENT ON COLUMN cqrs.projection_parked.version IS 'Version of the event in its stream';
COMMENT ON COLUMN cqrs.projection_parked.position IS 'Position of the event';
COMMENT ON COLUMN cqrs.projection_parked.event_type IS 'Type of the event';
COMMENT ON COLUMN cqrs.projection_parked.rule IS 'Event type, or types, of the rule that failed; null when the event waits behind another one';
COMMENT ON COLUMN cqrs.projection_parked.sqlstate IS 'Why the rule failed';
COMMENT ON COLUMN cqrs.projection_parked.message IS 'Error message';
COMMENT ON COLUMN cqrs.projection_parked.detail IS 'Detail of the error';
COMMENT ON COLUMN cqrs.projection_parked.hint IS 'Hint of the error';
COMMENT ON COLUMN cqrs.projection_parked.context IS 'Where in the rule it happened';
COMMENT ON COLUMN cqrs.projection_parked.attempts IS 'How often it was tried; 0 when it waits behind another one';
COMMENT ON COLUMN cqrs.projection_parked.parked_at IS 'When it was parked';
COMMENT ON COLUMN cqrs.projection_parked.tried_at IS 'When it was last tried';
