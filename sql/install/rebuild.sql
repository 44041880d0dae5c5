/* Part of cqrs: rebuilding projections. */

--
-- The build that takes the place of the live one is filled beside it;
-- src/README.md has its states.
--
CREATE FUNCTION cqrs_revise(projection text, tables text DEFAULT NULL, keep_previous interval DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_revise(text, text, interval) IS
	'Opens a draft of a projection that has been started, with its tables and rules, to be changed and started';

CREATE FUNCTION cqrs_rebuild(projection text, keep_previous interval DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_rebuild(text, interval) IS
	'Builds a projection anew from the first event, beside the build that serves, which is replaced in the end';

CREATE FUNCTION cqrs_cancel_build(projection text)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_cancel_build(text) IS
	'Throws away the build that is to replace the live one, or its draft';

CREATE FUNCTION cqrs_revert(projection text)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_revert(text) IS
	'Puts the previous build of a projection back in place, as long as it is kept';

CREATE FUNCTION cqrs_check(projection text)
	RETURNS TABLE (relation text, live jsonb, rebuilt jsonb)
	LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_check(text) IS
	'Builds a projection anew, aside, and returns the rows in which the live one differs: none, when all is well';

REVOKE ALL ON FUNCTION cqrs_revise(text, text, interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_rebuild(text, interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_cancel_build(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_revert(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_check(text) FROM PUBLIC;

-- Shown to the same people as cqrs.projection_status.
CREATE VIEW cqrs.build_progress WITH (security_barrier) AS
	SELECT b.projection,
		   b.number AS build,
		   CASE WHEN b.last_error IS NOT NULL THEN 'stopped'
				WHEN p.state OPERATOR(pg_catalog.=) 'paused' THEN 'paused'
				WHEN b.state OPERATOR(pg_catalog.=) 'indexing'
				 AND pg_catalog.cardinality(b.later) OPERATOR(pg_catalog.=) 0 THEN 'gathering statistics'
				WHEN b.state OPERATOR(pg_catalog.=) 'indexing' THEN 'creating indexes'
				WHEN b.state OPERATOR(pg_catalog.=) 'following'
				 AND pg_catalog.cardinality(b.waits_for) OPERATOR(pg_catalog.>) 0 THEN 'waiting for old snapshots'
				WHEN b.state OPERATOR(pg_catalog.=) 'following' THEN 'replacing the views'
				ELSE b.state END AS phase,
		   r.events_done,
		   r.events_total,
		   pg_catalog.round(s.per_second)::pg_catalog.int8 AS events_per_second,
		   CASE WHEN s.per_second OPERATOR(pg_catalog.>) 0
				THEN pg_catalog.make_interval(secs => pg_catalog.ceil(
						(r.events_total OPERATOR(pg_catalog.-) r.events_done)::pg_catalog.float8
						OPERATOR(pg_catalog./) s.per_second)) END AS time_left,
		   (SELECT pg_catalog.sum(pg_catalog.pg_stat_get_tuples_inserted(c.oid)
								  OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_tuples_updated(c.oid)
								  OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_tuples_deleted(c.oid))::pg_catalog.int8
			  FROM pg_catalog.pg_class c
			  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
			 WHERE n.nspname::pg_catalog.text OPERATOR(pg_catalog.=)
				   (b.projection OPERATOR(pg_catalog.||) '$' OPERATOR(pg_catalog.||) b.number::pg_catalog.text)
			   AND c.relkind OPERATOR(pg_catalog.=) 'r') AS tuples_written,
		   b.started_at AS started,
		   ARRAY(SELECT DISTINCT l.pid FROM pg_catalog.pg_locks l
				  WHERE l.virtualtransaction OPERATOR(pg_catalog.=) ANY (b.waits_for)
				  ORDER BY l.pid) AS waits_for_pids,
		   b.last_error
	  FROM cqrs.build b
	  JOIN cqrs.projection p ON p.name OPERATOR(pg_catalog.=) b.projection
						   AND p.next_build OPERATOR(pg_catalog.=) b.number
	  CROSS JOIN LATERAL cqrs.read_progress(b.projection OPERATOR(pg_catalog.||) '$' OPERATOR(pg_catalog.||)
											b.number::pg_catalog.text) r
	  CROSS JOIN LATERAL (
			SELECT r.events_done::pg_catalog.float8 OPERATOR(pg_catalog./)
				   GREATEST(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()
												 OPERATOR(pg_catalog.-) b.started_at), 0.001) AS per_second) s
	 WHERE pg_catalog.has_table_privilege('cqrs.worker_status', 'SELECT')
		OR EXISTS (SELECT FROM pg_catalog.pg_roles o
					WHERE o.rolname OPERATOR(pg_catalog.=) p.owner::pg_catalog.name AND pg_catalog.pg_has_role(o.oid, 'USAGE'));
REVOKE ALL ON TABLE cqrs.build_progress FROM PUBLIC;
COMMENT ON VIEW cqrs.build_progress IS 'Builds that are being filled to replace the live ones: how far they are';
COMMENT ON COLUMN cqrs.build_progress.projection IS 'Name of the projection';
COMMENT ON COLUMN cqrs.build_progress.build IS 'Number of the build';
COMMENT ON COLUMN cqrs.build_progress.phase IS 'What is being done, or why nothing is';
COMMENT ON COLUMN cqrs.build_progress.events_done IS 'Positions of the log that it has passed, holes included';
COMMENT ON COLUMN cqrs.build_progress.events_total IS 'Positions that have been drawn';
COMMENT ON COLUMN cqrs.build_progress.events_per_second IS 'Positions a second since it was started';
COMMENT ON COLUMN cqrs.build_progress.time_left IS 'Time that the rest takes at this pace';
COMMENT ON COLUMN cqrs.build_progress.tuples_written IS 'Rows inserted, updated and deleted in its tables';
COMMENT ON COLUMN cqrs.build_progress.started IS 'When it was started';
COMMENT ON COLUMN cqrs.build_progress.waits_for_pids IS 'Sessions whose old snapshots hold it up';
COMMENT ON COLUMN cqrs.build_progress.last_error IS 'What has stopped it';
