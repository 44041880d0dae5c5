-- Whoever has written something wants to see it.  There are four ways.
SET ROLE shop_app;

-- 1. Wait, in the session that has sent the command.
SELECT cqrs_send('AddItem', '{"order_id": 5, "product_id": 2, "qty": 1}');
SELECT cqrs_wait(projections => ARRAY['order_detail']);
SELECT total FROM shop.order_detail WHERE order_id = 5;

-- 2. One round trip: send, commit, wait.
CALL cqrs_execute('AddItem', '{"order_id": 5, "product_id": 3, "qty": 2}', projections => ARRAY['order_detail']) \gset
\echo id :id, synced :synced
SELECT total FROM shop.order_detail WHERE order_id = 5;

-- 3. Hand on a token: a short text that names the transaction.  Here another
-- session gets it, as the next request of a web browser would.
SELECT cqrs_send('SubmitOrder', '{"order_id": 5, "submitted_on": "2026-03-03"}');
SELECT cqrs_token() AS token \gset
\connect
SET ROLE shop_app;
SELECT cqrs_wait(:'token');
SELECT status FROM shop.order_summary WHERE order_id = 5;

-- 4. Ask a query with the token: it waits first, and then sees it.
SELECT token FROM cqrs_try_send('ShipOrder', '{"order_id": 5, "carrier": "Mail", "tracking_number": "M-77"}') \gset
SELECT q->>'status' AS status, q->>'carrier' AS carrier FROM cqrs_query('GetOrder', '{"order_id": 5}', token => :'token') AS q;

-- A projection that does not follow in time is no secret: the answer is false.
-- (Pausing is for the owner of the projection, the shop.)
SET ROLE shop_owner;
SELECT cqrs_pause('order_summary');
SET ROLE shop_app;
SELECT cqrs_send('CreateOrder', '{"customer_id": 3, "ship_to": "Adlington Road, Wilmslow, England"}') AS order_id;
SELECT cqrs_wait(projections => ARRAY['order_summary'], timeout => '100ms');
SELECT cqrs_wait(projections => ARRAY['order_detail']);
SET ROLE shop_owner;
SELECT cqrs_resume('order_summary');
SET ROLE shop_app;
SELECT cqrs_wait();
SELECT count(*) FROM shop.order_summary;
