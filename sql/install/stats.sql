/* Part of cqrs: statistics. */

CREATE FUNCTION cqrs.read_stats(kind "char", OUT name text, OUT calls bigint, OUT accepted bigint,
								OUT rejected bigint, OUT replayed bigint, OUT total_ms double precision,
								OUT mean_ms double precision, OUT max_ms double precision)
	RETURNS SETOF record
	LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 100 AS 'MODULE_PATHNAME', 'cqrs_read_stats';
COMMENT ON FUNCTION cqrs.read_stats("char") IS 'Counters of commands (c) or queries (q) in this database';

CREATE VIEW cqrs.command_stats AS
	SELECT s.name, s.calls, s.accepted, s.rejected, s.replayed, s.total_ms, s.mean_ms, s.max_ms
	  FROM cqrs.read_stats('c') s
	 ORDER BY s.name;
COMMENT ON VIEW cqrs.command_stats IS
	'Commands of this database since the server started or the counters were reset';
COMMENT ON COLUMN cqrs.command_stats.name IS 'Name of the command';
COMMENT ON COLUMN cqrs.command_stats.calls IS 'How often it was sent';
COMMENT ON COLUMN cqrs.command_stats.accepted IS 'How often it was accepted';
COMMENT ON COLUMN cqrs.command_stats.rejected IS 'How often it was rejected';
COMMENT ON COLUMN cqrs.command_stats.replayed IS 'How often an id that was known got its first outcome again';
COMMENT ON COLUMN cqrs.command_stats.total_ms IS 'Milliseconds in checks of payloads and in handlers';
COMMENT ON COLUMN cqrs.command_stats.mean_ms IS 'Milliseconds a call';
COMMENT ON COLUMN cqrs.command_stats.max_ms IS 'Milliseconds of the longest call';

CREATE VIEW cqrs.query_stats AS
	SELECT s.name, s.calls, s.accepted, s.rejected, s.replayed, s.total_ms, s.mean_ms, s.max_ms
	  FROM cqrs.read_stats('q') s
	 ORDER BY s.name;
COMMENT ON VIEW cqrs.query_stats IS
	'Queries of this database since the server started or the counters were reset';
COMMENT ON COLUMN cqrs.query_stats.name IS 'Name of the query';
COMMENT ON COLUMN cqrs.query_stats.calls IS 'How often it was asked';
COMMENT ON COLUMN cqrs.query_stats.accepted IS 'How often it gave an answer';
COMMENT ON COLUMN cqrs.query_stats.rejected IS 'How often it failed';
COMMENT ON COLUMN cqrs.query_stats.replayed IS 'Always 0, as no answer is kept: the columns are those of cqrs.command_stats';
COMMENT ON COLUMN cqrs.query_stats.total_ms IS 'Milliseconds in handlers';
COMMENT ON COLUMN cqrs.query_stats.mean_ms IS 'Milliseconds a call';
COMMENT ON COLUMN cqrs.query_stats.max_ms IS 'Milliseconds of the longest call';

CREATE FUNCTION cqrs_reset_stats()
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_reset_stats() IS 'Resets the counters of commands, queries and applied events in this database';

REVOKE ALL ON FUNCTION cqrs.read_stats("char") FROM PUBLIC;
REVOKE ALL ON TABLE cqrs.command_stats FROM PUBLIC;
REVOKE ALL ON TABLE cqrs.query_stats FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_reset_stats() FROM PUBLIC;
GRANT USAGE ON SCHEMA cqrs TO pg_monitor;
GRANT EXECUTE ON FUNCTION cqrs.read_stats("char") TO pg_monitor;
GRANT SELECT ON TABLE cqrs.command_stats TO pg_monitor;
GRANT SELECT ON TABLE cqrs.query_stats TO pg_monitor;
