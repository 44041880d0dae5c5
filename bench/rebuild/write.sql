\set id random(0, 99999)
SELECT cqrs_emit('order-' || :id, 'ItemAdded', jsonb_build_object('order_id', :id::int, 'product_id', 1, 'qty', 1, 'price', 1));
