-- What can happen in a shop.  An event is named in the past tense and carries
-- what those who read it need, so that they never look at the write side: the
-- customer's name, the product's name, the price at that time.
SET ROLE shop_owner;
SET search_path TO shop_write;

CREATE DOMAIN id AS bigint NOT NULL;
CREATE DOMAIN amount AS numeric(12, 2) NOT NULL;
CREATE DOMAIN some_text AS text NOT NULL CHECK (VALUE ~ '\S');
CREATE DOMAIN quantity AS integer NOT NULL CHECK (VALUE BETWEEN 1 AND 1000);
CREATE DOMAIN pieces AS integer NOT NULL CHECK (VALUE > 0);
COMMENT ON DOMAIN some_text IS 'Text that is not blank';
COMMENT ON DOMAIN quantity IS 'How many pieces, 1 to 1000';

CREATE TYPE order_created AS (order_id id, customer_id id, customer_name some_text, ship_to some_text);
CREATE TYPE item_added AS (order_id id, product_id id, product some_text, qty quantity, price amount);
CREATE TYPE shipping_address_changed AS (order_id id, ship_to some_text);
CREATE TYPE item_sold AS (product_id id, product some_text, qty quantity, price amount);
CREATE TYPE order_submitted AS (
	order_id id, customer_id id, customer_name some_text, ship_to some_text,
	submitted_on date, pieces pieces, total amount, items item_sold[]);
CREATE TYPE order_shipped AS (order_id id, carrier some_text, tracking_number some_text);
-- Without a date the order had not been submitted.
CREATE TYPE order_cancelled AS (
	order_id id, customer_id id, reason some_text,
	submitted_on date, pieces integer, total numeric, items item_sold[]);
CREATE TYPE customer_renamed AS (customer_id id, name some_text);

SELECT cqrs_create_event_type(name, payload, description)
FROM (VALUES
	('OrderCreated', 'order_created'::regtype, 'A customer has begun an order'),
	('ItemAdded', 'item_added', 'A product was put on an order'),
	('ShippingAddressChanged', 'shipping_address_changed', 'An order is to be sent elsewhere'),
	('OrderSubmitted', 'order_submitted', 'An order is complete, and its products are set aside'),
	('OrderShipped', 'order_shipped', 'An order has left the house'),
	('OrderCancelled', 'order_cancelled', 'An order will not be shipped'),
	('CustomerRenamed', 'customer_renamed', 'A customer has another name')
) AS event_type (name, payload, description);
