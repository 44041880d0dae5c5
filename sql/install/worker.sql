/* Part of cqrs: background workers, and waiting for them. */

CREATE FUNCTION cqrs_wait(token text DEFAULT NULL, projections text[] DEFAULT NULL, timeout interval DEFAULT '5s')
	RETURNS boolean
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_wait(text, text[], interval) IS
	'Waits until projections, all that run or those named, have processed what a token names; false at the timeout';

CREATE FUNCTION cqrs.read_workers(OUT pid integer, OUT database text, OUT owner text, OUT projection text,
								  OUT state text, OUT since timestamp with time zone)
	RETURNS SETOF record
	LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 10 AS 'MODULE_PATHNAME', 'cqrs_read_workers';
COMMENT ON FUNCTION cqrs.read_workers() IS 'Background processes of the server that apply events';

CREATE FUNCTION cqrs.read_work(projection text, OUT pid integer, OUT state text, OUT applied bigint)
	LANGUAGE C VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'cqrs_read_work';
COMMENT ON FUNCTION cqrs.read_work(text) IS 'What workers do for a projection, and how many events they have applied';

CREATE VIEW cqrs.worker_status AS
	SELECT w.pid, w.database, w.owner, w.projection, w.state, w.since
	  FROM cqrs.read_workers() w;
COMMENT ON VIEW cqrs.worker_status IS
	'Background processes that apply events, one row each, and owners in wait for one';
COMMENT ON COLUMN cqrs.worker_status.pid IS 'Process; null for an owner who has none and needs one';
COMMENT ON COLUMN cqrs.worker_status.database IS 'Database that it is connected to';
COMMENT ON COLUMN cqrs.worker_status.owner IS 'Role that it is connected as';
COMMENT ON COLUMN cqrs.worker_status.projection IS 'Projection that it serves now; of other databases only for who may read all statistics';
COMMENT ON COLUMN cqrs.worker_status.state IS 'launcher, starting, looking for projections, idle, applying; or why there is no process';
COMMENT ON COLUMN cqrs.worker_status.since IS 'Since when it is in this state';

REVOKE ALL ON FUNCTION cqrs_wait(text, text[], interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs.read_workers() FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs.read_work(text) FROM PUBLIC;
REVOKE ALL ON TABLE cqrs.worker_status FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cqrs.read_workers() TO pg_monitor;
GRANT EXECUTE ON FUNCTION cqrs.read_work(text) TO pg_monitor;
GRANT SELECT ON TABLE cqrs.worker_status TO pg_monitor;
