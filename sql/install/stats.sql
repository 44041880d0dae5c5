/* Part of cqrs: statistics. */

CREATE FUNCTION cqrs.read_stats(kind "char", OUT name text, OUT calls bigint, OUT accepted bigint,
								OUT rejected bigint, OUT replayed bigint, OUT total_ms double precision,
								OUT mean_ms double precision, OUT max_ms double precision)
	RETURNS SETOF record
	LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 100 AS 'MODULE_PATHNAME', 'cqrs_read_stats';
COMMENT ON FUNCTION cqrs.read_stats("char") IS 'Counters of commands (c) or queries (q) in this database';

CREATE VIEW cqrs.command_stats AS
	SELECT s.name, s.calls, s.accepted, s.rejected, s.replayed, s.total_ms, s.mean_ms, s.max_ms
	  FROM cqrs.read_stats('c') s;
COMMENT ON VIEW cqrs.command_stats IS
	'Commands of this database since the server started or the counters were reset';

CREATE VIEW cqrs.query_stats AS
	SELECT s.name, s.calls, s.accepted, s.rejected, s.total_ms, s.mean_ms, s.max_ms
	  FROM cqrs.read_stats('q') s;
COMMENT ON VIEW cqrs.query_stats IS
	'Queries of this database since the server started or the counters were reset';

CREATE FUNCTION cqrs_reset_stats()
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_reset_stats() IS 'Resets the counters of commands and queries in this database';

REVOKE ALL ON FUNCTION cqrs.read_stats("char") FROM PUBLIC;
REVOKE ALL ON TABLE cqrs.command_stats FROM PUBLIC;
REVOKE ALL ON TABLE cqrs.query_stats FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_reset_stats() FROM PUBLIC;
GRANT USAGE ON SCHEMA cqrs TO pg_monitor;
GRANT EXECUTE ON FUNCTION cqrs.read_stats("char") TO pg_monitor;
GRANT SELECT ON TABLE cqrs.command_stats TO pg_monitor;
GRANT SELECT ON TABLE cqrs.query_stats TO pg_monitor;
