-- An event that a rule fails for.  The shop has sold something to a country
-- that zone_of(), in the rules of shipping_dashboard, has never heard of.
SET ROLE shop_app;
SELECT cqrs_send('CreateOrder', '{"customer_id": 2, "ship_to": "Laugavegur 1, Reykjavik, Iceland"}') AS order_id;
SELECT cqrs_send('AddItem', '{"order_id": 7, "product_id": 1, "qty": 2}');
SELECT cqrs_send('SubmitOrder', '{"order_id": 7, "submitted_on": "2026-03-04"}');
SELECT cqrs_send('ChangeShippingAddress', '{"order_id": 7, "ship_to": "Austurvollur 3, Reykjavik, Iceland"}');
-- Another order, with nothing wrong.
SELECT cqrs_send('CreateOrder', '{"customer_id": 1, "ship_to": "Ockham Park, Surrey, England"}') AS order_id;
SELECT cqrs_send('AddItem', '{"order_id": 8, "product_id": 1, "qty": 1}');
SELECT cqrs_send('SubmitOrder', '{"order_id": 8, "submitted_on": "2026-03-04"}');
SELECT cqrs_wait();

-- The event is parked, and later events of its stream wait behind it.  All other
-- streams, and all other projections, go on.
SET ROLE shop_owner;
SELECT order_id, zone, ship_to FROM shop.shipping_dashboard ORDER BY order_id;
SELECT order_id, status, total FROM shop.order_summary WHERE order_id >= 7 ORDER BY order_id;
SELECT projection, state, events_behind, events_parked FROM cqrs.projection_status ORDER BY projection;
SELECT stream, version, event_type, attempts, sqlstate, message FROM cqrs.projection_parked ORDER BY position;

-- Remove the cause, and try again.
CREATE OR REPLACE FUNCTION shop.zone_of(address text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	CASE btrim(split_part(address, ',', -1))
		WHEN 'England', 'Scotland', 'Wales' THEN RETURN 'home';
		WHEN 'France', 'Iceland', 'Italy', 'Norway' THEN RETURN 'Europe';
		ELSE RETURN 'elsewhere';
	END CASE;
END $$;
SELECT cqrs_retry_parked('shipping_dashboard');
SELECT order_id, zone, ship_to FROM shop.shipping_dashboard ORDER BY order_id;
SELECT count(*) AS parked FROM cqrs.projection_parked;
