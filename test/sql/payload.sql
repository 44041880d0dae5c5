-- Payloads: every fault, in one error, with its path.
CREATE SCHEMA payload_test;
SET search_path TO payload_test;

-- tries to emit an event and shows what comes of it
CREATE FUNCTION try_emit(type text, data jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	_message text;
	_detail text;
	_hint text;
BEGIN
	PERFORM cqrs_emit('payload-1', type, data);
	RAISE INFO 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS _message = MESSAGE_TEXT, _detail = PG_EXCEPTION_DETAIL, _hint = PG_EXCEPTION_HINT;
	RAISE INFO '%', concat(SQLSTATE, ': ', _message, E'\nDETAIL:  ' || nullif(_detail, ''), E'\nHINT:  ' || nullif(_hint, ''));
END $$;
\pset tuples_only on
\pset format unaligned

CREATE DOMAIN id AS bigint NOT NULL;
CREATE DOMAIN qty AS integer NOT NULL CONSTRAINT qty_is_positive CHECK (VALUE > 0) CONSTRAINT qty_is_sane CHECK (VALUE < 1000);
CREATE DOMAIN few AS qty CONSTRAINT qty_is_few CHECK (VALUE <= 10);
CREATE DOMAIN present AS text CONSTRAINT is_present CHECK (VALUE IS NOT NULL);
CREATE TYPE flat AS (order_id id, product_id bigint, qty qty);
SELECT cqrs_create_event_type('Flat', 'flat');

-- what fits
SELECT try_emit('Flat', '{"order_id": 7, "product_id": 3, "qty": 2}');
SELECT try_emit('Flat', '{"order_id": "7", "qty": "+2"}');
SELECT try_emit('Flat', '{"order_id": 9223372036854775807, "product_id": null, "qty": 2.0}');
SELECT try_emit('Flat', '{"order_id": "-9223372036854775808", "product_id": " 12 ", "qty": 1e2}');

-- what does not
SELECT try_emit('Flat', '{}');
SELECT try_emit('Flat', '{"order_id": null, "product_id": null, "qty": null}');
SELECT try_emit('Flat', '{"order_id": "x", "product_id": true, "qty": 0, "colour": "red", "a.b": 1, "": 2}');
SELECT try_emit('Flat', '{"order_id": 9223372036854775808, "product_id": "9223372036854775808", "qty": 2.5}');
SELECT try_emit('Flat', '{"order_id": 1e400, "product_id": [1], "qty": {"n": 1}}');
SELECT try_emit('Flat', '{"order_id": "", "product_id": "7x", "qty": 1000}');
SELECT try_emit('Flat', '{"order_id": 1, "qty": "2147483648"}');
SELECT try_emit('Flat', '[]');
SELECT try_emit('Flat', '[{"order_id": 1, "qty": 1}]');
SELECT try_emit('Flat', '"x"');
SELECT try_emit('Flat', 'null');
SELECT try_emit('Flat', '{"ORDER_ID": 1, "Order_id": 1, "order_id": 1, "qty": 1}');

-- what did not fit was not written
SELECT version, type, data FROM cqrs_stream('payload-1');

-- a line stays a line, of a bounded length
SELECT try_emit('Flat', jsonb_build_object('order_id', E'a\nb\tc', 'qty', 1, E'x\ny', 1, repeat('k', 500), 1, E'"\\', 1));
SELECT try_emit('Flat', jsonb_build_object('order_id', repeat('é', 500), 'qty', 1));
SELECT try_emit('Flat', (SELECT jsonb_object_agg('k' || i, i) FROM generate_series(1, 250) i));

-- every scalar
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TYPE scalars AS (b bool, i2 smallint, i4 int, i8 bigint, f4 real, f8 double precision, n numeric, n52 numeric(5,2),
	t text, v varchar(3), c char(3), u uuid, d date, ts timestamp, tz timestamptz(0), jb jsonb, j json,
	m mood, iv interval, ip inet, by bytea, r int4range, nm name, o oid, mo money, tm time);
SELECT cqrs_create_event_type('Scalars', 'scalars');
SELECT try_emit('Scalars', '{"b": true, "i2": 1, "i4": 2, "i8": 3, "f4": 1.5, "f8": 1e300, "n": 1e100, "n52": 999.99, "t": "", "v": "abc  ", "c": "a",
	"u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "d": "2024-02-28", "ts": "2024-02-28T12:00:00", "tz": "2024-02-28T12:00:00.123Z",
	"jb": [1, {"a": null}], "j": {"a": [1]}, "m": "good", "iv": "1 day", "ip": "10.0.0.1", "by": "\\x00ff", "r": "[1,2)",
	"nm": "n", "o": 12, "mo": 12.5, "tm": "12:00"}');
SELECT try_emit('Scalars', '{"b": "yes", "i2": "1", "i4": "2", "i8": "3", "f4": "NaN", "f8": "-Infinity", "n": "NaN", "n52": "1e2", "t": "x",
	"u": "{a0eebc999c0b4ef8bb6d6bb9bd380a11}", "d": "20240229", "ts": "2024-02-29 12:00", "tz": "2024-02-29 12:00:00+05:30",
	"jb": "x", "j": 1, "iv": "P1D", "o": "12"}');
SELECT try_emit('Scalars', '{"jb": null, "j": null, "t": null}');
SELECT try_emit('Scalars', '{"b": 1, "i2": 40000, "i4": true, "i8": "1.0", "f4": 1e39, "f8": 1e400, "n": "1,5", "n52": 999.995, "t": 1, "v": "abcd", "c": "abc d",
	"u": "a0eebc99", "d": "2024-02-30", "ts": "yesterday or so", "tz": 12, "m": "ugly", "iv": "1 fortnite", "ip": "10.0.0.256",
	"by": "\\xz", "r": "[2,1]", "nm": 1, "o": -1.5, "mo": true, "tm": "25:00"}');
SELECT try_emit('Scalars', '{"b": "maybe", "i2": "-32769", "f4": "1e-60", "f8": "1e-400", "n52": "Infinity", "t": ["x"], "u": 1, "d": 20240101, "m": 1, "m2": 1, "by": 5, "ip": {}}');
SELECT try_emit('Scalars', jsonb_build_object('m', repeat('x', 100), 'n', repeat('9', 300), 'i8', repeat('9', 300)));

-- domains: over domains, that refuse null, over arrays, over composites
CREATE DOMAIN tags AS text[] CONSTRAINT few_tags CHECK (cardinality(VALUE) <= 2);
CREATE DOMAIN order_line AS flat CONSTRAINT line_is_cheap CHECK ((VALUE).qty < 100);
CREATE TYPE domains AS (f few, p present, tags tags, line order_line);
SELECT cqrs_create_event_type('Domains', 'domains');
SELECT try_emit('Domains', '{"f": 10, "p": "x", "tags": ["a", null], "line": {"order_id": 1, "qty": 1}}');
SELECT try_emit('Domains', '{"f": 11, "tags": ["a", "b", "c"], "line": {"order_id": 1, "qty": 100}}');
SELECT try_emit('Domains', '{"f": 2000, "p": null, "tags": "a", "line": {"order_id": 1, "qty": 0}}');

-- nesting
CREATE TYPE address AS (street text, zip present);
CREATE TYPE item AS (product_id id, qty qty, tags text[], where_to address);
CREATE TYPE nested AS (order_id id, ship_to address, items item[], matrix int[], docs jsonb[], quantities qty[]);
SELECT cqrs_create_event_type('Nested', 'nested');
SELECT try_emit('Nested', '{"order_id": 1, "ship_to": {"street": "s", "zip": "z"}, "items": [{"product_id": 1, "qty": 2, "tags": ["a"]}, null],
	"matrix": [[1, 2], [3, 4]], "docs": [[1], {"a": 1}, null], "quantities": [1, "2"]}');
SELECT try_emit('Nested', '{"order_id": 1, "items": [], "matrix": [], "docs": [], "quantities": []}');
SELECT try_emit('Nested', '{"order_id": 1, "ship_to": {"street": 1}, "items": [{"product_id": 1, "qty": 1}, {"product_id": "a", "tags": [1, "x"], "size": 3},
	{"product_id": 1, "qty": 0, "where_to": {"street": "s", "zip": null, "x": 1}}, 5, [6]],
	"matrix": [[1, 2], [3]], "docs": {}, "quantities": [1, null, 0]}');
SELECT try_emit('Nested', '{"order_id": 1, "ship_to": [], "items": {}, "matrix": [1, [2]]}');
SELECT try_emit('Nested', '{"order_id": 1, "matrix": [[1], 2], "quantities": "{1}"}');
SELECT try_emit('Nested', '{"order_id": 1, "matrix": [[], []]}');
SELECT try_emit('Nested', '{"order_id": 1, "matrix": [[[[[[[1]]]]]]]}');
SELECT try_emit('Nested', ('{"order_id": 1, "matrix": ' || repeat('[', 1000) || repeat(']', 1000) || '}')::jsonb);

-- arrays that are empty somewhere: all of them, or it is a fault.  PostgreSQL thinks the same, but that text can be an array.
CREATE TYPE arrays AS (n int[], t text[], i item[], q few[], a address[]);
CREATE FUNCTION as_text(p arrays) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT COALESCE(p.n::text, p.t::text, p.i::text, p.q::text, p.a::text)';
REVOKE ALL ON FUNCTION as_text(arrays) FROM PUBLIC;
SELECT cqrs_create_query('Arrays', 'as_text(arrays)');
CREATE FUNCTION try_array(payload jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	ours text;
	_detail text;
	theirs text;
BEGIN
	BEGIN
		ours := (SELECT r #>> '{}' FROM cqrs_query('Arrays', payload) r);
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS _detail = PG_EXCEPTION_DETAIL;
		ours := SQLSTATE || ' ' || replace(_detail, E'\n', ', ');
	END;
	BEGIN
		theirs := as_text(jsonb_populate_record(NULL::payload_test.arrays, payload));
	EXCEPTION WHEN OTHERS THEN
		theirs := 'fault';
	END;
	RETURN concat_ws(' | ', payload, ours, CASE WHEN theirs IS DISTINCT FROM ours AND (ours NOT LIKE 'QC001%' OR theirs <> 'fault') THEN 'PostgreSQL makes ' || theirs END);
END $$;
SELECT try_array(jsonb_build_object(field, replace(shape, 'x', element)::jsonb))
  FROM (VALUES ('n', '1'), ('t', '"a"'), ('i', '{"product_id": 1, "qty": 1}'), ('q', '1'), ('a', 'null')) f (field, element),
	unnest(ARRAY['[]', '[[]]', '[[],[]]', '[[],x]', '[x,[]]', '[[x],[]]', '[[],[x]]', '[[[]],[x]]', '[[[]],[[]]]', '[[[]],[]]', '[[],[[]]]', '[[[x]],[[]]]',
		'[[[[[[]]]]]]', '[[[[[[[]]]]]]]', '[[[[[[]]]]],x]', '[[[],[]],[[],[]]]', '[[[],[]],[[],x]]', '[[[],[]],[[],[x]]]', '[[x,x],[x,x]]']) shape;
SELECT right(try_array(jsonb_build_object('t', ('[' || repeat('[],', 1000) || '"a"]')::jsonb)), 60);
SELECT cqrs_drop_query('Arrays');

-- the row type of a table: NOT NULL columns are required
CREATE TABLE customer (id int PRIMARY KEY, gone int, name text NOT NULL, note text);
ALTER TABLE customer DROP COLUMN gone;
SELECT cqrs_create_event_type('Customer', 'customer');
SELECT try_emit('Customer', '{"id": 1, "name": "n"}');
SELECT try_emit('Customer', '{"id": null, "gone": 1, "........pg.dropped.2........": 1}');

-- what sessions remember follows the types
ALTER TYPE flat ADD ATTRIBUTE colour text;
SELECT try_emit('Flat', '{"order_id": 1, "qty": 1, "colour": "red"}');
ALTER TYPE flat DROP ATTRIBUTE product_id;
SELECT try_emit('Flat', '{"order_id": 1, "qty": 1, "product_id": 1}');
ALTER TYPE flat RENAME ATTRIBUTE colour TO color;
SELECT try_emit('Flat', '{"order_id": 1, "qty": 1, "color": "red"}');
ALTER DOMAIN qty DROP CONSTRAINT qty_is_positive;
SELECT try_emit('Flat', '{"order_id": 1, "qty": 0}');
ALTER DOMAIN qty DROP NOT NULL;
SELECT try_emit('Flat', '{"order_id": 1}');
ALTER TABLE customer ALTER name DROP NOT NULL, ALTER note SET NOT NULL;
SELECT try_emit('Customer', '{"id": 1}');
ALTER TYPE mood ADD VALUE 'ugly';
SELECT try_emit('Scalars', '{"m": "ugly"}');
BEGIN;
ALTER TYPE flat ADD ATTRIBUTE size int;
SELECT try_emit('Flat', '{"order_id": 1, "size": 1}');
ROLLBACK;
SELECT try_emit('Flat', '{"order_id": 1, "size": 1}');

-- a constraint that changes what is being checked, or checks in its turn
CREATE TYPE inner_type AS (a int);
SELECT cqrs_create_event_type('Inner', 'inner_type');
CREATE FUNCTION meddle(v int) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
	IF v = 1 THEN
		ALTER TYPE payload_test.meddled ADD ATTRIBUTE z int;
	ELSIF v = 2 THEN
		PERFORM cqrs_emit('payload-2', 'Meddled', '{"a": 3, "b": 3}');
	ELSIF v = 4 THEN
		PERFORM cqrs_emit('payload-2', 'Inner', '{"a": "x"}');
	ELSIF v = 5 THEN
		ALTER DOMAIN payload_test.meddling DROP CONSTRAINT meddling_check;
		PERFORM cqrs_emit('payload-2', 'Meddled', '{"a": 5, "b": 5}');
	ELSIF v = 6 THEN
		DROP TYPE payload_test.meddled CASCADE;
	ELSIF v = 7 THEN
		RETURN 1 / (v - 7) > 0;
	END IF;
	RETURN v < 100;
END $$;
CREATE DOMAIN meddling AS int CHECK (meddle(VALUE));
CREATE TYPE meddled AS (a meddling, b int);
SELECT cqrs_create_event_type('Meddled', 'meddled');
SELECT try_emit('Meddled', '{"a": 3, "b": 2}');
SELECT try_emit('Meddled', '{"a": 2, "b": 2}');
SELECT try_emit('Meddled', '{"a": 4, "b": 2}');
SELECT try_emit('Meddled', '{"a": 7, "b": 2}');
BEGIN;
SELECT try_emit('Meddled', '{"a": 5, "b": 2}');
ROLLBACK;
SELECT try_emit('Meddled', '{"a": 1, "b": "x"}');
SELECT try_emit('Meddled', '{"a": 1, "b": 2}');
SELECT try_emit('Meddled', '{"a": 3, "b": 2}');
SELECT try_emit('Meddled', '{"a": 6, "b": "x"}');
SELECT try_emit('Meddled', '{"a": 6, "b": 2}');
SELECT try_emit('Meddled', '{"a": 3, "b": 2}');

-- times are what rules will take them for, whatever the settings, and stay what they are
CREATE DOMAIN january AS date CHECK (extract(month FROM VALUE) = 1);
CREATE DOMAIN morning AS timestamptz CHECK (VALUE < '2020-01-01 12:00Z');
CREATE TYPE timed AS (at morning, d january, days daterange, t time[], i interval, note text);
SELECT cqrs_create_event_type('Timed', 'timed');
SELECT try_emit('Timed', '{"at": "now", "d": "Tomorrow", "days": "[today,)", "t": ["10:00", "now"], "note": "now"}');
SELECT try_emit('Timed', '{"at": "epoch", "d": "epoch", "days": "[2020-01-01,infinity)", "t": ["allballs"], "i": "1 day", "note": "today"}');
SET DateStyle = german;
SELECT try_emit('Timed', '{"d": "31.01.2020"}');
SET DateStyle = iso, dmy;
SELECT try_emit('Timed', '{"d": "02/01/2020"}');
SELECT try_emit('Timed', '{"d": "01/02/2020"}');
SET TimeZone = 'Asia/Tokyo';
SELECT try_emit('Timed', '{"at": "2020-01-01 12:30"}');
SELECT try_emit('Timed', '{"at": "2020-01-01 20:30+09"}');
SELECT current_setting('DateStyle'), current_setting('TimeZone');
RESET DateStyle;
RESET TimeZone;

-- a type that is gone
DROP TYPE nested;
SELECT try_emit('Nested', '{"order_id": 1}');
DROP DOMAIN tags CASCADE;
SELECT try_emit('Domains', '{"f": 1, "p": "x", "tags": []}');

-- many elements
CREATE TYPE many AS (n int[]);
SELECT cqrs_create_event_type('Many', 'many');
SELECT try_emit('Many', jsonb_build_object('n', (SELECT jsonb_agg(i) FROM generate_series(1, 100000) i)));
SELECT try_emit('Many', jsonb_build_object('n', (SELECT jsonb_agg(CASE WHEN i % 40000 = 0 THEN '"x"' ELSE to_jsonb(i) END) FROM generate_series(1, 100000) i)));

SET client_min_messages TO warning;
DROP SCHEMA payload_test CASCADE;
