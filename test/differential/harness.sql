-- Runs one random case: events through the engine at several batch sizes, and
-- one by one as plain SQL.  Everything is rolled back.
CREATE SCHEMA diff;
CREATE DOMAIN diff.positive AS int CHECK (VALUE > 0);
CREATE DOMAIN diff.short_text AS varchar(5) CHECK (VALUE <> 'bad');
CREATE DOMAIN diff.key AS int;
CREATE TYPE diff.mood AS ENUM ('low', 'mid', 'high');
CREATE TYPE diff.pair AS (x int, y text);
CREATE COLLATION diff.ignores_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE diff.payload AS (k int, q bigint, n int, m numeric, s text, b boolean, j jsonb, a int[], d diff.positive, v varchar(4), t timestamptz);
CREATE TYPE diff.f_k AS (k int);
CREATE TYPE diff.f_q AS (q bigint);
CREATE TYPE diff.f_n AS (n int);
CREATE TYPE diff.f_m AS (m numeric);
CREATE TYPE diff.f_s AS (s text);
CREATE TYPE diff.f_b AS (b boolean);
CREATE TYPE diff.f_j AS (j jsonb);
CREATE TYPE diff.f_a AS (a int[]);
CREATE TYPE diff.f_d AS (d diff.positive);
CREATE TYPE diff.f_v AS (v varchar(4));
CREATE TYPE diff.f_t AS (t timestamptz);
CREATE TABLE diff.ev (LIKE cqrs.event, PRIMARY KEY (position));
CREATE FUNCTION diff.twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE FUNCTION diff.plplus(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 + $2; END';
CREATE FUNCTION diff.shout() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; NEW.c0 := NEW.c0; RETURN NEW; END$$;
SELECT cqrs_create_event_type('A', 'diff.payload'), cqrs_create_event_type('B', 'diff.payload'), cqrs_create_event_type('C', 'diff.payload');

CREATE FUNCTION diff.digest(tables text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text := '';
	one text;
	name text;
BEGIN
	FOREACH name IN ARRAY tables LOOP
		EXECUTE format('SELECT string_agg(t::text, E''\n'' ORDER BY t::text COLLATE "C") FROM %I t', name) INTO one;
		result := result || name || ':' || coalesce(one, '') || E'\n';
	END LOOP;
	RETURN result;
END $$;

-- When several statements of an event fail, either may be the one that is
-- reported: then the event is all that we compare.
CREATE FUNCTION diff.failure(failed bigint, state text, message text, counts int[]) RETURNS text
LANGUAGE sql AS $$
	SELECT CASE WHEN cardinality(counts) > 3 OR 1 <> ANY (counts) THEN failed::text
				ELSE format('%s %s %s', failed, state, message) END
$$;

-- One by one.  "checks" evaluates the fields that a rule mentions, "statements"
-- are its statements; both take the event as $1.  Prepared, with generic plans:
-- a plan for one value would evaluate expressions that are never reached.
CREATE FUNCTION diff.reference(types text[], checks text[], statements text[], counts int[],
							   tables text[], OUT failures text[], OUT digest text)
LANGUAGE plpgsql AS $$
DECLARE
	ev cqrs.event;
	first int;
BEGIN
	DEALLOCATE ALL;
	BEGIN
		FOR i IN 1 .. cardinality(checks) LOOP
			IF checks[i] <> '' THEN
				EXECUTE format('PREPARE diff_check_%s (cqrs.event) AS %s', i, checks[i]);
			END IF;
		END LOOP;
		FOR i IN 1 .. cardinality(statements) LOOP
			EXECUTE format('PREPARE diff_statement_%s (cqrs.event) AS %s', i, statements[i]);
		END LOOP;

		FOR ev IN SELECT * FROM diff.ev ORDER BY position LOOP
			BEGIN
				first := 1;
				FOR r IN 1 .. array_length(types, 1) LOOP
					IF types[r] IN ('*', ev.type) THEN
						IF checks[r] <> '' THEN
							EXECUTE format('EXECUTE diff_check_%s (%L)', r, ev);
						END IF;
						FOR i IN first .. first + counts[r] - 1 LOOP
							EXECUTE format('EXECUTE diff_statement_%s (%L)', i, ev);
						END LOOP;
					END IF;
					first := first + counts[r];
				END LOOP;
			EXCEPTION WHEN OTHERS THEN
				failures := array_append(failures, diff.failure(ev.position, SQLSTATE, SQLERRM, counts));
			END;
		END LOOP;
		digest := diff.digest(tables);
		RAISE EXCEPTION SQLSTATE 'ZZ001';
	EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
	END;
	DEALLOCATE ALL;
END $$;

CREATE FUNCTION diff.engine(kinds text[], types text[], rules text[], counts int[], tables text[], batch int,
							OUT failures text[], OUT digest text)
LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		SELECT array_agg(diff.failure(e.failed, e.sqlstate, e.message, counts)) INTO failures
		  FROM public.engine_apply(kinds, types, rules, 'diff.ev', batch) e;
		digest := diff.digest(tables);
		RAISE EXCEPTION SQLSTATE 'ZZ001';
	EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
	END;
END $$;

CREATE TABLE diff.summary (folds bigint, statements bigint, failures bigint, cases bigint, refused bigint);
INSERT INTO diff.summary VALUES (0, 0, 0, 0, 0);

CREATE FUNCTION diff.run(case_name text, ddl text, tables text[], kinds text[], types text[], rules text[],
						 checks text[], statements text[], counts int[], events text[], datas jsonb[])
RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	expected record;
	actual record;
	nfolds bigint := 0;
	nstatements bigint := 0;
	refused_ boolean := false;
BEGIN
	BEGIN
		CREATE SCHEMA build;
		SET LOCAL plan_cache_mode = force_generic_plan;
		SET LOCAL search_path = build, pg_catalog, pg_temp;
		EXECUTE ddl;
		INSERT INTO diff.ev
			SELECT i, '1', 's-' || coalesce(datas[i] ->> 'k', 'none'), 's', i, events[i], 1, datas[i], NULL, NULL, '2020-01-01 00:00Z'::timestamptz + i * interval '1 hour'
			  FROM generate_series(1, array_length(events, 1)) i;
		SELECT * INTO expected FROM diff.reference(types, checks, statements, counts, tables);
		BEGIN
			SELECT count(*) FILTER (WHERE plan = 'fold') AS f, count(*) FILTER (WHERE plan <> 'fold') AS s INTO nfolds, nstatements
			  FROM public.engine_explain(kinds, types, rules);
			FOR b IN 1 .. 3 LOOP
				SELECT * INTO actual FROM diff.engine(kinds, types, rules, counts, tables, (array[1, 7, 1000])[b]);
				IF actual.failures IS DISTINCT FROM expected.failures
				   OR actual.digest IS DISTINCT FROM expected.digest THEN
					RETURN NEXT format(E'MISMATCH in case %s, batch size %s\n%s\nrules: %s\nevents: %s\nexpected: %s\nactual: %s',
									   case_name, (array[1, 7, 1000])[b], ddl, array_to_string(rules, E'\n  '),
									   (SELECT string_agg(format('%s %s %s', position, type, data), E'\n  ' ORDER BY position) FROM diff.ev),
									   expected, actual);
					EXIT;
				END IF;
			END LOOP;
		EXCEPTION WHEN OTHERS THEN
			refused_ := true;
			RETURN NEXT format('NOTE case %s refused: %s %s', case_name, SQLSTATE, SQLERRM);
			IF SQLSTATE = 'XX000' THEN RETURN NEXT 'MISMATCH internal error'; END IF;
		END;
		RAISE EXCEPTION SQLSTATE 'ZZ002';
	EXCEPTION WHEN SQLSTATE 'ZZ002' THEN
	END;
	RESET search_path;
	UPDATE diff.summary s SET cases = s.cases + 1, folds = s.folds + nfolds, statements = s.statements + nstatements,
		failures = s.failures + coalesce(cardinality(expected.failures), 0), refused = s.refused + (CASE WHEN refused_ THEN 1 ELSE 0 END)
		WHERE true;
END $$;
