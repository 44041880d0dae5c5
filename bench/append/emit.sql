\set id random(1, 100000)
SELECT cqrs_emit('order-' || :id, 'ItemAdded', '{"order_id": 7, "product": "tea", "qty": 2, "price": 3.5}');
