-- What the application may not do: anything else.
SET ROLE shop_app;
\set ON_ERROR_STOP off
-- look at the write side, or change it
SELECT * FROM shop_write.customer;
-- call a handler past the bus
SELECT shop_write.rename_customer('(1,"Nobody")');
-- make an event up, or look at the log
SELECT cqrs_emit('order-1', 'OrderShipped', '{"order_id": 1, "carrier": "x", "tracking_number": "y"}');
SELECT * FROM cqrs.event;
-- write to a read model
UPDATE shop.order_summary SET total = 0;
UPDATE "order_summary$1".order_summary SET total = 0;
-- change, stop or replay one
SELECT cqrs_pause('order_summary');
-- send what it has not been given
RESET ROLE;
REVOKE EXECUTE ON FUNCTION shop_write.cancel_order FROM shop_app;
SET ROLE shop_app;
SELECT cqrs_send('CancelOrder', '{"order_id": 4, "reason": "no more money"}');
\set ON_ERROR_STOP on
RESET ROLE;
GRANT EXECUTE ON FUNCTION shop_write.cancel_order TO shop_app;
