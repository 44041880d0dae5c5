/*-------------------------------------------------------------------------
 *
 * plan_texts.c
 *		The extension's own SQL statements.
 *
 * NOTES
 *		They touch the extension's tables and the system catalogues only, and run
 *		as the extension's owner.  Every name and operator is qualified, so they
 *		mean the same whatever the session's search_path; a script checks that.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/base/plan_texts.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"

#include "base/plan_texts.h"
#include "base/plans.h"

/* what src/projection/registry.c reads of a projection, in this order */
#define PROJECTION_COLUMNS \
	"p.name, p.owner, p.read_schema, p.on_error, p.mode, p.state, " \
	"p.live_build, p.next_build, p.last_error, " \
	"(SELECT b.number FROM cqrs.build b WHERE b.projection OPERATOR(pg_catalog.=) p.name " \
	"AND b.state OPERATOR(pg_catalog.=) 'draft')"

const CqrsPlanText cqrs_plan_texts[CQRS_PLAN_COUNT] = {
	[CQRS_PLAN_BUILD_RELATIONS] = {
		"SELECT c.relname::pg_catalog.text FROM pg_catalog.pg_class c "
		"WHERE c.relnamespace OPERATOR(pg_catalog.=) $1 "
		"AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog.\"char\"[]) "
		"AND NOT c.relispartition "
		"AND pg_catalog.left(c.relname::pg_catalog.text, 1) OPERATOR(pg_catalog.<>) '_' "
		"ORDER BY c.relname::pg_catalog.text COLLATE pg_catalog.\"C\"",
		SPI_OK_SELECT, 1, {OIDOID}
	},
	[CQRS_PLAN_BUILD_VIEWS] = {
		/* views of these names, in that schema, that look at relations of the build */
		"SELECT DISTINCT v.oid FROM pg_catalog.pg_class v "
		"JOIN pg_catalog.pg_rewrite r ON r.ev_class OPERATOR(pg_catalog.=) v.oid "
		"JOIN pg_catalog.pg_depend d ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass "
		"AND d.objid OPERATOR(pg_catalog.=) r.oid "
		"AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass "
		"JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) d.refobjid "
		"WHERE t.relnamespace OPERATOR(pg_catalog.=) $1 "
		"AND v.relnamespace OPERATOR(pg_catalog.=) $2 "
		"AND v.relkind OPERATOR(pg_catalog.=) 'v' "
		"AND v.relname::pg_catalog.text OPERATOR(pg_catalog.=) ANY (SELECT pg_catalog.unnest(b.views) FROM cqrs.build b "
		"WHERE b.projection OPERATOR(pg_catalog.=) $3 AND b.number OPERATOR(pg_catalog.=) $4)",
		SPI_OK_SELECT, 4, {OIDOID, OIDOID, TEXTOID, INT4OID}
	},
	[CQRS_PLAN_CHANGE_RULE] = {
		"UPDATE cqrs.rule SET kind = $4, rule = $5, handler_owner = $6 "
		"WHERE projection OPERATOR(pg_catalog.=) $1 AND build OPERATOR(pg_catalog.=) $2 "
		"AND event_types OPERATOR(pg_catalog.=) $3 "
		"AND (kind OPERATOR(pg_catalog.=) 'batch') OPERATOR(pg_catalog.=) ($4 OPERATOR(pg_catalog.=) 'batch')",
		SPI_OK_UPDATE, 6, {TEXTOID, INT4OID, TEXTARRAYOID, TEXTOID, TEXTOID, TEXTOID}
	},
	[CQRS_PLAN_DEFERRABLE_CONSTRAINTS] = {
		"SELECT DISTINCT c.conname::pg_catalog.text FROM pg_catalog.pg_constraint c "
		"WHERE c.connamespace OPERATOR(pg_catalog.=) $1 AND c.condeferrable",
		SPI_OK_SELECT, 1, {OIDOID}
	},
	[CQRS_PLAN_DELETE_BUILDS] = {
		"DELETE FROM cqrs.build WHERE projection OPERATOR(pg_catalog.=) $1",
		SPI_OK_DELETE, 1, {TEXTOID}
	},
	[CQRS_PLAN_DELETE_COMMAND] = {
		"DELETE FROM cqrs.command_registry WHERE name OPERATOR(pg_catalog.=) $1",
		SPI_OK_DELETE, 1, {TEXTOID}
	},
	[CQRS_PLAN_DELETE_CURSOR] = {
		"DELETE FROM cqrs.cursor WHERE name OPERATOR(pg_catalog.=) $1",
		SPI_OK_DELETE, 1, {TEXTOID}
	},
	[CQRS_PLAN_DELETE_PARKED] = {
		"DELETE FROM cqrs.parked_event WHERE projection OPERATOR(pg_catalog.=) $1 "
		"AND ($2 IS NULL OR build OPERATOR(pg_catalog.=) $2) "
		"AND ($3 IS NULL OR stream OPERATOR(pg_catalog.=) $3)",
		SPI_OK_DELETE, 3, {TEXTOID, INT4OID, TEXTOID}
	},
	[CQRS_PLAN_DELETE_PROJECTION] = {
		"DELETE FROM cqrs.projection WHERE name OPERATOR(pg_catalog.=) $1",
		SPI_OK_DELETE, 1, {TEXTOID}
	},
	[CQRS_PLAN_DELETE_QUERY] = {
		"DELETE FROM cqrs.query_registry WHERE name OPERATOR(pg_catalog.=) $1",
		SPI_OK_DELETE, 1, {TEXTOID}
	},
	[CQRS_PLAN_DELETE_RULES] = {
		"DELETE FROM cqrs.rule WHERE projection OPERATOR(pg_catalog.=) $1",
		SPI_OK_DELETE, 1, {TEXTOID}
	},
	[CQRS_PLAN_DELETE_RULES_OF_TYPE] = {
		"DELETE FROM cqrs.rule WHERE projection OPERATOR(pg_catalog.=) $1 "
		"AND build OPERATOR(pg_catalog.=) $2 AND event_types OPERATOR(pg_catalog.=) ARRAY[$3]",
		SPI_OK_DELETE, 3, {TEXTOID, INT4OID, TEXTOID}
	},
	[CQRS_PLAN_FIND_PROJECTION] = {
		"SELECT " PROJECTION_COLUMNS " FROM cqrs.projection p WHERE p.name OPERATOR(pg_catalog.=) $1",
		SPI_OK_SELECT, 1, {TEXTOID}
	},
	[CQRS_PLAN_INSERT_BUILD] = {
		"INSERT INTO cqrs.build (projection, number, state, tables) VALUES ($1, $2, 'draft', $3)",
		SPI_OK_INSERT, 3, {TEXTOID, INT4OID, TEXTOID}
	},
	[CQRS_PLAN_INSERT_COMMAND] = {
		"INSERT INTO cqrs.command_registry (name, handler_schema, handler_name, argument, owner, description) "
		"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO NOTHING",
		SPI_OK_INSERT, 6, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}
	},
	[CQRS_PLAN_INSERT_EVENT_TYPE] = {
		"INSERT INTO cqrs.event_type (name, payload, description) "
		"VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
		SPI_OK_INSERT, 3, {TEXTOID, TEXTOID, TEXTOID}
	},
	[CQRS_PLAN_INSERT_PROJECTION] = {
		"INSERT INTO cqrs.projection (name, owner, read_schema, on_error, mode, description, state) "
		"VALUES ($1, $2, $3, $4, $5, $6, 'draft') ON CONFLICT (name) DO NOTHING",
		SPI_OK_INSERT, 6, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}
	},
	[CQRS_PLAN_INSERT_QUERY] = {
		"INSERT INTO cqrs.query_registry (name, handler_schema, handler_name, argument, owner, description) "
		"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO NOTHING",
		SPI_OK_INSERT, 6, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}
	},
	[CQRS_PLAN_INSERT_RULE] = {
		"INSERT INTO cqrs.rule (projection, build, number, kind, event_types, rule, handler_owner) "
		"SELECT $1, $2, COALESCE(pg_catalog.max(r.number), 0) OPERATOR(pg_catalog.+) 1, $4, $3, $5, $6 "
		"FROM cqrs.rule r WHERE r.projection OPERATOR(pg_catalog.=) $1 AND r.build OPERATOR(pg_catalog.=) $2",
		SPI_OK_INSERT, 6, {TEXTOID, INT4OID, TEXTARRAYOID, TEXTOID, TEXTOID, TEXTOID}
	},
	[CQRS_PLAN_LIST_BUILDS] = {
		"SELECT b.number, b.tables FROM cqrs.build b WHERE b.projection OPERATOR(pg_catalog.=) $1 "
		"ORDER BY b.number",
		SPI_OK_SELECT, 1, {TEXTOID}
	},
	[CQRS_PLAN_LIST_RULES] = {
		"SELECT r.number, r.kind, r.event_types, r.rule, r.handler_owner FROM cqrs.rule r "
		"WHERE r.projection OPERATOR(pg_catalog.=) $1 AND r.build OPERATOR(pg_catalog.=) $2 "
		"ORDER BY r.number",
		SPI_OK_SELECT, 2, {TEXTOID, INT4OID}
	},
	[CQRS_PLAN_LIST_RUNNING] = {
		"SELECT p.name FROM cqrs.projection p WHERE p.state OPERATOR(pg_catalog.=) 'running' "
		"AND p.mode OPERATOR(pg_catalog.=) 'async' "
		"ORDER BY p.name",
		SPI_OK_SELECT, 0, {0}
	},
	[CQRS_PLAN_LIST_STARTED] = {
		"SELECT " PROJECTION_COLUMNS " FROM cqrs.projection p WHERE p.live_build IS NOT NULL "
		"ORDER BY p.name",
		SPI_OK_SELECT, 0, {0}
	},
	[CQRS_PLAN_LOCK_PROJECTION] = {
		"SELECT " PROJECTION_COLUMNS " FROM cqrs.projection p WHERE p.name OPERATOR(pg_catalog.=) $1 "
		"FOR UPDATE OF p",
		SPI_OK_SELECT, 1, {TEXTOID}
	},
	[CQRS_PLAN_NARROW_RULES] = {
		"UPDATE cqrs.rule SET event_types = pg_catalog.array_remove(event_types, $3) "
		"WHERE projection OPERATOR(pg_catalog.=) $1 AND build OPERATOR(pg_catalog.=) $2 "
		"AND $3 OPERATOR(pg_catalog.=) ANY (event_types)",
		SPI_OK_UPDATE, 3, {TEXTOID, INT4OID, TEXTOID}
	},
	[CQRS_PLAN_SCHEMA_OBJECTS] = {
		"SELECT d.classid, d.objid FROM pg_catalog.pg_depend d "
		"WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass "
		"AND d.refobjid OPERATOR(pg_catalog.=) $1 AND d.deptype OPERATOR(pg_catalog.=) 'n'",
		SPI_OK_SELECT, 1, {OIDOID}
	},
	[CQRS_PLAN_SET_ERROR] = {
		"UPDATE cqrs.projection SET last_error = $2, last_error_at = pg_catalog.clock_timestamp() "
		"WHERE name OPERATOR(pg_catalog.=) $1",
		SPI_OK_UPDATE, 2, {TEXTOID, TEXTOID}
	},
	[CQRS_PLAN_SET_LIVE_BUILD] = {
		"UPDATE cqrs.projection SET live_build = $2 WHERE name OPERATOR(pg_catalog.=) $1",
		SPI_OK_UPDATE, 2, {TEXTOID, INT4OID}
	},
	[CQRS_PLAN_SET_STATE] = {
		"UPDATE cqrs.projection SET state = $2 WHERE name OPERATOR(pg_catalog.=) $1",
		SPI_OK_UPDATE, 2, {TEXTOID, TEXTOID}
	},
	[CQRS_PLAN_START_BUILD] = {
		"UPDATE cqrs.build SET state = 'live', views = $3, started_at = pg_catalog.clock_timestamp() "
		"WHERE projection OPERATOR(pg_catalog.=) $1 AND number OPERATOR(pg_catalog.=) $2",
		SPI_OK_UPDATE, 3, {TEXTOID, INT4OID, TEXTARRAYOID}
	},
};
