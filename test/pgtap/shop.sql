-- The shop of examples/shop, tested as a user would test it: given what has
-- happened, when a command is sent, then these events; given these events, when
-- they are projected, then these rows.  One transaction, rolled back at the end.
BEGIN;
\o /dev/null
\ir ../../examples/shop/01_roles.sql
\ir ../../examples/shop/02_write_side.sql
\ir ../../examples/shop/03_events.sql
\ir ../../examples/shop/04_commands.sql
\ir ../../examples/shop/05_read_models.sql
\ir ../../examples/shop/06_queries.sql
RESET ROLE;
SET search_path TO public;
\ir ../../examples/testing/given_when_then.sql
\o
SELECT plan(47);

-- CreateOrder
SELECT when_sent('CreateOrder', '{"customer_id": 1, "ship_to": "Ockham Park, England"}');
SELECT then_events('OrderCreated {"order_id": 1, "customer_id": 1, "customer_name": "Ada Lovelace", "ship_to": "Ockham Park, England"}');
SELECT when_sent('CreateOrder', '{"customer_id": 9, "ship_to": "Ockham Park, England"}');
SELECT then_rejected('P0002', 'customer 9 does not exist');
SELECT when_sent('CreateOrder', '{"customer_id": 1, "ship_to": " "}');
SELECT then_rejected('QC001', 'payload of command "CreateOrder" does not fit type shop_write.create_order');

-- AddItem
SELECT when_sent('AddItem', '{"order_id": 1, "product_id": 2, "qty": 3}');
SELECT then_events('ItemAdded {"order_id": 1, "product_id": 2, "product": "Cup", "qty": 3, "price": 6.50}');
SELECT when_sent('AddItem', '{"order_id": 1, "product_id": 2, "qty": 1}');
SELECT then_rejected('P0001', 'product "Cup" is on order 1 already');
SELECT when_sent('AddItem', '{"order_id": 1, "product_id": 7, "qty": 1}');
SELECT then_rejected('P0002', 'product 7 does not exist');
SELECT when_sent('AddItem', '{"order_id": 2, "product_id": 2, "qty": 1}');
SELECT then_rejected('P0002', 'order 2 does not exist');
SELECT when_sent('AddItem', '{"order_id": 1, "product_id": 3, "qty": 0}');
SELECT then_rejected('QC001', 'payload of command "AddItem" does not fit type shop_write.add_item');
SELECT is(cqrs_stream_version('order-1'), 2::bigint, 'a rejected command leaves no events');
SELECT is((SELECT count(*) FROM shop_write.order_item), 1::bigint, 'and no rows');

-- ChangeShippingAddress
SELECT when_sent('ChangeShippingAddress', '{"order_id": 1, "ship_to": "Paris, France"}');
SELECT then_events('ShippingAddressChanged {"order_id": 1, "ship_to": "Paris, France"}');

-- SubmitOrder
SELECT when_sent('ShipOrder', '{"order_id": 1, "carrier": "Mail", "tracking_number": "1"}');
SELECT then_rejected('P0001', 'order 1 is open');
SELECT when_sent('SubmitOrder', format('{"order_id": 1, "submitted_on": "%s"}', current_date + 2)::jsonb);
SELECT then_rejected('P0001', 'an order cannot be submitted in the future');
SELECT when_sent('SubmitOrder', '{"order_id": 1, "submitted_on": "2026-03-02"}');
SELECT then_events('OrderSubmitted {"order_id": 1, "customer_name": "Ada Lovelace", "ship_to": "Paris, France", "submitted_on": "2026-03-02", "pieces": 3, "total": 19.50, "items": [{"product_id": 2, "product": "Cup", "qty": 3, "price": 6.50}]}');
SELECT is((SELECT stock FROM shop_write.product WHERE id = 2), 97, 'products are set aside');
SELECT when_sent('SubmitOrder', '{"order_id": 1}');
SELECT then_rejected('P0001', 'order 1 is submitted');
SELECT when_sent('AddItem', '{"order_id": 1, "product_id": 1, "qty": 1}');
SELECT then_rejected('P0001', 'order 1 is submitted');

SELECT given_sent('CreateOrder', '{"customer_id": 2, "ship_to": "York, England"}');
SELECT when_sent('SubmitOrder', '{"order_id": 2}');
SELECT then_rejected('P0001', 'order 2 has no items');
SELECT given_sent('AddItem', '{"order_id": 2, "product_id": 4, "qty": 3}');
SELECT given_sent('AddItem', '{"order_id": 2, "product_id": 1, "qty": 11}');
SELECT when_sent('SubmitOrder', '{"order_id": 2}');
SELECT then_rejected('P0001', 'order 2 has items that are out of stock');
SELECT is((outcome()).detail, E'"Teapot": 11 wanted, 10 in stock\n"Samovar": 3 wanted, 2 in stock', 'and says which');

-- ShipOrder
SELECT when_sent('ShipOrder', '{"order_id": 1, "carrier": "Mail", "tracking_number": "1"}');
SELECT then_events('OrderShipped {"order_id": 1, "carrier": "Mail"}');
SELECT when_sent('ChangeShippingAddress', '{"order_id": 1, "ship_to": "Rome, Italy"}');
SELECT then_rejected('P0001', 'order 1 is shipped');
SELECT when_sent('CancelOrder', '{"order_id": 1, "reason": "too late"}');
SELECT then_rejected('P0001', 'order 1 is shipped');

-- CancelOrder
SELECT when_sent('CancelOrder', '{"order_id": 2, "reason": "enough"}');
SELECT then_events('OrderCancelled {"order_id": 2, "reason": "enough"}');
SELECT when_sent('CancelOrder', '{"order_id": 2, "reason": "enough"}');
SELECT then_rejected('P0001', 'order 2 is cancelled');
SELECT given_sent('CreateOrder', '{"customer_id": 2, "ship_to": "York, England"}');
SELECT given_sent('AddItem', '{"order_id": 3, "product_id": 2, "qty": 7}');
SELECT given_sent('SubmitOrder', '{"order_id": 3, "submitted_on": "2026-03-02"}');
SELECT when_sent('CancelOrder', '{"order_id": 3, "reason": "enough"}');
SELECT then_events('OrderCancelled {"order_id": 3, "pieces": 7, "submitted_on": "2026-03-02", "total": 45.50}');
SELECT is((SELECT stock FROM shop_write.product WHERE id = 2), 97, 'products are given back');

-- RenameCustomer
SELECT when_sent('RenameCustomer', '{"customer_id": 1, "name": "Ada King"}');
SELECT then_events('CustomerRenamed {"customer_id": 1, "name": "Ada King"}');
SELECT when_sent('RenameCustomer', '{"customer_id": 1, "name": "Ada King"}');
SELECT then_rejected('P0001', 'customer 1 is called "Ada King" already');
SELECT when_sent('RenameCustomer', '{"customer_id": 5, "name": "Ada King"}');
SELECT then_rejected('P0002', 'customer 5 does not exist');

-- What the read models have made of all that.
SELECT ok(when_projected('order_summary') > 0, 'order_summary');
SELECT then_rows('SELECT * FROM shop.order_summary ORDER BY order_id',
	'{"order_id": 1, "customer_name": "Ada King", "status": "shipped", "items": 1, "total": 19.50}',
	'{"order_id": 2, "status": "cancelled", "items": 2, "total": 804.00}',
	'{"order_id": 3, "customer_name": "Grace Hopper", "status": "cancelled"}');
SELECT ok(when_projected() > 0, 'the others');
SELECT then_rows('SELECT * FROM shop.order_detail WHERE order_id = 2',
	'{"items": [{"product": "Samovar", "qty": 3, "price": 180.00}, {"product": "Teapot", "qty": 11, "price": 24.00}]}');
SELECT then_rows('SELECT * FROM shop.order_detail WHERE order_id = 1',
	'{"ship_to": "Paris, France", "carrier": "Mail", "tracking_number": "1", "total": 19.50}');
SELECT then_rows('SELECT * FROM shop.customer_orders ORDER BY customer_id',
	'{"customer_id": 1, "customer_name": "Ada King", "orders": 1, "total_spent": 19.50, "average": 19.50, "first_order": "2026-03-02"}',
	'{"customer_id": 2, "orders": 0, "total_spent": 0.00, "average": null}');
SELECT then_no_rows('SELECT * FROM shop.shipping_dashboard');
SELECT then_rows('SELECT * FROM shop.daily_sales',
	'{"day": "2026-03-02", "orders": 1, "revenue": 19.50, "average": 19.50, "top_products": [{"product": "Cup", "qty": 3, "revenue": 19.50}]}');

-- A read model can be tested with events alone, without the write side.
SELECT given('order-50',
	'OrderCreated {"order_id": 50, "customer_id": 8, "customer_name": "Emmy", "ship_to": "Bergen, Norway"}',
	'OrderSubmitted {"order_id": 50, "customer_id": 8, "customer_name": "Emmy", "ship_to": "Bergen, Norway", "submitted_on": "2026-04-01", "pieces": 1, "total": 10, "items": []}');
SELECT given('customer-8', 'CustomerRenamed {"customer_id": 8, "name": "Emmy Noether"}');
SELECT given('order-51',
	'OrderSubmitted {"order_id": 51, "customer_id": 8, "customer_name": "Emmy Noether", "ship_to": "Bergen, Norway", "submitted_on": "2026-03-31", "pieces": 1, "total": 25, "items": []}');
SELECT when_projected();
SELECT then_rows('SELECT * FROM shop.customer_orders WHERE customer_id = 8',
	'{"customer_name": "Emmy Noether", "orders": 2, "total_spent": 35.00, "average": 17.50, "first_order": "2026-03-31", "last_order": "2026-04-01"}');
SELECT then_rows('SELECT * FROM shop.shipping_dashboard ORDER BY order_id',
	'{"order_id": 50, "zone": "Europe", "customer_name": "Emmy Noether"}', '{"order_id": 51, "zone": "Europe"}');
SELECT given('order-60',
	'OrderSubmitted {"order_id": 60, "customer_id": 8, "customer_name": "Emmy", "ship_to": "Atlantis", "submitted_on": "2026-04-01", "pieces": 1, "total": 5, "items": []}',
	'OrderShipped {"order_id": 60, "carrier": "Ferry", "tracking_number": "1"}');
SELECT when_projected();
SELECT then_parked('shipping_dashboard', 'order-60 1', 'order-60 2');
SELECT then_parked('order_summary');

-- What an application may see of it.
SELECT is((SELECT array_agg(q->>'order_id') FROM cqrs_query('FindOrders', '{"sort": "-total"}') AS q), '{2,3,1,50}', 'sorted');
SELECT is((SELECT array_agg(q->>'order_id') FROM cqrs_query('FindOrders', '{"customer": "grace", "min_total": 100}') AS q), '{2}', 'filtered');
SELECT is((SELECT total FROM cqrs_query_page('FindOrders', '{}', page_size => 2)), 4::bigint, 'paged');
SELECT is((SELECT array_agg(handler) FROM cqrs.command_type c, LATERAL (SELECT handler::regprocedure::oid) AS f (oid)
		   WHERE NOT has_function_privilege('shop_app', f.oid, 'EXECUTE')), NULL, 'the application may send every command');
SELECT is((SELECT count(*) FROM pg_class WHERE relnamespace = 'shop_write'::regnamespace AND relkind = 'r'
		   AND has_table_privilege('shop_app', oid, 'SELECT, INSERT, UPDATE, DELETE')), 0::bigint, 'and touches no table');
SELECT * FROM finish();
ROLLBACK;
