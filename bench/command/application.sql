\set o random(1, 100000)
\set q random(1, 9)
\startpipeline
BEGIN;
UPDATE bench.orders SET version = version + 1 WHERE order_id = :o;
\endpipeline
INSERT INTO bench.order_items (order_id, product_id, qty) VALUES (:o, 3, :q) RETURNING line;
INSERT INTO bench.outbox (stream, type, data) VALUES ('order-' || :o::bigint, 'ItemAdded', jsonb_build_object('order_id', :o::bigint, 'product_id', 3, 'qty', :q::int));
COMMIT;
