\set id 64 * random(0, 1600) + :client_id
INSERT INTO plain_event SELECT nextval('plain_position'), pg_current_xact_id(), 'order-' || :id, 'order', (SELECT coalesce(max(version), 0) + 1 FROM plain_event WHERE stream = 'order-' || :id), 'ItemAdded', 1, '{"order_id": 7, "product": "tea", "qty": 2, "price": 3.5}', NULL, NULL, clock_timestamp();
