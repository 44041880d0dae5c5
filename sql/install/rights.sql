/* Part of cqrs: rights. */

CREATE FUNCTION cqrs_grant(role regrole, right_name text)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_grant(regrole, text) IS
	'Grants a part of the surface to a role: send, query, emit, define or watch';

CREATE FUNCTION cqrs_revoke(role regrole, right_name text)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cqrs_revoke(regrole, text) IS
	'Revokes a part of the surface from a role: send, query, emit, define or watch';

REVOKE ALL ON FUNCTION cqrs_grant(regrole, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION cqrs_revoke(regrole, text) FROM PUBLIC;
