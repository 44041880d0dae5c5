\set n random(1, 100)
SELECT cqrs_send('Count', jsonb_build_object('n', :n::int));
