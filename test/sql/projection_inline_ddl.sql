-- An event trigger may append events while we do DDL of our own.  Inline projections get each of them once.
CREATE SCHEMA audited;
CREATE FUNCTION audited.record_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cqrs_emit('ddl-1', 'Ddl', jsonb_build_object('tag', tg_tag));
END $$;
SELECT cqrs_create_projection('one', 'audited', 'CREATE TABLE one (position bigint)', mode => 'inline', keep_previous => '1 hour');
SELECT cqrs_on('one', 'Ddl', 'INSERT INTO one VALUES (event.position)');
SELECT cqrs_create_projection('two', 'audited', 'CREATE TABLE two (position bigint)', mode => 'inline');
SELECT cqrs_on('two', 'Ddl', 'INSERT INTO two VALUES (event.position)');
SELECT cqrs_start('one'), cqrs_start('two');
CREATE EVENT TRIGGER record_ddl ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'CREATE VIEW') EXECUTE FUNCTION audited.record_ddl();

-- which events have been applied less or more than once?
CREATE FUNCTION audited.wrong(tables text[], OUT name text, OUT tag text, OUT times bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
	FOREACH name IN ARRAY tables LOOP
		FOR tag, times IN EXECUTE format('SELECT data->>''tag'', (SELECT count(*) FROM audited.%I t WHERE t.position = e.position)
			FROM cqrs.event e WHERE type = ''Ddl'' ORDER BY e.position', name)
		LOOP
			IF times <> 1 THEN RETURN NEXT; END IF;
		END LOOP;
	END LOOP;
END $$;

-- a build is put in place, and the one before it again
SELECT cqrs_rebuild('one');
SELECT cqrs_catch_up('one') > 0 AS applied;
SELECT data->>'tag' AS tag, count(*) > 0 AS seen FROM cqrs.event WHERE type = 'Ddl' GROUP BY 1 ORDER BY 1;
SELECT * FROM audited.wrong('{one,two}');
SELECT cqrs_revert('one');
SELECT * FROM audited.wrong('{one,two}');

-- the same in a command, at the end of which its events are applied
CREATE FUNCTION audited.exchange(payload jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cqrs_emit('ddl-1', 'Ddl', '{"tag": "none"}');
	PERFORM cqrs_rebuild('one');
	PERFORM cqrs_catch_up('one');
	PERFORM cqrs_emit('ddl-1', 'Ddl', '{"tag": "none"}');
END $$;
SELECT cqrs_create_command('Exchange', 'audited.exchange(jsonb)');
SELECT cqrs_send('Exchange');
SELECT live_build > 1 AS another FROM cqrs.projection_status WHERE projection = 'one';
SELECT * FROM audited.wrong('{one,two}');
SELECT cqrs_revert('one');
SELECT * FROM audited.wrong('{one,two}');

-- another one is started in a command
CREATE FUNCTION audited.begin(payload jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cqrs_create_projection('three', 'audited', 'CREATE TABLE three (position bigint)', mode => 'inline');
	PERFORM cqrs_on('three', 'Ddl', 'INSERT INTO three VALUES (event.position)');
	PERFORM cqrs_start('three');
END $$;
SELECT cqrs_create_command('Begin', 'audited.begin(jsonb)');
SELECT cqrs_send('Begin');
SELECT * FROM audited.wrong('{one,two,three}');

-- a check makes tables, too, and takes back what that has appended
SELECT c.* FROM unnest('{one,two,three}'::text[]) name, cqrs_check(name) c;
SELECT * FROM audited.wrong('{one,two,three}');

DROP EVENT TRIGGER record_ddl;
SELECT cqrs_drop_command('Exchange'), cqrs_drop_command('Begin');
SELECT cqrs_drop_projection(name) FROM unnest('{one,two,three}'::text[]) name;
DROP SCHEMA audited CASCADE;
