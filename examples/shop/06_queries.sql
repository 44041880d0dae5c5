-- Named queries, for applications that should not know about tables.
SET ROLE shop_owner;

CREATE TYPE shop.get_order AS (order_id shop_write.id);
CREATE FUNCTION shop.get_order(q shop.get_order) RETURNS SETOF shop.order_detail LANGUAGE sql STABLE AS $$
	SELECT * FROM shop.order_detail WHERE order_id = q.order_id
$$;

-- A filter that is missing does not filter.  What the application gives is
-- compared with columns and never becomes part of the statement, so there is
-- nothing to inject; and the domain lets only known orders through.
CREATE DOMAIN shop.sort_by AS text CHECK (VALUE IN ('order_id', '-order_id', 'total', '-total', 'customer', '-customer'));
COMMENT ON DOMAIN shop.sort_by IS 'order_id, total or customer, with "-" in front for the reverse order';
CREATE TYPE shop.find_orders AS (customer text, status text, min_total numeric, sort shop.sort_by);
COMMENT ON COLUMN shop.find_orders.customer IS 'Part of the customer''s name, in small or capital letters';
CREATE FUNCTION shop.find_orders(q shop.find_orders) RETURNS SETOF shop.order_summary LANGUAGE sql STABLE AS $$
	SELECT * FROM shop.order_summary o
	WHERE (q.customer IS NULL OR strpos(lower(o.customer_name), lower(q.customer)) > 0)
	  AND (q.status IS NULL OR o.status = q.status)
	  AND (q.min_total IS NULL OR o.total >= q.min_total)
	ORDER BY
		CASE q.sort WHEN 'total' THEN o.total WHEN '-total' THEN -o.total END,
		CASE q.sort WHEN 'customer' THEN o.customer_name END,
		CASE q.sort WHEN '-customer' THEN o.customer_name END DESC,
		CASE q.sort WHEN '-order_id' THEN -o.order_id END,
		o.order_id
$$;

SELECT cqrs_create_query('GetOrder', 'shop.get_order(shop.get_order)', 'One order with its items');
SELECT cqrs_create_query('FindOrders', 'shop.find_orders(shop.find_orders)', 'Orders, filtered and sorted');
GRANT EXECUTE ON FUNCTION shop.get_order, shop.find_orders TO shop_app;

-- What there is to send and to ask, for whoever writes an application.
SELECT name, payload, description FROM cqrs.command_type ORDER BY name;
SELECT name, params, description FROM cqrs.query_type ORDER BY name;
SELECT f.* FROM cqrs.query_type, jsonb_to_recordset(fields) AS f (name text, type text, required boolean, comment text)
WHERE cqrs.query_type.name = 'FindOrders';
