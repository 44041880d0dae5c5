-- The first orders.  From here on we are the application: a role that may send
-- commands and run queries, and nothing else.
SET ROLE shop_app;

-- A command returns an identifier.
SELECT cqrs_send('CreateOrder', '{"customer_id": 1, "ship_to": "12 St James''s Square, London, England"}') AS order_id;
SELECT cqrs_send('AddItem', '{"order_id": 1, "product_id": 1, "qty": 1}');
SELECT cqrs_send('AddItem', '{"order_id": 1, "product_id": 3, "qty": 4}');
SELECT cqrs_send('SubmitOrder', '{"order_id": 1, "submitted_on": "2026-03-02"}');

-- The commit of a command is over before read models have followed, which takes
-- milliseconds.  cqrs_wait() waits for them.
SELECT cqrs_wait();
SELECT * FROM shop.order_summary;
SELECT * FROM shop.shipping_dashboard \gx

-- Commands are rejected by the type of their payload, with all faults at once, ...
\set ON_ERROR_STOP off
SELECT cqrs_send('AddItem', '{"order_id": "one", "qty": 0, "colour": "red"}');
-- ... or by a rule of the business.  Nothing has been written then.
SELECT cqrs_send('AddItem', '{"order_id": 1, "product_id": 2, "qty": 1}');
SELECT cqrs_send('SubmitOrder', '{"order_id": 99}');
SELECT cqrs_send('CreateOrdr', '{"customer_id": 1}');
\set ON_ERROR_STOP on

-- A rejection as a row, for those who would rather not handle errors.
SELECT ok, sqlstate, message, hint FROM cqrs_try_send('ShipOrder', '{"order_id": 99, "carrier": "x", "tracking_number": "y"}');

-- More orders.
SELECT cqrs_send('CreateOrder', '{"customer_id": 2, "ship_to": "1 Rue de la Paix, Paris, France"}') AS order_id;
SELECT cqrs_send('AddItem', '{"order_id": 2, "product_id": 4, "qty": 3}');
SELECT ok, message, detail FROM cqrs_try_send('SubmitOrder', '{"order_id": 2}');
SELECT cqrs_send('CancelOrder', '{"order_id": 2, "reason": "There are not enough of them."}');

SELECT cqrs_send('CreateOrder', '{"customer_id": 2, "ship_to": "1 Rue de la Paix, Paris, France"}') AS order_id;
SELECT cqrs_send('AddItem', '{"order_id": 3, "product_id": 4, "qty": 1}');
SELECT cqrs_send('AddItem', '{"order_id": 3, "product_id": 2, "qty": 6}');
SELECT cqrs_send('SubmitOrder', '{"order_id": 3, "submitted_on": "2026-03-02"}');
SELECT cqrs_send('ChangeShippingAddress', '{"order_id": 3, "ship_to": "Via Margutta 51, Rome, Italy"}');
SELECT cqrs_send('ShipOrder', '{"order_id": 3, "carrier": "Ferry", "tracking_number": "F-2207"}');

SELECT cqrs_send('CreateOrder', '{"customer_id": 1, "ship_to": "Ockham Park, Surrey, England"}') AS order_id;
SELECT cqrs_send('AddItem', '{"order_id": 4, "product_id": 2, "qty": 2}');
SELECT cqrs_send('SubmitOrder', '{"order_id": 4, "submitted_on": "2026-03-03"}');

-- A command with an id is idempotent: sent twice it is done once, and the second
-- answer is that of the first.  So a client that lost its connection asks again.
SELECT cqrs_send('CreateOrder', '{"customer_id": 3, "ship_to": "78 High Street, Hampton, England"}',
	command_id => '0192f1c4-5b7e-7c3a-9d1e-2f6a8b4c0d11') AS order_id;
SELECT cqrs_send('CreateOrder', '{"customer_id": 3, "ship_to": "78 High Street, Hampton, England"}',
	command_id => '0192f1c4-5b7e-7c3a-9d1e-2f6a8b4c0d11') AS order_id;

-- What has become of it.
SELECT cqrs_wait();
SELECT * FROM shop.order_summary ORDER BY order_id;
SELECT customer_id, customer_name, orders, total_spent, average, first_order, last_order
FROM shop.customer_orders ORDER BY customer_id;
SELECT order_id, zone, ship_to, customer_name, pieces, submitted_on FROM shop.shipping_dashboard ORDER BY zone, order_id;
SELECT day, orders, revenue, average, jsonb_pretty(top_products) AS top_products FROM shop.daily_sales ORDER BY day;

-- Queries by name: one order, and a page of a list.
SELECT jsonb_pretty(q) AS "GetOrder" FROM cqrs_query('GetOrder', '{"order_id": 3}') AS q;
SELECT q->>'order_id' AS order_id, q->>'customer_name' AS customer_name, q->>'total' AS total
FROM cqrs_query('FindOrders', '{"sort": "-total", "min_total": 20}') AS q;
SELECT q->>'order_id' AS order_id FROM cqrs_query('FindOrders', '{"customer": "LOVE", "status": "submitted"}') AS q;
SELECT jsonb_path_query_array(items, '$[*].order_id') AS orders, total, page, page_size
FROM cqrs_query_page('FindOrders', '{"sort": "customer"}', page => 2, page_size => 2);

-- Whatever comes from outside is a value.
SELECT count(*) FROM cqrs_query('FindOrders', $${"customer": "'; DROP TABLE shop.order_summary; --"}$$);
\set ON_ERROR_STOP off
SELECT count(*) FROM cqrs_query('FindOrders', '{"sort": "total; DROP TABLE shop.order_summary"}');
\set ON_ERROR_STOP on
