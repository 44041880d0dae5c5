\set o random(1, 100000)
\set p random(1, 1000)
\set q random(1, 9)
BEGIN;
UPDATE bench.orders SET version = version + 1 WHERE order_id = :o RETURNING version AS line \gset
INSERT INTO bench.order_items (order_id, line, product_id, qty, price) SELECT :o, :line, product_id, :q, price FROM bench.products WHERE product_id = :p RETURNING price \gset
\startpipeline
INSERT INTO bench.outbox (stream, type, data) VALUES ('order-' || :o::bigint, 'ItemAdded', jsonb_build_object('order_id', :o::bigint, 'product_id', :p::bigint, 'qty', :q::int, 'line', :line::int, 'price', :price::numeric));
COMMIT;
\endpipeline
