\echo Use "CREATE EXTENSION cqrs_engine_test" to load this file. \quit

-- Applies the events in a table, in the order of its primary key, with a flush after each
-- "batch" of them, and passes over events that cannot be applied.  The
-- search_path has to be what a projection's would be.  A kind is sql, function
-- or batch; the types of a batch rule are separated by commas.
CREATE FUNCTION engine_apply(kinds text[], types text[], texts text[], events regclass, batch int,
							 OUT failed bigint, OUT sqlstate text, OUT message text)
	RETURNS SETOF record
	LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'cqrs_test_engine_apply';

-- Applies one batch beyond a position and says how far it has come; for
-- benchmarks.
CREATE FUNCTION engine_bench(kinds text[], types text[], texts text[], events regclass, batch int, after_position bigint)
	RETURNS bigint
	LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'cqrs_test_engine_bench';

CREATE FUNCTION engine_explain(kinds text[], types text[], texts text[],
							   OUT event_type text, OUT plan text, OUT reason text)
	RETURNS SETOF record
	LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'cqrs_test_engine_explain';
