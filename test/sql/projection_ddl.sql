-- Tables of a build that change between batches: rules are planned anew, or say
-- what is wrong; never wrong data.
CREATE SCHEMA ddl;
SELECT cqrs_create_projection('ddl', read_schema => 'ddl', tables => $$
	CREATE TABLE counts (k text PRIMARY KEY, n int NOT NULL DEFAULT 0, note text);
$$);
SELECT cqrs_on('ddl', 'DdlCounted', $$
	INSERT INTO counts (k, n) VALUES (event.stream, 1)
	ON CONFLICT (k) DO UPDATE SET n = counts.n + 1
$$);
SELECT cqrs_on('ddl', 'DdlNoted', $$
	UPDATE counts SET note = coalesce(note, '') || (event.data ->> 'note') WHERE k = event.stream
$$);
SELECT cqrs_start('ddl');
SELECT cqrs_emit('ddl-1', 'DdlCounted'), cqrs_emit('ddl-1', 'DdlNoted', '{"note": "a"}');
SELECT cqrs_catch_up('ddl');

-- an index, a wider type, a new column with a default, a column in the way that goes
CREATE INDEX ON "ddl$1".counts (n);
DROP VIEW ddl.counts;
ALTER TABLE "ddl$1".counts ALTER COLUMN n TYPE bigint, ADD COLUMN more int DEFAULT 7, DROP COLUMN note, ADD COLUMN note varchar(5);
SELECT cqrs_emit('ddl-1', 'DdlCounted'), cqrs_emit('ddl-2', 'DdlCounted'), cqrs_emit('ddl-1', 'DdlNoted', '{"note": "b"}');
SELECT cqrs_catch_up('ddl');
SELECT * FROM "ddl$1".counts ORDER BY k;

-- a length that is now refused, at the event that breaks it
SELECT cqrs_emit('ddl-2', 'DdlNoted', '{"note": "123456"}'), cqrs_emit('ddl-1', 'DdlCounted');
SELECT cqrs_catch_up('ddl');
SELECT * FROM "ddl$1".counts ORDER BY k;
SELECT stream, sqlstate, message FROM cqrs.parked_event WHERE projection = 'ddl' ORDER BY position;

-- a constraint, and a trigger: what they ask for happens
ALTER TABLE "ddl$1".counts ADD CHECK (n < 5);
CREATE TABLE "ddl$1"._log (k text, n bigint);
CREATE FUNCTION "ddl$1".note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO "ddl$1"._log VALUES (NEW.k, NEW.n);
	RETURN NEW;
END $$;
CREATE TRIGGER note AFTER UPDATE ON "ddl$1".counts FOR EACH ROW EXECUTE FUNCTION "ddl$1".note();
SELECT cqrs_emit('ddl-1', 'DdlCounted'), cqrs_emit('ddl-1', 'DdlCounted'), cqrs_emit('ddl-3', 'DdlCounted');
SELECT cqrs_catch_up('ddl');
SELECT * FROM "ddl$1".counts ORDER BY k;
SELECT * FROM "ddl$1"._log;
SELECT stream, sqlstate, message FROM cqrs.parked_event WHERE projection = 'ddl' ORDER BY position;

-- a column that is needed goes: the projection stops, and goes on after the repair
ALTER TABLE "ddl$1".counts RENAME COLUMN n TO m;
SELECT cqrs_emit('ddl-4', 'DdlCounted');
SELECT cqrs_catch_up('ddl');
SELECT state, last_error FROM cqrs.projection_status WHERE projection = 'ddl';
ALTER TABLE "ddl$1".counts RENAME COLUMN m TO n;
SELECT cqrs_resume('ddl');
SELECT cqrs_catch_up('ddl');
SELECT k, n FROM "ddl$1".counts ORDER BY k;
SELECT cqrs_drop_projection('ddl');
DROP SCHEMA ddl;

-- Columns that somebody has added to the log.  Events are kept for the next reader, with all of them.
CREATE SCHEMA wide;
CREATE FUNCTION wide.whole(e cqrs.event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO "wide2$1".wide2 VALUES (e.version, to_jsonb(e)->'metadata', to_jsonb(e)->>'b');
END $$;
SELECT cqrs_create_projection('wide1', 'wide', 'CREATE TABLE wide1 (version bigint PRIMARY KEY, metadata jsonb, command_id uuid, recorded boolean)'),
	cqrs_on('wide1', 'Widened', 'INSERT INTO wide1 VALUES (event.version, event.metadata, event.command_id, event.recorded_at > ''2000-01-01'')'), cqrs_start('wide1'),
	cqrs_create_projection('wide2', 'wide', 'CREATE TABLE wide2 (version bigint, metadata jsonb, b text)'),
	cqrs_on('wide2', 'Widened', 'wide.whole(cqrs.event)'::regprocedure), cqrs_start('wide2'),
	cqrs_create_projection('wide3', 'wide', 'CREATE TABLE wide3 (version bigint PRIMARY KEY, metadata jsonb)'),
	cqrs_on_batch('wide3', '{Widened}', 'INSERT INTO wide3 SELECT version, metadata FROM events'), cqrs_start('wide3');
SELECT cqrs_emit('wide-1', 'Widened', metadata => '{"n": 1}');
ALTER TABLE cqrs.event ADD a text, ADD b text DEFAULT 'of the row', ADD c text;
SELECT count(cqrs_emit('wide-1', 'Widened', metadata => jsonb_build_object('n', n))) FROM generate_series(2, 5) n;
SELECT cqrs_catch_up();
SELECT version, command_id, recorded, wide1.metadata, wide2.metadata, b, wide3.metadata FROM wide.wide1 FULL JOIN wide.wide2 USING (version) FULL JOIN wide.wide3 USING (version) ORDER BY version;
ALTER TABLE cqrs.event DROP a, DROP b, DROP c;
SELECT count(cqrs_emit('wide-1', 'Widened', metadata => jsonb_build_object('n', n))) FROM generate_series(6, 7) n;
SELECT cqrs_catch_up();
SELECT version, wide1.metadata, wide2.metadata, b, wide3.metadata FROM wide.wide1 FULL JOIN wide.wide2 USING (version) FULL JOIN wide.wide3 USING (version) WHERE version > 5 ORDER BY version;
SELECT cqrs_drop_projection('wide1'), cqrs_drop_projection('wide2'), cqrs_drop_projection('wide3');
DROP SCHEMA wide CASCADE;
