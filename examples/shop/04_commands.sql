-- What one can do in a shop.  A command is named after the intent, and its
-- handler
--   1. locks what it decides about,
--   2. checks every rule, and raises an error when one does not hold,
--   3. only then writes, and emits what has happened.
-- Handlers run as the owner of the shop (SECURITY DEFINER), so whoever sends a
-- command needs no rights on tables; the search_path is pinned for the same
-- reason.
SET ROLE shop_owner;
SET search_path TO shop_write;

CREATE TYPE create_order AS (customer_id id, ship_to some_text);
CREATE TYPE add_item AS (order_id id, product_id id, qty quantity);
CREATE TYPE change_shipping_address AS (order_id id, ship_to some_text);
CREATE TYPE submit_order AS (order_id id, submitted_on date);
CREATE TYPE ship_order AS (order_id id, carrier some_text, tracking_number some_text);
CREATE TYPE cancel_order AS (order_id id, reason some_text);
CREATE TYPE rename_customer AS (customer_id id, name some_text);
COMMENT ON COLUMN submit_order.submitted_on IS 'Day of the order, such as that of a letter; today when it is missing';

-- Locks an order and returns it.  All that happens to one order happens one
-- after the other.
CREATE FUNCTION lock_order(order_id bigint) RETURNS "order"
LANGUAGE plpgsql SET search_path TO shop_write, pg_temp AS $$
DECLARE
	found_order "order";
BEGIN
	SELECT * INTO found_order FROM "order" o WHERE o.id = order_id FOR UPDATE;
	IF NOT FOUND THEN
		RAISE no_data_found USING MESSAGE = format('order %s does not exist', order_id);
	END IF;
	RETURN found_order;
END $$;

-- The products of an order as an event tells them.
CREATE FUNCTION items_sold(order_id bigint) RETURNS jsonb
LANGUAGE sql STABLE SET search_path TO shop_write, pg_temp AS $$
	SELECT jsonb_agg(jsonb_build_object('product_id', p.id, 'product', p.name, 'qty', i.qty, 'price', i.price)
					 ORDER BY p.id)
	FROM order_item i JOIN product p ON p.id = i.product_id
	WHERE i.order_id = items_sold.order_id
$$;

CREATE FUNCTION create_order(c create_order) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path TO shop_write, pg_temp AS $$
DECLARE
	customer_name text;
	new_id bigint;
BEGIN
	-- A share lock: nobody renames the customer before this is committed.
	SELECT name INTO customer_name FROM customer WHERE id = c.customer_id FOR SHARE;
	IF NOT FOUND THEN
		RAISE no_data_found USING MESSAGE = format('customer %s does not exist', c.customer_id);
	END IF;

	INSERT INTO "order" (customer_id, ship_to) VALUES (c.customer_id, c.ship_to) RETURNING id INTO new_id;
	PERFORM cqrs_emit('order-' || new_id, 'OrderCreated', jsonb_build_object(
		'order_id', new_id, 'customer_id', c.customer_id, 'customer_name', customer_name, 'ship_to', c.ship_to));
	RETURN new_id;
END $$;

CREATE FUNCTION add_item(c add_item) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path TO shop_write, pg_temp AS $$
DECLARE
	o "order";
	p product;
BEGIN
	o := lock_order(c.order_id);
	IF o.status <> 'open' THEN
		RAISE 'order % is %', o.id, o.status
			USING HINT = 'Items can be added to open orders only.';
	END IF;
	SELECT * INTO p FROM product WHERE id = c.product_id;
	IF NOT FOUND THEN
		RAISE no_data_found USING MESSAGE = format('product %s does not exist', c.product_id);
	END IF;
	IF EXISTS (SELECT FROM order_item i WHERE i.order_id = o.id AND i.product_id = p.id) THEN
		RAISE 'product "%" is on order % already', p.name, o.id;
	END IF;

	INSERT INTO order_item VALUES (o.id, p.id, c.qty, p.price);
	PERFORM cqrs_emit('order-' || o.id, 'ItemAdded', jsonb_build_object(
		'order_id', o.id, 'product_id', p.id, 'product', p.name, 'qty', c.qty, 'price', p.price));
	RETURN o.id;
END $$;

CREATE FUNCTION change_shipping_address(c change_shipping_address) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path TO shop_write, pg_temp AS $$
DECLARE
	o "order";
BEGIN
	o := lock_order(c.order_id);
	IF o.status NOT IN ('open', 'submitted') THEN
		RAISE 'order % is %', o.id, o.status
			USING HINT = 'It is too late to change the address.';
	END IF;

	UPDATE "order" SET ship_to = c.ship_to WHERE id = o.id;
	PERFORM cqrs_emit('order-' || o.id, 'ShippingAddressChanged', to_jsonb(c));
	RETURN o.id;
END $$;

CREATE FUNCTION submit_order(c submit_order) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path TO shop_write, pg_temp AS $$
DECLARE
	o "order";
	day date := coalesce(c.submitted_on, current_date);
	short record;
	event jsonb;
BEGIN
	o := lock_order(c.order_id);
	IF o.status <> 'open' THEN
		RAISE 'order % is %', o.id, o.status;
	END IF;
	IF day > current_date THEN
		RAISE 'an order cannot be submitted in the future';
	END IF;
	-- Products are locked in the order of their ids, so that two orders with
	-- the same products wait for each other and do not deadlock.
	PERFORM FROM product p
	WHERE p.id IN (SELECT i.product_id FROM order_item i WHERE i.order_id = o.id)
	ORDER BY p.id FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE 'order % has no items', o.id
			USING HINT = 'Add some with the command "AddItem".';
	END IF;
	SELECT string_agg(format('"%s": %s wanted, %s in stock', p.name, i.qty, p.stock), E'\n' ORDER BY p.id) AS items INTO short
	FROM order_item i JOIN product p ON p.id = i.product_id
	WHERE i.order_id = o.id AND i.qty > p.stock;
	IF short.items IS NOT NULL THEN
		RAISE 'order % has items that are out of stock', o.id USING DETAIL = short.items;
	END IF;

	UPDATE "order" SET status = 'submitted', submitted_on = day WHERE id = o.id;
	UPDATE product p SET stock = p.stock - i.qty FROM order_item i WHERE i.order_id = o.id AND i.product_id = p.id;
	SELECT jsonb_build_object('order_id', o.id, 'customer_id', o.customer_id, 'customer_name', cu.name,
			'ship_to', o.ship_to, 'submitted_on', day, 'items', items_sold(o.id),
			'pieces', (SELECT sum(qty) FROM order_item WHERE order_id = o.id),
			'total', (SELECT sum(qty * price) FROM order_item WHERE order_id = o.id))
		INTO event
		FROM customer cu WHERE cu.id = o.customer_id FOR SHARE;
	PERFORM cqrs_emit('order-' || o.id, 'OrderSubmitted', event);
	RETURN o.id;
END $$;

CREATE FUNCTION ship_order(c ship_order) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path TO shop_write, pg_temp AS $$
DECLARE
	o "order";
BEGIN
	o := lock_order(c.order_id);
	IF o.status <> 'submitted' THEN
		RAISE 'order % is %', o.id, o.status
			USING HINT = 'Only submitted orders can be shipped.';
	END IF;

	UPDATE "order" SET status = 'shipped' WHERE id = o.id;
	PERFORM cqrs_emit('order-' || o.id, 'OrderShipped', to_jsonb(c));
	RETURN o.id;
END $$;

CREATE FUNCTION cancel_order(c cancel_order) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path TO shop_write, pg_temp AS $$
DECLARE
	o "order";
	event jsonb;
BEGIN
	o := lock_order(c.order_id);
	IF o.status NOT IN ('open', 'submitted') THEN
		RAISE 'order % is %', o.id, o.status;
	END IF;

	event := jsonb_build_object('order_id', o.id, 'customer_id', o.customer_id, 'reason', c.reason);
	IF o.status = 'submitted' THEN
		PERFORM FROM product p
		WHERE p.id IN (SELECT i.product_id FROM order_item i WHERE i.order_id = o.id)
		ORDER BY p.id FOR NO KEY UPDATE;
		UPDATE product p SET stock = p.stock + i.qty FROM order_item i WHERE i.order_id = o.id AND i.product_id = p.id;
		event := event || jsonb_build_object('submitted_on', o.submitted_on, 'items', items_sold(o.id),
			'pieces', (SELECT sum(qty) FROM order_item WHERE order_id = o.id),
			'total', (SELECT sum(qty * price) FROM order_item WHERE order_id = o.id));
	END IF;
	UPDATE "order" SET status = 'cancelled' WHERE id = o.id;
	PERFORM cqrs_emit('order-' || o.id, 'OrderCancelled', event);
	RETURN o.id;
END $$;

CREATE FUNCTION rename_customer(c rename_customer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path TO shop_write, pg_temp AS $$
DECLARE
	cu customer;
BEGIN
	SELECT * INTO cu FROM customer WHERE id = c.customer_id FOR UPDATE;
	IF NOT FOUND THEN
		RAISE no_data_found USING MESSAGE = format('customer %s does not exist', c.customer_id);
	END IF;
	IF cu.name = c.name THEN
		RAISE 'customer % is called "%" already', cu.id, cu.name;
	END IF;

	UPDATE customer SET name = c.name WHERE id = cu.id;
	PERFORM cqrs_emit('customer-' || cu.id, 'CustomerRenamed', to_jsonb(c));
	RETURN cu.id;
END $$;

SELECT cqrs_create_command(name, handler, description => description)
FROM (VALUES
	('CreateOrder', 'create_order(create_order)'::regprocedure, 'Begins an order for a customer; returns its id'),
	('AddItem', 'add_item(add_item)', 'Puts a product on an open order'),
	('ChangeShippingAddress', 'change_shipping_address(change_shipping_address)', 'Sends an order elsewhere'),
	('SubmitOrder', 'submit_order(submit_order)', 'Completes an order and sets its products aside'),
	('ShipOrder', 'ship_order(ship_order)', 'Hands a submitted order to a carrier'),
	('CancelOrder', 'cancel_order(cancel_order)', 'Gives up an order that has not been shipped'),
	('RenameCustomer', 'rename_customer(rename_customer)', 'Changes the name of a customer')
) AS command (name, handler, description);

-- Who may send a command is who may execute its handler.
GRANT EXECUTE ON FUNCTION create_order, add_item, change_shipping_address, submit_order, ship_order, cancel_order,
	rename_customer TO shop_app;
