-- What the clients of a history write to and read from.  All projections hold
-- the same: each event with how often it was applied, a fold of each stream that
-- depends on the order, and for each source of events how often two of them
-- came in the wrong order.
CREATE EXTENSION cqrs;
CREATE EXTENSION cqrs_test;
CREATE SCHEMA chaos;
CREATE SCHEMA s;
GRANT USAGE ON SCHEMA chaos, s TO alice, bob;
GRANT CREATE ON SCHEMA s TO alice, bob;
SELECT cqrs_grant('alice', 'define'), cqrs_grant('bob', 'define');

CREATE TABLE chaos.business (n bigint);
CREATE TABLE chaos.booking (n bigint);

CREATE FUNCTION chaos.step(h bigint, n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT
	AS 'SELECT (h * 31 + n) % 1000000007';
CREATE AGGREGATE chaos.fold(bigint) (sfunc = chaos.step, stype = bigint, initcond = '0');
-- fold of two lists, from the fold of each and the length of the second
CREATE FUNCTION chaos.join_folds(h1 bigint, h2 bigint, length bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
	FOR i IN 1 .. length LOOP
		h1 := h1 * 31 % 1000000007;
	END LOOP;
	RETURN (h1 + h2) % 1000000007;
END $$;

CREATE FUNCTION chaos.book(c jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	IF (c->>'reject')::boolean THEN
		RAISE 'no' USING errcode = 'CH001';
	END IF;
	INSERT INTO chaos.booking VALUES ((c->>'n')::bigint);
	PERFORM pg_sleep((c->>'hold')::int * 0.001);
	PERFORM cqrs_emit(c->>'stream', 'Booked', c - 'hold' - 'reject');
	RETURN c->'n';
END $$;
REVOKE EXECUTE ON FUNCTION chaos.book FROM PUBLIC;
SELECT cqrs_create_command('Book', 'chaos.book(jsonb)');

CREATE FUNCTION chaos.tables(p text) RETURNS text LANGUAGE sql AS $$
	SELECT format('
		CREATE TABLE %1$s_event (n bigint PRIMARY KEY, stream text, version bigint, times int);
		CREATE TABLE %1$s_stream (stream text PRIMARY KEY, events bigint, last bigint, h bigint);
		CREATE TABLE %1$s_source (w bigint PRIMARY KEY, last bigint, disorder int)', p) $$;
-- values => what an event becomes: VALUES (...) gives folds, SELECT ... statements
CREATE FUNCTION chaos.rules(p text, query text, query_end text) RETURNS text LANGUAGE sql AS $$
	SELECT format('
		INSERT INTO %1$s_event %2$s (event.data->>''n'')::bigint, event.stream, event.version, 1 %3$s
			ON CONFLICT (n) DO UPDATE SET times = %1$s_event.times + 1;
		INSERT INTO %1$s_stream %2$s event.stream, 1, event.version, chaos.step(0, (event.data->>''n'')::bigint) %3$s
			ON CONFLICT (stream) DO UPDATE SET events = %1$s_stream.events + 1, last = excluded.last, h = chaos.step(%1$s_stream.h, excluded.h);
		INSERT INTO %1$s_source %2$s (event.data->>''w'')::bigint, (event.data->>''n'')::bigint, 0 %3$s
			ON CONFLICT (w) DO UPDATE SET last = excluded.last, disorder = %1$s_source.disorder + (excluded.last < %1$s_source.last)::int',
		p, query, query_end) $$;

-- what is folded, and what is done in the transaction that appends
SET ROLE alice;
SELECT cqrs_create_projection(p, 's', chaos.tables(p), mode => m) FROM (VALUES ('fold', 'async'), ('inlined', 'inline')) v(p, m);
SELECT cqrs_on(p, '*', chaos.rules(p, 'VALUES (', ')')) FROM unnest('{fold,inlined}'::text[]) p;

-- what is executed statement by statement
SELECT cqrs_create_projection('stmt', 's', chaos.tables('stmt'));
SELECT cqrs_on('stmt', '*', chaos.rules('stmt', 'SELECT ', 'WHERE true'));

-- what is executed batch by batch
SELECT cqrs_create_projection('batch', 's', chaos.tables('batch'));
SELECT cqrs_on_batch('batch', '{*}', $$
	WITH e AS MATERIALIZED (SELECT position, stream, version, (data->>'n')::bigint AS n, (data->>'w')::bigint AS w FROM events),
	a AS (INSERT INTO batch_event SELECT n, stream, version, 1 FROM e
		ON CONFLICT (n) DO UPDATE SET times = batch_event.times + 1),
	b AS (INSERT INTO batch_source SELECT w, max(n), 0 FROM e GROUP BY w ON CONFLICT (w) DO UPDATE SET last = excluded.last)
	INSERT INTO batch_stream SELECT stream, count(*), max(version), chaos.fold(n ORDER BY position) FROM e GROUP BY stream
	ON CONFLICT (stream) DO UPDATE SET events = batch_stream.events + excluded.events, last = excluded.last,
		h = chaos.join_folds(batch_stream.h, excluded.h, excluded.events) $$);

-- a function, which refuses some events: they are skipped
RESET ROLE;
SET ROLE bob;
SELECT cqrs_create_projection('func', 's', chaos.tables('func'), on_error => 'skip');
RESET ROLE;
CREATE FUNCTION chaos.func(event cqrs.event) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	number bigint := event.data->'n';
	source bigint := event.data->'w';
BEGIN
	INSERT INTO func_event VALUES (number, event.stream, event.version, 1)
		ON CONFLICT (n) DO UPDATE SET times = func_event.times + 1;
	UPDATE func_stream SET events = events + 1, last = event.version, h = chaos.step(h, number) WHERE stream = event.stream;
	IF NOT FOUND THEN
		INSERT INTO func_stream VALUES (event.stream, 1, event.version, chaos.step(0, number));
	END IF;
	INSERT INTO func_source VALUES (source, number, 0)
		ON CONFLICT (w) DO UPDATE SET last = excluded.last, disorder = func_source.disorder + (excluded.last < func_source.last)::int;
	IF event.type = 'Bad' THEN
		RAISE 'a bad event';
	END IF;
END $$;
SET ROLE bob;
SELECT cqrs_on('func', '*', 'chaos.func(cqrs.event)'::regprocedure);

-- some events fail, and what comes after them in their stream is parked
SELECT cqrs_create_projection('park', 's', chaos.tables('park'));
SELECT cqrs_on('park', t, chaos.rules('park', 'VALUES (', ')')) FROM unnest('{E,Booked}'::text[]) t;
SELECT cqrs_on('park', 'Bad', 'INSERT INTO park_event VALUES (0, NULL, event.version / (event.version - event.version), 1)');
RESET ROLE;

SELECT cqrs_start(name) FROM cqrs.projection ORDER BY name;

-- readers without a projection: two of the log itself, and one that is wrong
CREATE TABLE chaos.read_event (reader text, i bigserial, n bigint, w bigint, position bigint, stream text, version bigint);
CREATE TABLE chaos.naive (last bigint);
INSERT INTO chaos.naive VALUES (0);
SELECT cqrs_test.create_cursor('few'), cqrs_test.create_cursor('all');

-- What events of the log a projection has to hold.
CREATE FUNCTION chaos.expected(p text) RETURNS SETOF cqrs.event LANGUAGE sql STABLE AS $$
	SELECT e.* FROM cqrs.event e
	  LEFT JOIN (SELECT stream, min(version) AS version FROM cqrs.event WHERE type = 'Bad' AND p = 'park' GROUP BY stream) b USING (stream)
	 WHERE (p <> 'func' OR e.type <> 'Bad') AND (b.version IS NULL OR e.version < b.version) $$;

-- What is wrong with a projection that has come to the end of the log.
CREATE FUNCTION chaos.faults_of(p text) RETURNS TABLE (projection text, fault text, number bigint, example text) LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN QUERY EXECUTE format('
		WITH x AS (SELECT x.*, (x.data->>''n'')::bigint AS n FROM chaos.expected(%1$L) x)
		SELECT %1$L, CASE WHEN m.n IS NULL THEN ''lost'' WHEN x.n IS NULL THEN ''invented'' ELSE ''not once'' END,
			count(*), min(coalesce(m.n, x.n))::text
		  FROM s.%1$s_event m FULL JOIN x ON m.n = x.n AND m.stream = x.stream AND m.version = x.version
		 WHERE m.times IS DISTINCT FROM 1 OR x.n IS NULL GROUP BY 2
		UNION ALL
		SELECT %1$L, ''stream'', count(*), min(stream) FROM s.%1$s_stream m FULL JOIN
			(SELECT stream, count(*) AS events, max(version) AS last, chaos.fold(n ORDER BY version) AS h FROM x GROUP BY stream) f
			USING (stream, events, last, h) WHERE m.stream IS NULL OR f.stream IS NULL HAVING count(*) > 0
		UNION ALL
		SELECT %1$L, ''effect before cause'', count(*), min(w)::text FROM s.%1$s_source WHERE disorder > 0 HAVING count(*) > 0', p);
END $$;

-- The same for readers.
CREATE FUNCTION chaos.faults_of_reader(r text) RETURNS TABLE (reader text, fault text, number bigint, example text) LANGUAGE sql STABLE AS $$
	WITH g AS (SELECT * FROM chaos.read_event WHERE reader = r)
	SELECT r, 'not once', count(*), min(position)::text FROM
		(SELECT position FROM cqrs.event e FULL JOIN g USING (position) GROUP BY position HAVING count(g.n) <> 1 OR count(e.type) <> 1) x
	HAVING count(*) > 0
	UNION ALL
	SELECT r, 'stream', count(*), min(stream) FROM
		(SELECT stream, version, lag(version) OVER (PARTITION BY stream ORDER BY i) AS before FROM g) x
	 WHERE version <> coalesce(before, 0) + 1 HAVING count(*) > 0
	UNION ALL
	SELECT r, 'effect before cause', count(*), min(n)::text FROM
		(SELECT n, lag(n) OVER (PARTITION BY w ORDER BY i) AS before FROM g) x WHERE n < before HAVING count(*) > 0 $$;

-- What is wrong with the log itself, with the tables of commands, and with what is parked.
CREATE FUNCTION chaos.faults_of_log() RETURNS TABLE (what text, fault text, number bigint, example text) LANGUAGE sql STABLE AS $$
	SELECT 'log', 'versions', count(*), min(stream) FROM
		(SELECT stream, version, position, lag(version, 1, 0::bigint) OVER w AS before, lag(position) OVER w AS place
		   FROM cqrs.event WINDOW w AS (PARTITION BY stream ORDER BY version)) x
	 WHERE version <> before + 1 OR position < place HAVING count(*) > 0
	UNION ALL
	SELECT 'log', 'effect before cause', count(*), min(n)::text FROM
		(SELECT (data->>'n')::bigint AS n, lag((data->>'n')::bigint) OVER (PARTITION BY data->'w' ORDER BY position) AS before FROM cqrs.event) x
	 WHERE n < before HAVING count(*) > 0
	UNION ALL
	SELECT 'log', 'commands', count(*), min(n)::text FROM
		(SELECT n FROM (SELECT n, 'table' AS place FROM chaos.booking UNION ALL
			SELECT (data->>'n')::bigint, 'event' FROM cqrs.event WHERE type = 'Booked' UNION ALL
			SELECT result::bigint, 'ledger' FROM cqrs.ledger WHERE command = 'Book' AND outcome = 'accepted') x
		 GROUP BY n HAVING count(*) <> 3 OR count(DISTINCT place) <> 3) x HAVING count(*) > 0
	UNION ALL
	SELECT p.projection, 'parked', count(*), min(p.stream) FROM cqrs.parked_event p JOIN cqrs.event e USING (position)
	  LEFT JOIN chaos.expected('park') x USING (position)
	 WHERE (p.projection = 'func' AND (p.sqlstate IS NULL OR e.type <> 'Bad'))
		OR (p.projection = 'park' AND x.position IS NOT NULL)
		OR p.projection NOT IN ('park', 'func')
	 GROUP BY 1 $$;

-- What is wrong at this moment with the projections in some streams, judged by their cursors.  It has to
-- be one statement: tables are locked before its snapshot is taken.
CREATE FUNCTION chaos.sample() RETURNS text LANGUAGE sql AS $$
	SELECT 'WITH streams AS MATERIALIZED (SELECT stream FROM cqrs.stream ORDER BY random() LIMIT 3) '
		|| string_agg(format('
		SELECT %1$L AS projection, f.stream, f.events, f.last, f.h, m.events, m.last, m.h FROM
			(SELECT e.stream, count(*) AS events, max(e.version) AS last, chaos.fold((e.data->>''n'')::bigint ORDER BY e.version) AS h
			   FROM cqrs.projection p JOIN cqrs.cursor c ON c.name = p.name || ''$'' || p.live_build, cqrs.event e JOIN streams ON streams.stream = e.stream COLLATE "C"
			  WHERE p.name = %1$L
				AND (pg_visible_in_snapshot(e.xid, c.done)
					OR pg_visible_in_snapshot(e.xid, c.target) AND e.position <= c.position
					OR e.xid = c.own_xid AND e.position <= c.own_position)
				AND CASE p.name WHEN ''func'' THEN e.type <> ''Bad''
					WHEN ''park'' THEN NOT EXISTS (SELECT FROM cqrs.event b WHERE b.stream COLLATE "C" = e.stream AND b.type = ''Bad'' AND b.version <= e.version)
					ELSE true END
			  GROUP BY e.stream) f
			FULL JOIN (SELECT m.* FROM s.%1$s_stream m JOIN streams ON streams.stream = m.stream COLLATE "C") m USING (stream)
		 WHERE (f.events, f.last, f.h) IS DISTINCT FROM (m.events, m.last, m.h)', name), ' UNION ALL ')
	  FROM cqrs.projection WHERE mode = 'async' $$;
