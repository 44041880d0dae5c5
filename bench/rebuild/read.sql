\set id random(0, 99999)
SELECT * FROM shop.order_summary WHERE order_id = :id;
