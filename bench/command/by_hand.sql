\set o random(1, 100000)
\set p random(1, 1000)
\set q random(1, 9)
SELECT bench.add_item_by_hand(jsonb_build_object('order_id', :o::bigint, 'product_id', :p::bigint, 'qty', :q::int));
