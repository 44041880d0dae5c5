/* Part of cqrs: guard, schema, and what every part needs. */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION cqrs" to load this file. \quit

-- Functions named cqrs_* go to pg_catalog (control file), so that they can be
-- called with any search_path and cannot be shadowed.  All else is in here.
-- Plain CREATE: when somebody got here first, the installation must fail.
CREATE SCHEMA cqrs;
REVOKE ALL ON SCHEMA cqrs FROM PUBLIC;
COMMENT ON SCHEMA cqrs IS 'Command Query Responsibility Segregation: event log, registries and status views';

CREATE FUNCTION cqrs.invalidate() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'cqrs_invalidate';
REVOKE ALL ON FUNCTION cqrs.invalidate() FROM PUBLIC;
COMMENT ON FUNCTION cqrs.invalidate() IS
	'Trigger of the registries: makes every session forget what it has cached of the table';

CREATE FUNCTION cqrs.refuse_change() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'cqrs_refuse_change';
REVOKE ALL ON FUNCTION cqrs.refuse_change() FROM PUBLIC;
COMMENT ON FUNCTION cqrs.refuse_change() IS
	'Trigger of the event log: events are never changed and never deleted';
