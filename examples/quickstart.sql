-- The event log of a small shop.

-- What can happen.  The data of an ItemAdded must fit a type.
CREATE TYPE item_added AS (product text, qty integer);
SELECT cqrs_create_event_type('OrderPlaced', description => 'A customer has placed an order');
SELECT cqrs_create_event_type('ItemAdded', 'item_added', 'Something was put into an order');

-- Events of one thing form a stream.  Each append gives the stream's new version.
SELECT cqrs_emit('order-7', 'OrderPlaced', '{"customer": "Ada"}');
SELECT cqrs_emit('order-7', 'ItemAdded', '{"product": "tea", "qty": 2}');

-- Several at once, into a stream that must not exist yet.
SELECT cqrs_append('order-8',
				   ARRAY['OrderPlaced', 'ItemAdded', 'ItemAdded'],
				   ARRAY['{"customer": "Grace"}', '{"product": "cup", "qty": 1}', '{"product": "tea", "qty": 1}']::jsonb[],
				   expected_version => 0);

-- Two mistakes that are refused: building on what has changed since, and data
-- that does not fit.
\set ON_ERROR_STOP off
SELECT cqrs_emit('order-7', 'ItemAdded', '{"product": "cup", "qty": 1}', expected_version => 1);
SELECT cqrs_emit('order-7', 'ItemAdded', '{"product": "cup", "quantity": 1}');
\set ON_ERROR_STOP on

-- What happened to order 7, in order.
SELECT version, type, data FROM cqrs_stream('order-7');

-- The whole log, with the column names that Debezium's outbox router expects.
SELECT id, aggregatetype, aggregateid, type, payload FROM cqrs.outbox ORDER BY id;
