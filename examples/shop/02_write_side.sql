-- The write side: normalized tables, in which every fact is once.
SET ROLE shop_owner;
SET search_path TO shop_write;

CREATE TABLE customer (
	id bigint PRIMARY KEY,
	name text NOT NULL
);

CREATE TABLE product (
	id bigint PRIMARY KEY,
	name text NOT NULL,
	price numeric(10, 2) NOT NULL CHECK (price > 0),
	stock integer NOT NULL CHECK (stock >= 0)
);

CREATE TYPE order_status AS ENUM ('open', 'submitted', 'shipped', 'cancelled');

CREATE TABLE "order" (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	customer_id bigint NOT NULL REFERENCES customer,
	status order_status NOT NULL DEFAULT 'open',
	ship_to text NOT NULL,
	submitted_on date,
	CHECK ((submitted_on IS NULL) = (status = 'open') OR status = 'cancelled')
);

CREATE TABLE order_item (
	order_id bigint REFERENCES "order",
	product_id bigint REFERENCES product,
	qty integer NOT NULL CHECK (qty > 0),
	price numeric(10, 2) NOT NULL,
	PRIMARY KEY (order_id, product_id)
);

-- Customers and products are kept elsewhere; here they are simply there.
INSERT INTO customer VALUES (1, 'Ada Lovelace'), (2, 'Grace Hopper'), (3, 'Alan Turing');
INSERT INTO product VALUES
	(1, 'Teapot', 24.00, 10),
	(2, 'Cup', 6.50, 100),
	(3, 'Green tea', 4.25, 50),
	(4, 'Samovar', 180.00, 2);
