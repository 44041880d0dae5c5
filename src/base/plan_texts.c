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

/* builds, beside the live one, that there is something to do for */
#define IS_OTHER "u.state OPERATOR(pg_catalog.<>) ALL (ARRAY['draft', 'live'])"

const CqrsPlanText cqrs_plan_texts[CQRS_PLAN_COUNT] = {
	[CQRS_PLAN_BUILD_GRANTABLE] = {
		/* relations of a build that privileges can be granted on */
		"SELECT c.relname::pg_catalog.text FROM pg_catalog.pg_class c "
		"WHERE c.relnamespace OPERATOR(pg_catalog.=) $1 "
		"AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f,S}'::pg_catalog.\"char\"[]) "
		"ORDER BY c.relname::pg_catalog.text COLLATE pg_catalog.\"C\"",
		SPI_OK_SELECT, 1, {OIDOID}
	},
	[CQRS_PLAN_BUILD_INDEXES] = {
		/*
		 * of tables of a build: what only serves readers, refuses no value but one that is too long, and
		 * can be made again from its definition
		 */
		"SELECT i.indexrelid, pg_catalog.pg_get_indexdef(i.indexrelid) "
		"FROM pg_catalog.pg_index i "
		"JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid "
		"JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) i.indrelid "
		"WHERE t.relnamespace OPERATOR(pg_catalog.=) $1 AND t.relkind OPERATOR(pg_catalog.=) 'r' "
		"AND NOT t.relispartition AND NOT t.relhastriggers "
		"AND NOT i.indisunique AND NOT i.indisexclusion AND NOT i.indisclustered AND NOT i.indisreplident "
		"AND i.indexprs IS NULL AND i.indpred IS NULL "
		"AND c.relam OPERATOR(pg_catalog.=) ANY (SELECT m.oid FROM pg_catalog.pg_am m "
		"WHERE m.amname OPERATOR(pg_catalog.=) ANY ('{btree,hash,gin,brin}'::pg_catalog.name[])) "
		"AND c.reltablespace OPERATOR(pg_catalog.=) 0::pg_catalog.oid "
		"AND pg_catalog.obj_description(i.indexrelid, 'pg_class') IS NULL "
		"AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a "
		"WHERE a.attrelid OPERATOR(pg_catalog.=) i.indexrelid AND a.attstattarget OPERATOR(pg_catalog.>) 0) "
		"AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d "
		"WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass "
		"AND d.refobjid OPERATOR(pg_catalog.=) i.indexrelid) "
		"ORDER BY c.relname",
		SPI_OK_SELECT, 1, {OIDOID}
	},
	[CQRS_PLAN_BUILD_MATERIALIZED] = {
		/* in the order of their creation: one may look at those before it */
		"SELECT c.relname::pg_catalog.text FROM pg_catalog.pg_class c "
		"WHERE c.relnamespace OPERATOR(pg_catalog.=) $1 "
		"AND c.relkind OPERATOR(pg_catalog.=) 'm' AND c.relispopulated "
		"ORDER BY c.oid",
		SPI_OK_SELECT, 1, {OIDOID}
	},
	[CQRS_PLAN_BUILD_POLICIES] = {
		/* the search_path decides which names in expressions get a schema */
		"SELECT pg_catalog.format('policy %I on table %I: %s %s to %s using (%s) check (%s)', "
		"y.polname, c.relname, y.polcmd, y.polpermissive, "
		"(SELECT pg_catalog.string_agg(COALESCE(pg_catalog.quote_ident(r.rolname::pg_catalog.text), 'public'), ',' ORDER BY r.rolname) "
		"FROM pg_catalog.unnest(y.polroles) AS u (role) "
		"LEFT JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) u.role), "
		"pg_catalog.pg_get_expr(y.polqual, y.polrelid), pg_catalog.pg_get_expr(y.polwithcheck, y.polrelid)), "
		"y.polname::pg_catalog.text, c.relname::pg_catalog.text, c.relrowsecurity "
		"FROM pg_catalog.pg_policy y JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) y.polrelid "
		"WHERE c.relnamespace OPERATOR(pg_catalog.=) $1 ORDER BY c.relname, y.polname",
		SPI_OK_SELECT, 1, {OIDOID}
	},
	[CQRS_PLAN_BUILD_RELATIONS] = {
		"SELECT c.relname::pg_catalog.text FROM pg_catalog.pg_class c "
		"WHERE c.relnamespace OPERATOR(pg_catalog.=) $1 "
		"AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog.\"char\"[]) "
		"AND NOT c.relispartition "
		"AND pg_catalog.left(c.relname::pg_catalog.text, 1) OPERATOR(pg_catalog.<>) '_' "
		"ORDER BY c.relname::pg_catalog.text COLLATE pg_catalog.\"C\"",
		SPI_OK_SELECT, 1, {OIDOID}
	},
	[CQRS_PLAN_BUILD_TABLES] = {
		"SELECT c.relname::pg_catalog.text FROM pg_catalog.pg_class c "
		"WHERE c.relnamespace OPERATOR(pg_catalog.=) $1 "
		"AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p}'::pg_catalog.\"char\"[]) "
		"AND NOT c.relispartition "
		"ORDER BY c.relname::pg_catalog.text COLLATE pg_catalog.\"C\"",
		SPI_OK_SELECT, 1, {OIDOID}
	},
	[CQRS_PLAN_BUILD_UNFIT] = {
		/* relations of a build that do not live and die with its cursor */
		"SELECT c.oid FROM pg_catalog.pg_class c "
		"WHERE c.relnamespace OPERATOR(pg_catalog.=) $1 "
		"AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,m,S,f}'::pg_catalog.\"char\"[]) "
		"AND (c.relkind OPERATOR(pg_catalog.=) 'f' OR c.relpersistence OPERATOR(pg_catalog.<>) 'p') "
		"ORDER BY c.relkind OPERATOR(pg_catalog.=) 'S', c.relname LIMIT 1",
		SPI_OK_SELECT, 1, {OIDOID}
	},
	[CQRS_PLAN_BUILD_VIEWS] = {
		/* views of these names, in that schema, that look at relations of the build */
		"SELECT v.oid FROM pg_catalog.pg_class v "
		"JOIN pg_catalog.pg_rewrite r ON r.ev_class OPERATOR(pg_catalog.=) v.oid "
		"JOIN pg_catalog.pg_depend d ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass "
		"AND d.objid OPERATOR(pg_catalog.=) r.oid "
		"AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass "
		"JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) d.refobjid "
		"WHERE t.relnamespace OPERATOR(pg_catalog.=) $1 "
		"AND v.relnamespace OPERATOR(pg_catalog.=) $2 "
		"AND v.relkind OPERATOR(pg_catalog.=) 'v' "
		"AND v.relname::pg_catalog.text OPERATOR(pg_catalog.=) ANY (SELECT pg_catalog.unnest(b.views) FROM cqrs.build b "
		"WHERE b.projection OPERATOR(pg_catalog.=) $3 AND b.number OPERATOR(pg_catalog.=) $4) "
		"GROUP BY v.oid, v.relname ORDER BY v.relname",
		SPI_OK_SELECT, 4, {OIDOID, OIDOID, TEXTOID, INT4OID}
	},
	[CQRS_PLAN_CHANGE_BUILD] = {
		"UPDATE cqrs.build SET state = $3, views = $4, later = $5, waits_for = $6, complete_xid = $7, "
		"keep_until = $8, last_error = $9, started_at = COALESCE(started_at, $10) "
		"WHERE projection OPERATOR(pg_catalog.=) $1 AND number OPERATOR(pg_catalog.=) $2",
		SPI_OK_UPDATE, 10, {TEXTOID, INT4OID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
		XID8OID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID}
	},
	[CQRS_PLAN_CHANGE_PROJECTION] = {
		"UPDATE cqrs.projection SET state = $2, live_build = $3, next_build = $4, follower = $5, "
		"keep_previous = $6 WHERE name OPERATOR(pg_catalog.=) $1",
		SPI_OK_UPDATE, 6, {TEXTOID, TEXTOID, INT4OID, INT4OID, INT4OID, INTERVALOID}
	},
	[CQRS_PLAN_CHANGE_RULE] = {
		/* there are several when cqrs_off() has left the same types to them; one stays */
		"WITH same AS (SELECT r.number FROM cqrs.rule r "
		"WHERE r.projection OPERATOR(pg_catalog.=) $1 AND r.build OPERATOR(pg_catalog.=) $2 "
		"AND r.event_types OPERATOR(pg_catalog.=) $3 "
		"AND (r.kind OPERATOR(pg_catalog.=) 'batch') OPERATOR(pg_catalog.=) ($4 OPERATOR(pg_catalog.=) 'batch')"
		"), gone AS (DELETE FROM cqrs.rule d "
		"WHERE d.projection OPERATOR(pg_catalog.=) $1 AND d.build OPERATOR(pg_catalog.=) $2 "
		"AND d.number OPERATOR(pg_catalog.=) ANY (SELECT s.number FROM same s) "
		"AND d.number OPERATOR(pg_catalog.>) (SELECT pg_catalog.min(s.number) FROM same s)) "
		"UPDATE cqrs.rule SET kind = $4, rule = $5, handler_owner = $6 "
		"WHERE projection OPERATOR(pg_catalog.=) $1 AND build OPERATOR(pg_catalog.=) $2 "
		"AND number OPERATOR(pg_catalog.=) (SELECT pg_catalog.min(s.number) FROM same s)",
		SPI_OK_UPDATE, 6, {TEXTOID, INT4OID, TEXTARRAYOID, TEXTOID, TEXTOID, TEXTOID}
	},
	[CQRS_PLAN_COPY_BUILD] = {
		"INSERT INTO cqrs.build (projection, number, state, tables) "
		"SELECT b.projection, $3, $5, COALESCE($4, b.tables) FROM cqrs.build b "
		"WHERE b.projection OPERATOR(pg_catalog.=) $1 AND b.number OPERATOR(pg_catalog.=) $2",
		SPI_OK_INSERT, 5, {TEXTOID, INT4OID, INT4OID, TEXTOID, TEXTOID}
	},
	[CQRS_PLAN_COPY_RULES] = {
		"INSERT INTO cqrs.rule (projection, build, number, kind, event_types, rule, handler_owner) "
		"SELECT r.projection, $3, r.number, r.kind, r.event_types, r.rule, r.handler_owner FROM cqrs.rule r "
		"WHERE r.projection OPERATOR(pg_catalog.=) $1 AND r.build OPERATOR(pg_catalog.=) $2",
		SPI_OK_INSERT, 3, {TEXTOID, INT4OID, INT4OID}
	},
	[CQRS_PLAN_DEFERRABLE_CONSTRAINTS] = {
		"SELECT DISTINCT c.conname::pg_catalog.text FROM pg_catalog.pg_constraint c "
		"WHERE c.connamespace OPERATOR(pg_catalog.=) $1 AND c.condeferrable",
		SPI_OK_SELECT, 1, {OIDOID}
	},
	[CQRS_PLAN_DELETE_BUILDS] = {
		"DELETE FROM cqrs.build WHERE projection OPERATOR(pg_catalog.=) $1 "
		"AND ($2 IS NULL OR number OPERATOR(pg_catalog.=) $2)",
		SPI_OK_DELETE, 2, {TEXTOID, INT4OID}
	},
	[CQRS_PLAN_DELETE_COMMAND] = {
		"DELETE FROM cqrs.command_registry WHERE name OPERATOR(pg_catalog.=) $1 "
		"AND owner OPERATOR(pg_catalog.=) $2",
		SPI_OK_DELETE, 2, {TEXTOID, TEXTOID}
	},
	[CQRS_PLAN_DELETE_CURSOR] = {
		"DELETE FROM cqrs.cursor WHERE name OPERATOR(pg_catalog.=) $1",
		SPI_OK_DELETE, 1, {TEXTOID}
	},
	[CQRS_PLAN_DELETE_LEDGER] = {
		/* a few rows of each command are enough to remember which events it appends */
		"WITH gone AS (DELETE FROM cqrs.ledger WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY("
		"SELECT old.ctid FROM cqrs.ledger old WHERE old.ctid OPERATOR(pg_catalog.>=) $1 "
		"AND old.ctid OPERATOR(pg_catalog.<) $2 AND old.received_at OPERATOR(pg_catalog.<) $3 "
		"LIMIT $4 FOR UPDATE SKIP LOCKED)) RETURNING command, command_id, token"
		"), sample AS ("
		"SELECT g.command, g.command_id, pg_catalog.split_part(g.token, '-', 3)::pg_catalog.xid8 AS xid, "
		"pg_catalog.row_number() OVER (PARTITION BY g.command) AS number FROM gone g WHERE g.token IS NOT NULL"
		"), remembered AS ("
		"INSERT INTO cqrs.emission (command, event_type) SELECT DISTINCT s.command, e.type FROM sample s "
		"CROSS JOIN LATERAL (SELECT n.type FROM cqrs.event n WHERE n.xid OPERATOR(pg_catalog.=) s.xid "
		"AND n.command_id OPERATOR(pg_catalog.=) s.command_id) e "
		"WHERE s.number OPERATOR(pg_catalog.<=) 20 ON CONFLICT DO NOTHING"
		") SELECT pg_catalog.count(*) FROM gone",
		SPI_OK_SELECT, 4, {TIDOID, TIDOID, TIMESTAMPTZOID, INT8OID}
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
		"DELETE FROM cqrs.query_registry WHERE name OPERATOR(pg_catalog.=) $1 "
		"AND owner OPERATOR(pg_catalog.=) $2",
		SPI_OK_DELETE, 2, {TEXTOID, TEXTOID}
	},
	[CQRS_PLAN_DELETE_RULES] = {
		"DELETE FROM cqrs.rule WHERE projection OPERATOR(pg_catalog.=) $1 "
		"AND ($2 IS NULL OR build OPERATOR(pg_catalog.=) $2)",
		SPI_OK_DELETE, 2, {TEXTOID, INT4OID}
	},
	[CQRS_PLAN_DELETE_RULES_OF_TYPE] = {
		"DELETE FROM cqrs.rule WHERE projection OPERATOR(pg_catalog.=) $1 "
		"AND build OPERATOR(pg_catalog.=) $2 AND event_types OPERATOR(pg_catalog.=) ARRAY[$3]",
		SPI_OK_DELETE, 3, {TEXTOID, INT4OID, TEXTOID}
	},
	[CQRS_PLAN_DIAGRAM] = {
		/*
		 * Nodes and arrows, see src/query/diagram.c, which knows the numbers:
		 * 1 command, 2 event type, 3 projection, 4 view, 5 query.
		 */
		"WITH sample AS ("
		"SELECT e.type, e.command_id FROM (SELECT n.type, n.command_id FROM cqrs.event n "
		"ORDER BY n.position DESC LIMIT 10000) e WHERE e.command_id IS NOT NULL "
		"UNION SELECT e.type, e.command_id FROM "
		"(SELECT pg_catalog.min(m.position) AS low, pg_catalog.max(m.position) AS high FROM cqrs.event m) r "
		"CROSS JOIN LATERAL pg_catalog.generate_series(r.low, r.high, "
		"GREATEST((r.high OPERATOR(pg_catalog.-) r.low) OPERATOR(pg_catalog./) 1000, 10)) AS place (position) "
		"CROSS JOIN LATERAL (SELECT n.type, n.command_id FROM cqrs.event n "
		"WHERE n.position OPERATOR(pg_catalog.>=) place.position ORDER BY n.position LIMIT 10) e "
		"WHERE e.command_id IS NOT NULL"
		"), observed AS ("
		"SELECT DISTINCT l.command, s.type FROM sample s CROSS JOIN LATERAL "
		"(SELECT k.command FROM cqrs.ledger k WHERE k.command_id OPERATOR(pg_catalog.=) s.command_id "
		"AND k.outcome OPERATOR(pg_catalog.=) 'accepted' LIMIT 1) l "
		"UNION SELECT m.command, m.event_type FROM cqrs.emission m"
		"), view AS ("
		"SELECT p.name AS projection, p.read_schema, u.name, "
		"p.read_schema OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) u.name AS label, c.oid, "
		/* as a regular expression: names that consist of more than letters have them escaped */
		"pg_catalog.regexp_replace(pg_catalog.replace(p.read_schema, '\"', '\"\"'), '(\\W)', '\\\\\\1', 'g') AS schema_pattern, "
		"'\"?' OPERATOR(pg_catalog.||) pg_catalog.regexp_replace(pg_catalog.replace(u.name, '\"', '\"\"'), '(\\W)', '\\\\\\1', 'g') "
		"OPERATOR(pg_catalog.||) '\"?(?![\\w$])' AS pattern "
		"FROM cqrs.projection p JOIN cqrs.build b ON b.projection OPERATOR(pg_catalog.=) p.name "
		"AND b.number OPERATOR(pg_catalog.=) p.live_build "
		"CROSS JOIN LATERAL pg_catalog.unnest(b.views) AS u (name) "
		"LEFT JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.=) p.read_schema::pg_catalog.name "
		"LEFT JOIN pg_catalog.pg_class c ON c.relnamespace OPERATOR(pg_catalog.=) n.oid "
		"AND c.relname OPERATOR(pg_catalog.=) u.name::pg_catalog.name"
		"), flow AS ("
		"SELECT 1 AS kind, c.name, NULL::pg_catalog.text AS note, 2 AS to_kind, o.type AS to_name "
		"FROM cqrs.command_registry c LEFT JOIN observed o ON o.command OPERATOR(pg_catalog.=) c.name "
		"UNION ALL SELECT 2, t.name, NULL, NULL, NULL FROM cqrs.event_type t "
		"UNION ALL SELECT 2, u.name, NULL, 3, r.projection FROM cqrs.projection p "
		"JOIN cqrs.rule r ON r.projection OPERATOR(pg_catalog.=) p.name "
		"AND r.build OPERATOR(pg_catalog.=) COALESCE(p.live_build, (SELECT pg_catalog.max(b.number) FROM cqrs.build b "
		"WHERE b.projection OPERATOR(pg_catalog.=) p.name)) "
		"CROSS JOIN LATERAL pg_catalog.unnest(r.event_types) AS u (name) "
		"UNION ALL SELECT 3, p.name, CASE WHEN p.live_build IS NULL THEN 'draft' "
		"WHEN p.mode OPERATOR(pg_catalog.=) 'inline' THEN 'inline' END, 4, v.label "
		"FROM cqrs.projection p LEFT JOIN view v ON v.projection OPERATOR(pg_catalog.=) p.name "
		"UNION ALL SELECT 5, q.name, NULL, NULL, NULL FROM cqrs.query_registry q "
		/* what a query reads: what its body depends on, or else names */
		"UNION ALL SELECT 4, v.label, NULL, 5, q.name FROM cqrs.query_registry q "
		"JOIN pg_catalog.pg_proc f ON f.oid OPERATOR(pg_catalog.=) pg_catalog.to_regprocedure("
		"pg_catalog.format('%I.%I(%s)', q.handler_schema, q.handler_name, q.argument)) "
		"JOIN view v ON EXISTS (SELECT FROM pg_catalog.pg_depend d "
		"WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass "
		"AND d.objid OPERATOR(pg_catalog.=) f.oid "
		"AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass "
		"AND d.refobjid OPERATOR(pg_catalog.=) v.oid) "
		"OR f.prosrc OPERATOR(pg_catalog.~*) ('(?<![\\w.$\"])\"?' OPERATOR(pg_catalog.||) v.schema_pattern "
		"OPERATOR(pg_catalog.||) '\"?\\s*\\.\\s*' OPERATOR(pg_catalog.||) v.pattern) "
		"OR f.prosrc OPERATOR(pg_catalog.~*) ('(?<![\\w.$\"])' OPERATOR(pg_catalog.||) v.pattern) "
		"AND EXISTS (SELECT FROM pg_catalog.unnest(f.proconfig) AS s (setting) "
		"WHERE s.setting OPERATOR(pg_catalog.~) ('^search_path=(.*[ ,])?\"?' OPERATOR(pg_catalog.||) v.schema_pattern "
		"OPERATOR(pg_catalog.||) '\"?(,|$)'))"
		"), node AS ("
		"SELECT n.kind, n.name, pg_catalog.max(n.note) AS note, "
		"pg_catalog.row_number() OVER (PARTITION BY n.kind ORDER BY n.name COLLATE pg_catalog.\"C\")::pg_catalog.int4 AS number "
		"FROM (SELECT f.kind, f.name::pg_catalog.text COLLATE pg_catalog.\"C\" AS name, f.note FROM flow f "
		"UNION ALL SELECT f.to_kind, f.to_name, NULL FROM flow f) n "
		"WHERE n.name IS NOT NULL GROUP BY n.kind, n.name"
		") "
		"SELECT n.kind, n.number, NULL::pg_catalog.int4, NULL::pg_catalog.int4, n.name, n.note FROM node n "
		"UNION ALL (SELECT DISTINCT n.kind, n.number, t.kind, t.number, NULL, NULL FROM flow f "
		"JOIN node n ON n.kind OPERATOR(pg_catalog.=) f.kind AND n.name OPERATOR(pg_catalog.=) f.name "
		"JOIN node t ON t.kind OPERATOR(pg_catalog.=) f.to_kind AND t.name OPERATOR(pg_catalog.=) f.to_name) "
		"ORDER BY 3 NULLS FIRST, 1, 2, 4",
		SPI_OK_SELECT, 0, {0}
	},
	[CQRS_PLAN_FIND_DRAFT] = {
		"SELECT b.number FROM cqrs.build b WHERE b.projection OPERATOR(pg_catalog.=) $1 "
		"AND b.state OPERATOR(pg_catalog.=) 'draft'",
		SPI_OK_SELECT, 1, {TEXTOID}
	},
	[CQRS_PLAN_HAS_OTHERS] = {
		"SELECT FROM cqrs.build u WHERE u.projection OPERATOR(pg_catalog.=) $1 AND " IS_OTHER " LIMIT 1",
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
		"INSERT INTO cqrs.event_type (name, owner, payload, description) "
		"VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO NOTHING",
		SPI_OK_INSERT, 4, {TEXTOID, TEXTOID, TEXTOID, TEXTOID}
	},
	[CQRS_PLAN_INSERT_PROJECTION] = {
		"INSERT INTO cqrs.projection (name, owner, read_schema, on_error, mode, description, state, keep_previous) "
		"VALUES ($1, $2, $3, $4, $5, $6, 'draft', $7) ON CONFLICT (name) DO NOTHING",
		SPI_OK_INSERT, 7, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INTERVALOID}
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
		"SELECT b.number, b.tables, b.state, b.views, b.later, b.waits_for, b.complete_xid, b.keep_until, b.last_error, b.policies "
		"FROM cqrs.build b WHERE b.projection OPERATOR(pg_catalog.=) $1 "
		"ORDER BY b.number",
		SPI_OK_SELECT, 1, {TEXTOID}
	},
	[CQRS_PLAN_LIST_CATCH_UP] = {
		/* those that have something to apply when nobody else does */
		"SELECT p.name FROM cqrs.projection p WHERE (p.state OPERATOR(pg_catalog.=) 'running' "
		"AND p.mode OPERATOR(pg_catalog.=) 'async') "
		"OR (p.state OPERATOR(pg_catalog.=) ANY (ARRAY['running', 'stopped']) "
		"AND EXISTS (SELECT FROM cqrs.build u WHERE u.projection OPERATOR(pg_catalog.=) p.name AND " IS_OTHER ")) "
		"ORDER BY p.name",
		SPI_OK_SELECT, 0, {0}
	},
	[CQRS_PLAN_LIST_RULES] = {
		"SELECT r.number, r.kind, r.event_types, r.rule, r.handler_owner FROM cqrs.rule r "
		"WHERE r.projection OPERATOR(pg_catalog.=) $1 AND r.build OPERATOR(pg_catalog.=) $2 "
		"ORDER BY r.number",
		SPI_OK_SELECT, 2, {TEXTOID, INT4OID}
	},
	[CQRS_PLAN_LIST_STARTED] = {
		"SELECT p.name FROM cqrs.projection p WHERE p.live_build IS NOT NULL "
		"ORDER BY p.name",
		SPI_OK_SELECT, 0, {0}
	},
	[CQRS_PLAN_LIST_WITH_OTHERS] = {
		"SELECT DISTINCT u.projection FROM cqrs.build u WHERE " IS_OTHER,
		SPI_OK_SELECT, 0, {0}
	},
	[CQRS_PLAN_LOCK_PROJECTION] = {
		"SELECT FROM cqrs.projection p WHERE p.name OPERATOR(pg_catalog.=) $1 FOR UPDATE",
		SPI_OK_SELECT, 1, {TEXTOID}
	},
	[CQRS_PLAN_NARROW_RULES] = {
		"UPDATE cqrs.rule SET event_types = pg_catalog.array_remove(event_types, $3) "
		"WHERE projection OPERATOR(pg_catalog.=) $1 AND build OPERATOR(pg_catalog.=) $2 "
		"AND $3 OPERATOR(pg_catalog.=) ANY (event_types)",
		SPI_OK_UPDATE, 3, {TEXTOID, INT4OID, TEXTOID}
	},
	[CQRS_PLAN_PREPARED_CHANGES] = {
		/* locks of prepared transactions, as no process holds them: has one changed a projection? */
		"SELECT FROM pg_catalog.pg_locks l WHERE l.pid IS NULL "
		"AND l.locktype OPERATOR(pg_catalog.=) 'relation' "
		"AND l.relation OPERATOR(pg_catalog.=) 'cqrs.projection'::pg_catalog.regclass::pg_catalog.oid "
		"AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d "
		"WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()) "
		"AND l.mode OPERATOR(pg_catalog.<>) ALL (ARRAY['AccessShareLock', 'RowShareLock'])",
		SPI_OK_SELECT, 0, {0}
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
	[CQRS_PLAN_SET_POLICIES] = {
		"UPDATE cqrs.build SET policies = $3 WHERE projection OPERATOR(pg_catalog.=) $1 "
		"AND number OPERATOR(pg_catalog.=) $2",
		SPI_OK_UPDATE, 3, {TEXTOID, INT4OID, TEXTARRAYOID}
	},
	[CQRS_PLAN_SET_TABLES] = {
		"UPDATE cqrs.build SET tables = $3 WHERE projection OPERATOR(pg_catalog.=) $1 "
		"AND number OPERATOR(pg_catalog.=) $2",
		SPI_OK_UPDATE, 3, {TEXTOID, INT4OID, TEXTOID}
	},
	[CQRS_PLAN_SET_STATE] = {
		"UPDATE cqrs.projection SET state = $2 WHERE name OPERATOR(pg_catalog.=) $1",
		SPI_OK_UPDATE, 2, {TEXTOID, TEXTOID}
	},
	[CQRS_PLAN_SET_WAITS] = {
		"UPDATE cqrs.build SET waits_for = $3 WHERE projection OPERATOR(pg_catalog.=) $1 "
		"AND number OPERATOR(pg_catalog.=) $2 AND complete_xid OPERATOR(pg_catalog.=) $4 "
		"AND state OPERATOR(pg_catalog.=) 'following'",
		SPI_OK_UPDATE, 4, {TEXTOID, INT4OID, TEXTARRAYOID, XID8OID}
	},
	[CQRS_PLAN_STOP_ORPHAN] = {
		"UPDATE cqrs.projection SET state = 'stopped', last_error = $3, last_error_at = pg_catalog.clock_timestamp() "
		"WHERE name OPERATOR(pg_catalog.=) $1 AND owner OPERATOR(pg_catalog.=) $2 "
		"AND state OPERATOR(pg_catalog.=) 'running' AND mode OPERATOR(pg_catalog.=) 'async'",
		SPI_OK_UPDATE, 3, {TEXTOID, TEXTOID, TEXTOID}
	},
	[CQRS_PLAN_USERS_OF_BUILD] = {
		/* views and foreign keys that depend on relations of the schema $1, other than those in it and $2 */
		"SELECT DISTINCT pg_catalog.pg_describe_object(u.classid, u.objid, 0), "
		"pg_catalog.pg_describe_object(u.refclassid, u.refobjid, 0) FROM ("
		"SELECT CASE WHEN r.oid IS NULL THEN d.classid ELSE 'pg_catalog.pg_class'::pg_catalog.regclass END AS classid, "
		"COALESCE(r.ev_class, d.objid) AS objid, d.refclassid, d.refobjid, COALESCE(r.ev_class, k.conrelid) AS relation "
		"FROM pg_catalog.pg_class t "
		"JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass "
		"AND d.refobjid OPERATOR(pg_catalog.=) t.oid AND d.deptype OPERATOR(pg_catalog.=) 'n' "
		"LEFT JOIN pg_catalog.pg_rewrite r ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass "
		"AND r.oid OPERATOR(pg_catalog.=) d.objid "
		"LEFT JOIN pg_catalog.pg_constraint k ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass "
		"AND k.oid OPERATOR(pg_catalog.=) d.objid "
		"WHERE t.relnamespace OPERATOR(pg_catalog.=) $1 "
		"AND (r.oid IS NOT NULL OR k.oid IS NOT NULL)) u "
		"JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) u.relation "
		"WHERE c.relnamespace OPERATOR(pg_catalog.<>) $1 AND c.oid OPERATOR(pg_catalog.<>) ALL ($2) "
		"ORDER BY 1, 2",
		SPI_OK_SELECT, 2, {OIDOID, OIDARRAYOID}
	},
	[CQRS_PLAN_USERS_OF_VIEW] = {
		/* all that would go with a view, or keep it from being dropped */
		"SELECT DISTINCT pg_catalog.pg_describe_object(u.classid, u.objid, u.objsubid), "
		"pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, $1, 0) FROM ("
		"SELECT CASE WHEN r.oid IS NULL OR r.ev_class OPERATOR(pg_catalog.=) $1 THEN d.classid "
		"ELSE 'pg_catalog.pg_class'::pg_catalog.regclass END AS classid, "
		"CASE WHEN r.oid IS NULL OR r.ev_class OPERATOR(pg_catalog.=) $1 THEN d.objid ELSE r.ev_class END AS objid, "
		"CASE WHEN r.oid IS NULL THEN d.objsubid ELSE 0 END AS objsubid "
		"FROM pg_catalog.pg_depend d "
		"LEFT JOIN pg_catalog.pg_rewrite r ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass "
		"AND r.oid OPERATOR(pg_catalog.=) d.objid "
		"WHERE d.deptype OPERATOR(pg_catalog.=) ANY ('{n,a}'::pg_catalog.\"char\"[]) AND "
		"((d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass "
		"AND d.refobjid OPERATOR(pg_catalog.=) $1 "
		"AND NOT (r.ev_class OPERATOR(pg_catalog.=) $1 AND r.rulename OPERATOR(pg_catalog.=) '_RETURN') IS TRUE) "
		"OR (d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass "
		"AND d.refobjid OPERATOR(pg_catalog.=) ANY (SELECT y.oid FROM pg_catalog.pg_type y "
		"WHERE y.typrelid OPERATOR(pg_catalog.=) $1 UNION ALL SELECT y.typarray FROM pg_catalog.pg_type y "
		"WHERE y.typrelid OPERATOR(pg_catalog.=) $1)))) u ORDER BY 1",
		SPI_OK_SELECT, 1, {OIDOID}
	},
};
