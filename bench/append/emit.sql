\set id 64 * random(0, 1600) + :client_id
SELECT cqrs_emit('order-' || :id, 'ItemAdded', '{"order_id": 7, "product": "tea", "qty": 2, "price": 3.5}');
