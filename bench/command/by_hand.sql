\set o random(1, 100000)
\set q random(1, 9)
SELECT bench.add_item_by_hand(jsonb_build_object('order_id', :o::bigint, 'product_id', 3, 'qty', :q::int));
