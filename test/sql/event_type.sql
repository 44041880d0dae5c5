-- Event types: registration, and what it does to appends.
CREATE DOMAIN quantity AS integer NOT NULL CHECK (VALUE > 0);
CREATE TYPE item_added AS (order_id bigint, product text, qty quantity);
SELECT cqrs_create_event_type('TypedItem', 'item_added', 'A product was put on an order.');
SELECT cqrs_create_event_type('TypedEnd');
SELECT name, payload, schema_version, description FROM cqrs.event_type ORDER BY name;

SELECT * FROM fails($$SELECT cqrs_create_event_type('TypedItem')$$);
SELECT * FROM fails($$SELECT cqrs_create_event_type(NULL)$$);
SELECT * FROM fails($$SELECT cqrs_create_event_type('')$$);
SELECT * FROM fails($$SELECT cqrs_create_event_type('X', 'integer')$$) \gx
SELECT * FROM fails($$SELECT cqrs_create_event_type('X', 'no_such_type')$$);
CREATE TEMPORARY TABLE temporary (a int);
SELECT * FROM fails($$SELECT cqrs_create_event_type('X', 'temporary')$$);
CREATE TYPE secret AS (a int);
REVOKE USAGE ON TYPE secret FROM PUBLIC;
CREATE ROLE regress_cqrs_definer;
GRANT EXECUTE ON FUNCTION cqrs_create_event_type TO regress_cqrs_definer;
SET ROLE regress_cqrs_definer;
SELECT * FROM fails($$SELECT cqrs_create_event_type('X', 'public.secret')$$);
SELECT cqrs_create_event_type('OfOthers');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION cqrs_create_event_type FROM regress_cqrs_definer;
DROP ROLE regress_cqrs_definer;

-- The data of an event must fit its type, and all faults are named.
SELECT cqrs_emit('typed-1', 'TypedItem', '{"order_id": 1, "product": "tea", "qty": 2}');
SELECT * FROM fails($$SELECT cqrs_emit('typed-1', 'TypedItem', '{"order_id": "one", "qty": 0, "colour": "red"}')$$) \gx
SELECT * FROM fails($$SELECT cqrs_append('typed-1', '{TypedEnd,TypedItem}', ARRAY['{}', '{"order_id": 1}']::jsonb[])$$) \gx
SELECT * FROM fails($$SELECT cqrs_emit('typed-1', 'TypedItem', 'null')$$) \gx
SELECT cqrs_stream_version('typed-1');

-- A registration counts from its commit on, and at once for its own transaction.
SELECT cqrs_emit('typed-2', 'Later', '{"anything": 1}');
BEGIN;
SELECT cqrs_create_event_type('Later', 'item_added');
SELECT * FROM fails($$SELECT cqrs_emit('typed-2', 'Later', '{"anything": 1}')$$);
ROLLBACK;
SELECT cqrs_emit('typed-2', 'Later', '{"anything": 1}');

-- A type that changes, goes away, and comes back
ALTER TYPE item_added ADD ATTRIBUTE note text;
SELECT cqrs_emit('typed-1', 'TypedItem', '{"order_id": 1, "product": "tea", "qty": 2, "note": "!"}');
DROP TYPE item_added;
SELECT * FROM fails($$SELECT cqrs_emit('typed-1', 'TypedItem', '{}')$$) \gx
CREATE TYPE item_added AS (name text);
SELECT cqrs_emit('typed-1', 'TypedItem', '{"name": "tea"}');
