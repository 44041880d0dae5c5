-- A customer is renamed, and the new name reaches every order: the read models
-- have copied it, so each has a rule that brings the copies up to date.
SET ROLE shop_app;
SELECT order_id, customer_name FROM shop.order_summary WHERE customer_id = 1 ORDER BY order_id;

SELECT cqrs_send('RenameCustomer', '{"customer_id": 1, "name": "Ada King"}');
SELECT cqrs_wait();

SELECT order_id, customer_name FROM shop.order_summary WHERE customer_id = 1 ORDER BY order_id;
SELECT order_id, customer_name FROM shop.order_detail WHERE customer_id = 1 ORDER BY order_id;
SELECT order_id, customer_name FROM shop.shipping_dashboard WHERE customer_id = 1 ORDER BY order_id;
SELECT customer_id, customer_name FROM shop.customer_orders WHERE customer_id = 1;

-- The past is what it was: events do not change.
SET ROLE shop_owner;
SELECT version, type, data->>'customer_name' AS customer_name FROM cqrs_stream('order-1', max_count => 1);
SELECT version, type, data FROM cqrs_stream('customer-1');
