-- Nothing lacks a comment: \dx+, \d+ and \df+ explain themselves.
BEGIN;
CREATE EXTENSION IF NOT EXISTS cqrs;
SELECT plan(5);

SELECT is_empty($$
	SELECT pg_describe_object(classid, objid, 0) FROM pg_depend
	WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'cqrs')
	  AND obj_description(objid, classid::regclass::text::name) IS NULL
	  -- from 17 on the types of the rows of tables are members, too
	  AND NOT (classid = 'pg_type'::regclass AND EXISTS (
			SELECT FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
			WHERE t.oid = objid AND (t.typelem <> 0 OR c.relkind <> 'c')))
$$, 'every object of the extension has a comment');
SELECT is_empty($$
	SELECT c.oid::regclass, a.attname
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	WHERE c.relnamespace = 'cqrs'::regnamespace AND c.relkind IN ('r', 'v', 'c')
	  AND col_description(c.oid, a.attnum) IS NULL
$$, 'every column has one');
SELECT isnt_empty($$
	SELECT FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
	WHERE c.relnamespace = 'cqrs'::regnamespace AND col_description(c.oid, a.attnum) IS NOT NULL
$$, 'and there are columns');
SELECT is((SELECT obj_description(oid, 'pg_extension') IS NOT NULL FROM pg_extension WHERE extname = 'cqrs'), true, 'the extension has one');
SELECT is_empty($$
	SELECT name FROM pg_settings WHERE name LIKE 'cqrs.%' AND coalesce(short_desc, '') = ''
$$, 'every setting says what it is for');
SELECT * FROM finish();
ROLLBACK;
