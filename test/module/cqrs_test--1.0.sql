\echo Use "CREATE EXTENSION cqrs_test" to load this file. \quit

CREATE FUNCTION create_cursor(name text) RETURNS void
	LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'cqrs_test_create_cursor';
CREATE FUNCTION drop_cursor(name text) RETURNS boolean
	LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'cqrs_test_drop_cursor';

-- Reads up to max_count events through a cursor and counts them as delivered.
CREATE FUNCTION read(cursor_name text, max_count bigint DEFAULT 9223372036854775807, with_own boolean DEFAULT false)
	RETURNS SETOF cqrs.event
	LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'cqrs_test_read';

-- The same, looking at position, stream and type only; says how many there were.
CREATE FUNCTION count(cursor_name text, max_count bigint DEFAULT 9223372036854775807)
	RETURNS bigint
	LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'cqrs_test_count';

-- Reads, goes back to the beginning, reads again: true when both gave the same.
CREATE FUNCTION rewind(cursor_name text, max_count bigint) RETURNS boolean
	LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'cqrs_test_rewind';

-- Reads all there is, and says how much memory the reader took to do it.
CREATE FUNCTION memory(cursor_name text) RETURNS bigint
	LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'cqrs_test_memory';

-- Where processes can be stopped; the names are in src/README.md.  The first one
-- that gets there, after so many others, waits to be told to go on.
CREATE FUNCTION stop_at(point text, skip integer DEFAULT 0) RETURNS void
	LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'cqrs_test_stop_at';
CREATE FUNCTION stopped_at(point text) RETURNS integer
	LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'cqrs_test_stopped_at';
CREATE FUNCTION go_on(point text) RETURNS void
	LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'cqrs_test_go_on';

-- A table access method that does what the heap does, but is not the heap.
CREATE FUNCTION heap_handler(internal) RETURNS table_am_handler
	LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'cqrs_test_heap_handler';
