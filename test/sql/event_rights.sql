-- Who may do what with the log: nobody but its owner, anything.
CREATE ROLE regress_cqrs_nobody;
CREATE ROLE regress_cqrs_writer;
GRANT EXECUTE ON FUNCTION cqrs_emit, cqrs_append, cqrs_stream, cqrs_stream_version TO regress_cqrs_writer;
GRANT CREATE ON SCHEMA public TO regress_cqrs_writer;

-- No function of ours is for PUBLIC.
SELECT p.oid::regprocedure
  FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  JOIN pg_extension x ON x.oid = d.refobjid AND x.extname = 'cqrs'
 WHERE p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0);
-- No table or sequence of ours is for anybody but the owner.
SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = 'cqrs' AND c.relkind IN ('r', 'S')
   AND EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner);

SET ROLE regress_cqrs_nobody;
SELECT f.state, f.message FROM (VALUES
	($$SELECT cqrs_emit('s-1', 'T')$$),
	($$SELECT cqrs_append('s-1', '{}', '{}')$$),
	($$SELECT cqrs_stream('s-1')$$),
	($$SELECT cqrs_stream_version('s-1')$$),
	($$SELECT cqrs_create_event_type('T')$$),
	($$SELECT * FROM cqrs.outbox$$)) s (statement), LATERAL fails(statement) f;
RESET ROLE;

GRANT USAGE ON SCHEMA cqrs TO regress_cqrs_nobody, regress_cqrs_writer;
SET ROLE regress_cqrs_writer;
SELECT cqrs_emit('rights-1', 'T');
SELECT version, type FROM cqrs_stream('rights-1');
SELECT f.state, replace(f.message, current_database(), 'x') AS message FROM (VALUES
	('SELECT * FROM cqrs.event'),
	('INSERT INTO cqrs.event SELECT * FROM cqrs_stream(''rights-1'')'),
	('UPDATE cqrs.event SET type = ''x'''),
	('DELETE FROM cqrs.event'),
	('TRUNCATE cqrs.event'),
	('LOCK TABLE cqrs.event'),
	('SELECT * FROM cqrs.stream'),
	('SELECT nextval(''cqrs.event_position'')'),
	('SELECT setval(''cqrs.event_position'', 1)'),
	('SELECT last_value FROM cqrs.event_position'),
	('UPDATE cqrs.incarnation SET after_position = 0'),
	('DELETE FROM cqrs.cursor'),
	('INSERT INTO cqrs.event_type (name) VALUES (''x'')'),
	('CREATE TABLE public.t (position bigint REFERENCES cqrs.event)'),
	('CREATE TABLE public.t () INHERITS (cqrs.event)'),
	('CREATE TABLE cqrs.t ()'),
	('CREATE FUNCTION cqrs.f() RETURNS int LANGUAGE sql AS ''SELECT 1'''),
	('CREATE TRIGGER t AFTER INSERT ON cqrs.event EXECUTE FUNCTION suppress_redundant_updates_trigger()'),
	('CREATE RULE r AS ON INSERT TO cqrs.event DO INSTEAD NOTHING'),
	('CREATE POLICY p ON cqrs.event'),
	('CREATE INDEX ON cqrs.event (type)'),
	('ALTER TABLE cqrs.event ENABLE ROW LEVEL SECURITY'),
	('CREATE PUBLICATION p FOR TABLE cqrs.event'),
	('CREATE STATISTICS cqrs.s ON type, version FROM cqrs.event'),
	('SET cqrs.max_event_size = 1'),
	('ALTER EXTENSION cqrs ADD SCHEMA public'),
	('DROP EXTENSION cqrs')) s (statement), LATERAL fails(statement) f;

-- Names of one's own do not stand in for those of the extension.
CREATE TEMP TABLE event (LIKE pg_class);
CREATE TEMP TABLE stream (stream text PRIMARY KEY, version bigint);
CREATE FUNCTION pg_temp.texteq(text, text) RETURNS boolean LANGUAGE plpgsql AS
	'BEGIN RAISE EXCEPTION ''caught''; END';
CREATE OPERATOR pg_temp.= (leftarg = text, rightarg = text, function = pg_temp.texteq);
SET search_path = pg_temp, pg_catalog;
SELECT cqrs_emit('rights-1', 'U'), cqrs_append('rights-1', '{V}', '{"{}"}'), cqrs_stream_version('rights-1');
SELECT version, type FROM cqrs_stream('rights-1');
RESET search_path;
RESET ROLE;
DROP TABLE pg_temp.event, pg_temp.stream;
DROP OPERATOR pg_temp.= (text, text);
DROP FUNCTION pg_temp.texteq(text, text);

-- The extension's schema may not exist before it, nor any of its functions.
SELECT * FROM fails('CREATE SCHEMA cqrs');
REVOKE USAGE ON SCHEMA cqrs FROM regress_cqrs_nobody, regress_cqrs_writer;
REVOKE CREATE ON SCHEMA public FROM regress_cqrs_writer;
DROP OWNED BY regress_cqrs_nobody, regress_cqrs_writer;
DROP ROLE regress_cqrs_nobody, regress_cqrs_writer;
